"""What lies on the disk: a stolen card, another key, a file of an older edgeface, and a disk that cannot be written."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest

from edgeface.cli import main
from edgeface.config.configuration import Configuration, Privacy
from edgeface.core.errors import GalleryError, VaultError
from edgeface.core.types import Embedding
from edgeface.daemon.session import RecognitionSession
from edgeface.faces.embedder import embedder_name
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import Template, day
from edgeface.gallery.thumbnails import Thumbnail
from edgeface.gallery.unknowns import Unknown
from edgeface.journal.journal import Journal
from edgeface.journal.rows import JournalRow

DATA = Path(__file__).parents[1] / "data"
REPOSITORY = Path(__file__).parents[2]
MODEL = "test-model:01234567"
NOON = 1_800_000_000.0


def unit(seed: int) -> Embedding:
    vector = np.random.default_rng(seed).standard_normal(192).astype(np.float32)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def template(seed: int, model: str = MODEL) -> Template:
    return Template(unit(seed), model, "photo", 5.5)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def runs(embedding: Embedding) -> list[bytes]:
    data = embedding.astype("<f4").tobytes()
    return [data[at : at + 16] for at in range(0, len(data) - 15, 4)]


def test_a_stolen_card_names_nobody_and_has_no_number_of_a_face(tmp_path: Path) -> None:
    data = tmp_path / "data"
    arguments = ["--config", str(tmp_path / "none.yaml"), "--data", str(data)]
    photos = [str(DATA / f"{name}.jpg") for name in ("obama", "obama2", "obama3")]
    assert (
        main.main(["enroll", *arguments, "barack", "--name", "Barack Obama", "--expires", "2037-08-04", *photos]) == 0
    )
    assert main.main(["enroll", *arguments, "joseph", "--name", "Joe Biden", str(DATA / "biden.jpg")]) == 0
    with closing(Gallery.open(data, embedder_name())) as gallery:
        stranger = Unknown("u-7f3a99", unit(9), (unit(9), unit(10)), 2, 1, 40.0, 50.0, "porch-camera")
        gallery.keep_unknowns([stranger])
        gallery.keep_pictures([Thumbnail("u-7f3a99", 5.0, b"\xff\xd8 a picture of somebody")])
        embeddings = [t.embedding for who in ("barack", "joseph") for t in gallery.templates(who)]
    with closing(Journal(data / "journal.db")) as journal:
        facts = '{"event_type":"match","person":"barack","name":"Barack Obama","camera":"porch-camera"}'
        assert journal.append(JournalRow("01J1", "match", 100.0, facts))
        assert journal.append(JournalRow("01J2", "unknown", 101.0, '{"event_type":"unknown","unknown":"u-7f3a99"}'))
        lying = b"".join(files(data).values()) + b"".join(name.encode() for name in files(data))
    words = [
        b"barack",
        b"Barack",
        b"Obama",
        b"joseph",
        b"Biden",
        b"u-7f3a99",
        b"porch-camera",
        b"2037-08-04",
        b"somebody",
    ]
    assert [word for word in words if word in lying] == []
    assert [run for vector in (*embeddings, unit(9), unit(10)) for run in runs(vector) if run in lying] == []
    assert len(embeddings) == 4


@pytest.mark.parametrize("how", ["another", "missing", "both files missing"])
def test_another_key_or_none_starts_nothing_and_writes_nothing(tmp_path: Path, how: str) -> None:
    with closing(Gallery.open(tmp_path, MODEL)) as gallery:
        gallery.enroll("alice", "Alice", [template(1)], 100.0)
    other = tmp_path / "other"
    Gallery.open(other, MODEL).close()
    if how == "another":
        shutil.copy(other / "key", tmp_path / "key")
    else:
        (tmp_path / "key").unlink()
    if how == "both files missing":
        (tmp_path / "key.id").unlink()
    shutil.rmtree(other)
    before = files(tmp_path)
    with pytest.raises(VaultError, match=r"key [0-9a-f]{8}"):
        Gallery.open(tmp_path, MODEL)
    after = files(tmp_path)
    assert {name: after[name] for name in before} == before
    assert main.main(["people", "--config", str(tmp_path / "none"), "--data", str(tmp_path)]) == 78


def test_a_row_that_was_altered_or_moved_to_another_person_is_refused(tmp_path: Path) -> None:
    with closing(Gallery.open(tmp_path, MODEL)) as gallery:
        gallery.enroll("alice", "Alice", [template(1)], 100.0)
        gallery.enroll("bob", "Bob", [template(2)], 100.0)
        alice, bob = gallery.tag("alice"), gallery.tag("bob")
        with closing(sqlite3.connect(gallery.path)) as thief, thief:
            thief.execute(
                "UPDATE templates SET sealed = (SELECT sealed FROM templates WHERE person = ?) WHERE person = ?",
                (bob, alice),
            )
        thief.close()
        with pytest.raises(VaultError, match="altered"):
            gallery.snapshot()
        assert [person.id for person in gallery.people()] == ["alice", "bob"]


_VERSION_1 = """
CREATE TABLE people (id TEXT PRIMARY KEY, name TEXT NOT NULL, ignored INTEGER NOT NULL, enrolled REAL NOT NULL);
CREATE TABLE templates (
    person TEXT NOT NULL REFERENCES people(id) ON DELETE CASCADE,
    embedding BLOB NOT NULL, model TEXT NOT NULL, source TEXT NOT NULL, wall REAL NOT NULL,
    UNIQUE (person, model, embedding)
);
CREATE INDEX by_model ON templates (model);
CREATE TABLE unknowns (
    id TEXT PRIMARY KEY, mean BLOB NOT NULL, templates BLOB NOT NULL, model TEXT NOT NULL,
    weight INTEGER NOT NULL, sightings INTEGER NOT NULL, first REAL NOT NULL, last REAL NOT NULL, camera TEXT NOT NULL
);
CREATE TABLE gone (id TEXT PRIMARY KEY);
CREATE TABLE state (generation INTEGER NOT NULL);
INSERT INTO state VALUES (1);
PRAGMA user_version = 1;
"""


def plain(folder: Path, people: int) -> Path:
    """A gallery of schema 1."""
    folder.mkdir(exist_ok=True)
    path = folder / "gallery.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(_VERSION_1)
    for n in range(people):
        person = (f"person-{n}", f"Somebody {n}", n % 2, 10.0 + n)
        connection.execute("INSERT INTO people VALUES (?, ?, ?, ?)", person)
        rows = [
            (f"person-{n}", unit(3 * n + k).tobytes(), MODEL if k < 2 else "old:00000000", "camera", 1.5 * k)
            for k in range(3)
        ]
        connection.executemany("INSERT INTO templates VALUES (?, ?, ?, ?, ?)", rows)
    mean, many = unit(900).tobytes(), unit(900).tobytes() + unit(901).tobytes()
    values = ("u-7f3a99", mean, many, MODEL, 2, 3, 40.0, 50.0, "porch-camera")
    connection.execute("INSERT INTO unknowns VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
    connection.execute("INSERT INTO gone VALUES ('u-00ff00')")
    connection.commit()
    connection.close()
    return path


def check_sealed(gallery: Gallery, people: int) -> None:
    """Everything that `plain` wrote is there, and none of it is plain."""
    found = sorted(gallery.people(), key=lambda person: person.enrolled)
    shown = [(p.id, p.name, p.ignored, p.enrolled, p.templates, p.foreign) for p in found]
    assert shown == [(f"person-{n}", f"Somebody {n}", bool(n % 2), 10.0 + n, 2, 1) for n in range(people)]
    first, second, third = gallery.templates("person-1")
    np.testing.assert_array_equal(second.embedding, unit(4))
    assert (first.wall, second.wall, second.source) == (0.0, 1.5, "camera")
    assert (third.model, third.wall) == ("old:00000000", 3.0)
    (unknown,) = gallery.unknowns()
    assert (unknown.id, unknown.sightings, unknown.camera, len(unknown.templates)) == ("u-7f3a99", 3, "porch-camera", 2)
    assert "u-00ff00" in gallery.gone()
    lying = b"".join(files(gallery.path.parent).values())
    words = [b"person-1", b"Somebody", b"u-7f3a99", b"u-00ff00", b"porch-camera"]
    assert [word for word in words if word in lying] == []
    vectors = [unit(seed) for seed in (0, 4, 5, 900, 901)]
    assert [run for vector in vectors for run in runs(vector) if run in lying] == []


def test_a_plain_gallery_is_sealed_and_no_plain_byte_stays(tmp_path: Path) -> None:
    path = plain(tmp_path / "data", 30)
    assert b"Somebody" in path.read_bytes()
    with closing(Gallery.open(path.parent, MODEL)) as gallery:
        check_sealed(gallery, 30)
        assert len(gallery.snapshot().people) == 30


def test_what_was_left_plain_by_a_migration_cut_short_is_wiped_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = plain(tmp_path / "data", 5)

    def cut(*_: object) -> None:
        raise GalleryError("the power went")

    monkeypatch.setattr("edgeface.gallery.migration.wipe", cut)
    with pytest.raises(GalleryError, match="the power went"):
        Gallery.open(path.parent, MODEL)
    monkeypatch.undo()
    with closing(Gallery.open(path.parent, MODEL)) as gallery:
        check_sealed(gallery, 5)


_OPENER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from edgeface.gallery.gallery import Gallery
print("ready", flush=True)
Gallery.open(Path(sys.argv[2]), sys.argv[3]).close()
"""


def test_kill_9_in_the_middle_of_a_migration_leaves_one_schema_or_the_other_whole(tmp_path: Path) -> None:
    original = plain(tmp_path / "original", 200)
    seen = []
    for round_ in range(6):
        folder = tmp_path / f"data-{round_}"
        shutil.copytree(original.parent, folder)
        arguments = [sys.executable, "-c", _OPENER, str(REPOSITORY), str(folder), MODEL]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.03 * round_)
            process.send_signal(signal.SIGKILL)
        with closing(sqlite3.connect(folder / "gallery.db")) as connection:
            seen.append(connection.execute("PRAGMA user_version").fetchone()[0])
        with closing(Gallery.open(folder, MODEL)) as gallery:
            assert {p.templates for p in gallery.people()} == {2}
            assert len(gallery.snapshot().people) == 200
            assert b"Somebody" not in b"".join(files(folder).values())
    assert seen[0] == 1
    assert set(seen) <= {1, 2}


@pytest.fixture(name="small_disk")
def _small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = os.geteuid() == 0 and mount("-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", folder)
    if not mounted:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["/bin/umount", "-l", folder], check=True)


def mount(*arguments: str | Path) -> bool:
    return subprocess.run(["/bin/mount", *arguments], capture_output=True, check=False).returncode == 0


def fill(folder: Path) -> None:
    with suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    assert shutil.disk_usage(folder).free == 0


@pytest.mark.parametrize("how", ["full", "full, after a crash", "read-only", "read-only, after a crash"])
def test_a_disk_that_cannot_be_written_is_read_and_taken_up_again(small_disk: Path, how: str) -> None:
    data = small_disk / "data"
    before = Gallery.open(data, MODEL)
    before.enroll("alice", "Alice", [template(1)], 100.0)
    if how.endswith("crash"):
        # What a killed process leaves: the row is in the log, and the shared memory is there.
        copies = files(data)
        before.close()
        for name, content in copies.items():
            (data / name).write_bytes(content)
    else:
        before.close()
    fill(small_disk) if how.startswith("full") else mount("-o", "remount,ro", small_disk)
    with closing(Gallery.open(data, MODEL)) as gallery:
        match = gallery.snapshot().match(unit(1))
        assert match is not None
        assert match.person == "alice"
        with pytest.raises(GalleryError, match="cannot be written"):
            gallery.enroll("bob", "Bob", [template(n) for n in range(2, 60)], 100.0)
        assert [person.id for person in gallery.people()] == ["alice"]
    (small_disk / "filler").unlink() if how.startswith("full") else mount("-o", "remount,rw", small_disk)
    with closing(Gallery.open(data, MODEL)) as gallery:
        assert gallery.problem is None
        gallery.enroll("bob", "Bob", [template(2)], 100.0)
        assert len(gallery.snapshot().people) == 2


def session(data: Path, wall: float = NOON, **privacy: object) -> RecognitionSession:
    configuration = Configuration.model_construct(cameras={}, data=data, privacy=Privacy.model_validate(privacy))
    return RecognitionSession(configuration, "boot", wall, synced=lambda: True)


def known(bench: RecognitionSession, person: str) -> bool:
    """Whether the pipeline could match them."""
    return bench.pipeline._gallery.name(person) is not None


def enroll(data: Path, *people: str, expires: str | None = None) -> None:
    with closing(Gallery.open(data, embedder_name())) as gallery:
        for seed, person in enumerate(people):
            gallery.enroll(person, None, [template(seed, gallery.model)], NOON)
            gallery.consent(person, NOON, None, expires)


def test_the_workbench_matches_on_a_full_disk_and_takes_it_up_again(small_disk: Path) -> None:
    data = small_disk / "data"
    enroll(data, "alice")
    fill(small_disk)
    bench = session(data)
    assert known(bench, "alice")
    configuration = bench._configuration
    for _ in range(3):
        with pytest.raises(GalleryError, match="gallery: cannot be written: "):
            bench.refresh(configuration, NOON)
    (small_disk / "filler").unlink()
    enroll(data, "alice", "bob")
    for _ in range(30):
        try:
            bench.refresh(configuration, NOON)
        except GalleryError:
            continue
    bench.refresh(configuration, NOON)
    assert known(bench, "bob")
    bench.close()


def test_who_expires_while_the_daemon_runs_drops_out_at_the_next_refresh(tmp_path: Path) -> None:
    tomorrow = NOON + 86_400
    enroll(tmp_path, "alice", expires=day(tomorrow))
    bench = session(tmp_path)
    bench._synced = lambda: False
    bench.refresh(bench._configuration, NOON + 1)
    assert known(bench, "alice")
    bench.refresh(bench._configuration, tomorrow)
    assert not known(bench, "alice")
    # The clock was wrong.
    bench.refresh(bench._configuration, NOON + 2)
    assert known(bench, "alice")
    bench.close()
    late = session(tmp_path, tomorrow)
    assert not known(late, "alice")
    late._synced = lambda: True
    late.refresh(late._configuration, tomorrow)
    late.close()
    with closing(Gallery.open(tmp_path, MODEL)) as gallery:
        assert gallery.people() == []


def test_the_rows_of_one_folder_open_in_no_other(tmp_path: Path) -> None:
    one, two = Gallery.open(tmp_path / "one", MODEL), Gallery.open(tmp_path / "two", MODEL)
    sealed = one._records.seal("person", b"tag", {"id": "alice"})
    assert one._records.unseal("person", b"tag", sealed) == ({"id": "alice"}, b"")
    with pytest.raises(VaultError, match="altered"):
        two._records.unseal("person", b"tag", sealed)
    assert one.tag("alice") != two.tag("alice")
    one.close()
    two.close()
