"""The data folder that edgeface 0.1 wrote (tests/data/v0.1/README.md) opens with the code of today, whole."""

import json
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from edgeface.cli.main import main
from edgeface.config import loader
from edgeface.core.types import Embedding
from edgeface.faces.analyzer import FaceAnalyzer
from edgeface.faces.calibration import table_of
from edgeface.faces.embedder import embedder_name
from edgeface.faces.photo_face import find_face
from edgeface.gallery.gallery import Gallery
from edgeface.imaging.photos import load
from edgeface.journal.journal import Journal
from edgeface.recognition.decision import same_unknown, thresholds
from edgeface.security import signing_keys
from edgeface.security.attempts import AttemptKey
from edgeface.security.vault import open_vault
from edgeface.web.auth import accounts
from tests.support.journals import counts

PHOTOS = Path(__file__).parent / "data"
WRITTEN = PHOTOS / "v0.1"
HEAD = "731e149671cc22b8b9379c6b97bc5be1d1c1cacda5f4a74b8834f413cc576a6e"
PEOPLE = {"barack_obama": ("Barack Obama", 2), "grace_hopper": ("Grace Hopper", 1), "joe_biden": ("Joe Biden", 1)}
UNKNOWN = "u-b2d6"
EVENTS = {"match": 6, "unknown": 4, "left": 10}
ABOUT = {"barack_obama": 6, "joe_biden": 6, UNKNOWN: 8}
"""Whom the events are about."""
ROWS, UNSAID = 44, 13
PICTURES = {"barack_obama": 3, "grace_hopper": 1, "joe_biden": 3, UNKNOWN: 3}


@pytest.fixture(name="home")
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy with the modes that edgeface gives, as the working folder: the paths of its config.yaml are relative."""
    home = tmp_path / "home"
    shutil.copytree(WRITTEN, home)
    (home / "data").chmod(0o700)
    for path in (home / "data").iterdir():
        path.chmod(0o600)
    monkeypatch.chdir(home)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    return home


def run(*arguments: str) -> None:
    assert main([*arguments, "--config", "config.yaml"]) == 0


def embedding_of(analyzer: FaceAnalyzer, photo: str) -> Embedding:
    face = find_face(analyzer, load(PHOTOS / photo))
    return analyzer.embed(face.image, face.detection)


@pytest.mark.parametrize("name", ["gallery.db", "journal.db"])
def test_no_later_version_has_written_the_folder(name: str) -> None:
    path = WRITTEN / "data" / name
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (2,)
    names = {file.name for file in path.parent.iterdir()}
    assert names == {"gallery.db", "journal.db", "key", "key.id", "keys.json", "web.json"}


@pytest.mark.usefixtures("home")
def test_the_configuration_loads() -> None:
    run("check")
    configuration = loader.load(Path("config.yaml"))
    assert (configuration.device, list(configuration.cameras)) == ("fixture", ["porch"])
    assert configuration.groups == {"family": ("barack_obama", "grace_hopper")}
    assert list(configuration.doors) == ["front-door"]


def test_three_people_and_an_unknown_are_there_with_templates_and_pictures(home: Path) -> None:
    run("export", "people.json")
    people = json.loads((home / "people.json").read_text())["people"]
    assert {one["id"]: (one["name"], len(one["templates"])) for one in people} == PEOPLE
    dates = {one["id"]: (one["consent"], one["expires"]) for one in people}
    assert dates == {**dict.fromkeys(PEOPLE, (None, None)), "barack_obama": ("2026-11-01", "2099-12-31")}
    with closing(Gallery.open(home / "data", embedder_name())) as gallery:
        assert {(person.id, person.foreign, person.ignored) for person in gallery.people()} == {
            (one, 0, False) for one in PEOPLE
        }
        (unknown,) = gallery.unknowns()
        assert (unknown.id, unknown.sightings, unknown.camera, len(unknown.templates)) == (UNKNOWN, 4, "porch", 2)
        pictures = {who: gallery.pictures(who) for who in (*PEOPLE, UNKNOWN)}
    assert {who: len(taken) for who, taken in pictures.items()} == PICTURES
    assert all(jpeg.startswith(b"\xff\xd8") for taken in pictures.values() for _, jpeg in taken)


def test_a_photo_of_an_enrolled_person_matches_and_one_of_the_unknown_does_not(home: Path) -> None:
    configuration = loader.load(Path("config.yaml"))
    analyzer, table = configuration.open_analyzer(), table_of(configuration.embedder.model)
    with closing(Gallery.open(home / "data", analyzer.embedder.name)) as gallery:
        view, (unknown,) = gallery.snapshot(), gallery.unknowns()
    accept = thresholds(table, configuration.recognition.level, view).accept
    # Not one of the two photos that were enrolled.
    found = view.match(embedding_of(analyzer, "obama3.jpg"))
    assert found is not None
    assert found.person == "barack_obama"
    assert found.score >= accept
    assert found.runner_up is not None
    assert found.runner_up < accept
    stranger = embedding_of(analyzer, "astronaut.jpg")
    nearest = view.match(stranger)
    assert nearest is not None
    assert nearest.score < accept
    assert float(np.dot(stranger, unknown.mean)) >= same_unknown(table, 1)


def test_the_journal_verifies_and_opens_every_row(home: Path) -> None:
    run("audit", "verify", "--head", HEAD)
    run("audit", "export", "trail.jsonl")
    rows = [json.loads(line) for line in (home / "trail.jsonl").read_text().splitlines()]
    assert len(rows) == ROWS
    assert rows[-1]["link"] == HEAD
    kinds = Counter(row["kind"] for row in rows)
    assert {kind: kinds[kind] for kind in ("match", "unknown", "uncertain", "left")} == {**EVENTS, "uncertain": 0}
    assert not [row for row in rows if "altered" in row]
    assert [row["kind"] for row in rows if row["payload"] is None] == ["enrolled"]
    events = [row["payload"] for row in rows if row["kind"] in EVENTS]
    assert Counter(event["person"] or event["unknown"] for event in events) == ABOUT
    assert {event["event_type"] for event in events} == set(EVENTS)


def test_the_journal_goes_on_where_0_1_ended(home: Path) -> None:
    with closing(Journal(home / "data" / "journal.db")) as journal:
        assert journal.problem is None
        assert counts(journal) == (ROWS, UNSAID)
        assert journal.record("stopped", 1_800_000_000.0, {"boot": "test"})
        verdict = journal.verify(HEAD)
    assert (verdict.rows, verdict.redacted, verdict.known, verdict.fault) == (ROWS + 1, 1, True, None)


def test_the_signing_keys_load(home: Path) -> None:
    records = signing_keys.read(home / "data")
    assert [(one.kid, one.state) for one in records] == [
        ("2026-10", "retired"),
        ("2026-11", "active"),
        ("2026-12", "next"),
    ]
    vault = open_vault(home / "data")
    key = signing_keys.active(records, vault)
    assert key is not None
    assert key.kid == "2026-11"
    # The next key's private part opens too.
    following = signing_keys.active(signing_keys.rotate(records), vault)
    assert following is not None
    assert following.kid == "2026-12"


def test_who_may_use_the_page_still_may(home: Path) -> None:
    known = accounts.read(home / "data")
    assert [(one.name, one.role, one.kind) for one in known] == [
        ("alice", "admin", "password"),
        ("grafana", "viewer", "token"),
    ]
    assert accounts.is_password(known[0], "the fixture's password")
    assert not accounts.is_password(known[0], "another password")


def test_its_people_get_second_factors(home: Path) -> None:
    with closing(Gallery.open(home / "data", embedder_name())) as gallery:
        assert gallery.factors() == []
        gallery.add_card("joe_biden", "04a2b3c4", 1.0)
        gallery.put_attempts({AttemptKey("front-door", "joe_biden"): {"wrong": 1}})
    with closing(Gallery.open(home / "data", embedder_name())) as gallery:
        assert gallery.person_of_card("04a2b3c4") == "joe_biden"
    run("forget", "joe_biden")
