import base64
import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from edgeface.cli import main
from edgeface.config.configuration import Configuration
from edgeface.core.clock import SystemClock
from edgeface.faces.calibration import CalibrationTable
from edgeface.faces.embedder import embedder_name
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import Template
from edgeface.gallery.unknowns import Alike, Unknown
from edgeface.imaging.opencv import cv2
from edgeface.journal.journal import Journal
from edgeface.journal.rows import JournalRow
from tests.support.embeddings import unit
from tests.support.shots import session

DATA = Path(__file__).parents[1] / "data"
OBAMA = [str(DATA / f"{name}.jpg") for name in ("obama", "obama2", "obama3")]
BIDEN, ASTRONAUT = str(DATA / "biden.jpg"), str(DATA / "astronaut.jpg")

Run = Callable[..., int]


@pytest.fixture(name="run")
def _run(tmp_path: Path) -> Run:
    """Runs a verb of the command line on a config of its own."""
    frames = tmp_path / "frames"
    frames.mkdir()
    shutil.copy(OBAMA[0], frames / "000.jpg")
    config = tmp_path / "config.yaml"
    config.write_text(f"data: {tmp_path / 'data'}\ncameras:\n  porch: {{type: replay, path: {frames}, pace: fast}}\n")

    def run(verb: str, *arguments: str) -> int:
        return main.main([verb, "--config", str(config), *arguments])

    return run


def gallery_of(tmp_path: Path) -> Gallery:
    return Gallery.open(tmp_path / "data", embedder_name())


def audit(tmp_path: Path) -> list[tuple[str, dict[str, str]]]:
    journal = Journal(tmp_path / "data" / "journal.db")
    rows = journal.rows()
    journal.close()
    return [(entry.row.kind, json.loads(entry.row.payload)) for entry in rows]


@pytest.mark.parametrize("file", ["gallery.db", "journal.db"])
def test_forgetting_that_fails_half_way_can_be_tried_again(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], file: str
) -> None:
    monkeypatch.setattr("edgeface.core.sqlite.BUSY_MS", 50)
    run("enroll", "barack", "--name", "Barack O.", *OBAMA[:1])
    reader = sqlite3.connect(tmp_path / "data" / file, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM sqlite_master").fetchall()
    assert run("forget", "barack") == 1
    assert "while another program reads it; try again" in capsys.readouterr().err
    reader.close()
    (tmp_path / "data" / "journal.db.corrupt-1").write_bytes(b"damaged")
    assert run("forget", "barack") == 0
    assert "journal.db.corrupt-1: a damaged journal was set aside" in capsys.readouterr().err
    left = b"".join(path.read_bytes() for path in (tmp_path / "data").iterdir())
    assert b"barack" not in left
    assert b"Barack O." not in left


def test_a_person_from_enrollment_to_the_last_byte(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("people") == 0
    assert "no one is enrolled" in capsys.readouterr().out
    assert not (tmp_path / "data").exists()

    assert run("enroll", "barack", "--name", "Barack Obama", *OBAMA) == 0
    assert capsys.readouterr().out == "barack: enrolled as Barack Obama, 3 templates\n"

    assert run("people") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["ID", "NAME", "TEMPLATES", "ENROLLED"]
    assert lines[1].split()[:4] == ["barack", "Barack", "Obama", "3"]
    assert lines[2].startswith("events: level normal, cosine 0.")
    assert lines[2].endswith(f", 1 of at most {CalibrationTable.shipped().most('normal', estimated=True):,} people")

    assert run("rename", "barack", "Mr President") == 0
    gallery = gallery_of(tmp_path)
    secrets = [t.embedding.tobytes() for t in gallery.templates("barack")] + [b"Mr President", b"Obama", b"barack"]
    gallery.close()
    assert run("forget", "barack") == 0
    left = b"".join(file.read_bytes() for file in sorted((tmp_path / "data").iterdir()))
    assert [secret for secret in secrets if secret in left] == []
    assert ("deleted", {}) in audit(tmp_path)
    assert run("forget", "barack") == 1
    assert "no one is enrolled with this id" in capsys.readouterr().err


def test_the_audit_trail_names_ids_and_nothing_else(run: Run, tmp_path: Path) -> None:
    assert run("enroll", "joe", "--name", "Joe B.", BIDEN) == 0
    assert run("rename", "joe", "Joseph") == 0
    assert audit(tmp_path) == [("enrolled", {"person": "joe"}), ("renamed", {"person": "joe"})]


def test_a_refused_photo_refuses_all_unless_skipped(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"GIF89a")
    assert run("enroll", "barack", OBAMA[0], str(bad), str(tmp_path / "none.jpg")) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"edgeface: {bad}: a GIF; save it as JPEG or PNG",
        f"edgeface: {tmp_path / 'none.jpg'}: no such file",
        "edgeface: no one was enrolled: 2 photos were rejected (--skip-bad leaves them out)",
    ]
    assert run("people") == 0
    assert "barack" not in capsys.readouterr().out
    assert run("enroll", "barack", "--skip-bad", OBAMA[0], str(bad)) == 0
    captured = capsys.readouterr()
    assert "barack: enrolled as barack, 1 template" in captured.out
    assert "a GIF" in captured.err


def test_the_same_face_under_another_id_is_refused(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("enroll", "barack", *OBAMA[:2]) == 0
    assert run("enroll", "impostor", OBAMA[2]) == 1
    assert "this face is already enrolled as barack " in capsys.readouterr().err
    assert run("enroll", "barack", OBAMA[2]) == 0
    assert "barack: enrolled as barack, 3 templates" in capsys.readouterr().out


def test_another_face_is_added_with_anyway_and_the_audit_trail_says_so(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("enroll", "barack", *OBAMA) == 0
    capsys.readouterr()
    assert run("enroll", "barack", BIDEN) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert re.fullmatch(
        r"edgeface: barack: the face differs from the enrolled one: cosine -?0\.\d\d, needs 0\.45 \(--anyway, .*\)",
        line,
    )
    assert audit(tmp_path) == [("enrolled", {"person": "barack"})]
    assert run("enroll", "barack", "--anyway", BIDEN) == 0
    assert audit(tmp_path)[1:] == [("enrolled", {"person": "barack", "anyway": True})]
    assert run("audit", "show", "--kind", "enrolled", "--last", "1") == 0
    assert capsys.readouterr().out.rstrip().endswith("barack            anyway True")


def test_a_person_of_two_is_refused_listed_and_not_imported(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("enroll", "both", OBAMA[0], BIDEN) == 1
    assert "both: the photos show two people: 1 of 2 differ" in capsys.readouterr().err
    assert run("enroll", "both", "--anyway", OBAMA[0], BIDEN) == 0
    assert run("people") == 0
    assert "both: the templates show two people (cosine " in capsys.readouterr().out
    file = str(tmp_path / "people.json")
    assert run("export", file) == 0
    other = ("--data", str(tmp_path / "other"))
    assert run("import", file, *other) == 1
    assert "(--anyway, if you are sure)" in capsys.readouterr().err
    assert run("import", file, "--anyway", *other) == 0


def test_templates_are_listed_marked_and_removed_one_by_one(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("enroll", "barack", "--anyway", *OBAMA, BIDEN) == 0
    capsys.readouterr()
    assert run("templates", "barack") == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["ID", "DAY", "SOURCE", "COSINE", "PICTURE"]
    assert [line.split()[2] for line in lines] == ["photo"] * 4
    assert [line.endswith("unlike the rest: another person?") for line in lines] == [False, False, False, True]
    assert float(lines[3].split()[3]) < 0.45 < float(lines[0].split()[3])
    marked = lines[3].split()[0]
    assert run("templates", "barack", "--remove", marked) == 0
    assert capsys.readouterr().out == f"barack: template {marked} removed, 3 templates left\n"
    assert audit(tmp_path)[-1] == ("removed", {"person": "barack", "template": marked})
    assert run("templates", "barack") == 0
    assert "unlike" not in capsys.readouterr().out


@pytest.mark.parametrize("template", ["0123456789ab", "", "../x\x1b[2J", "é"])
def test_a_template_that_does_not_exist_is_one_clear_line(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], template: str
) -> None:
    assert run("enroll", "joe", BIDEN) == 0
    capsys.readouterr()
    assert run("templates", "joe", "--remove", template) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "no such template (edgeface templates joe lists them)" in line
    assert line.isprintable()
    assert run("templates", "eve") == 1
    assert len(audit(tmp_path)) == 1


def test_the_last_template_stays(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("enroll", "joe", BIDEN) == 0
    capsys.readouterr()
    assert run("templates", "joe") == 0
    line = capsys.readouterr().out.splitlines()[1].split()
    assert line[3] == "-"
    assert run("templates", "joe", "--remove", line[0]) == 1
    assert "edgeface forget erases the person" in capsys.readouterr().err


def test_two_people_with_one_face_are_look_alikes(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("enroll", "barack", *OBAMA[:2]) == 0
    assert run("enroll", "twin", OBAMA[2]) == 1
    assert capsys.readouterr().err.rstrip().endswith("(--different-people, if they are two people who look alike)")
    assert run("enroll", "twin", "--different-people", OBAMA[2]) == 0
    assert audit(tmp_path)[1:] == [("enrolled", {"person": "twin", "different_people": True})]
    capsys.readouterr()
    assert run("people") == 0
    listed = capsys.readouterr().out
    assert "look-alike of twin: level normal at most" in listed
    assert "too similar" not in listed
    assert run("forget", "twin") == 0
    assert run("people") == 0
    assert "look-alike" not in capsys.readouterr().out


def test_a_long_list_comes_in_parts_and_as_json(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("enroll", "barack", *OBAMA[:1]) == 0
    with closing(gallery_of(tmp_path)) as gallery:
        (template,) = gallery.templates("barack")
        for n in range(5):
            gallery.enroll(f"p-{n}", f"Näme {n}", [template], 1.0)
        gallery.store_unknowns(Unknown(f"u-000{n}", template.embedding, (), 2, 1, n, n, "porch") for n in range(3))
    capsys.readouterr()
    assert run("people", "--limit", "2") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["barack", "p-0"]
    assert lines[-1] == "4 more: edgeface people --after p-0"
    # The levels are those of everyone, not of those on the page.
    assert any(line.startswith("events: ") and ", 6 of at most " in line for line in lines)
    # Both are as alike as two can be; so is everyone else, but only these are compared.
    pairs = [line for line in lines if "too similar" in line]
    assert len(pairs) == 9
    assert not any("p-1 and p-2" in line for line in pairs)
    assert run("people", "--after", "p-3") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[0] == "p-4"
    assert "more:" not in lines[-1]
    monkeypatch.setattr("edgeface.cli.people._LISTED", 2)
    assert run("people", "--json") == 0
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["id"] for one in objects] == ["barack", *(f"p-{n}" for n in range(5))]
    assert objects[1] == {
        "id": "p-0", "name": "Näme 0", "ignored": False, "enrolled": "1970-01-01T00:00:01.000Z", "templates": 1,
        "foreign": 0, "consent": None, "expires": None, "look_alikes": [], "groups": [], "site": None,
    }  # fmt: skip
    assert run("people", "--unknown") == 0
    shown = capsys.readouterr().out.splitlines()
    assert "1970-01-01T00:00Z" in shown[1]
    assert shown[-1] == "1 more: edgeface people --unknown --after u-0001"
    assert run("people", "--unknown", "--json", "--after", "u-0001") == 0
    assert json.loads(capsys.readouterr().out)["id"] == "u-0000"
    assert run("people", "--after", "nobody") == 1
    assert capsys.readouterr().err == "edgeface: nobody: not in the list\n"
    assert run("people", "--limit", "0") == 2


def test_several_are_forgotten_together_from_the_command_line_and_a_file(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("enroll", "barack", *OBAMA[:1]) == 0
    with closing(gallery_of(tmp_path)) as gallery:
        (template,) = gallery.templates("barack")
        for n in range(5):
            gallery.enroll(f"p-{n}", None, [template], 1.0)
        gallery.store_unknowns([Unknown("u-0001", -template.embedding, (), 2, 1, 1.0, 1.0, "porch")])
    left = tmp_path / "left.txt"
    left.write_text("p-0\n\n  p-1\nu-0001\n")
    capsys.readouterr()
    assert run("forget", "barack", "--from", str(left)) == 0
    assert capsys.readouterr().out.startswith("4 IDs: erased; ")
    with closing(gallery_of(tmp_path)) as gallery:
        assert [one.id for one in gallery.people()] == ["p-2", "p-3", "p-4"]
    assert [kind for kind, _ in audit(tmp_path)].count("deleted") == 3
    left.write_text("p-2\nnobody\n")
    assert run("forget", "--from", str(left)) == 1
    assert (
        capsys.readouterr().err == "edgeface: nobody: no one is enrolled with this id (edgeface people lists the ids)\n"
    )
    with closing(gallery_of(tmp_path)) as gallery:
        assert len(gallery.people()) == 3
    for content, says in ((b"\xff\xfe", "not text"), (b"p-2\n" * 300_000, "more than 1 MB")):
        left.write_bytes(content)
        assert run("forget", "--from", str(left)) == 1
        assert says in capsys.readouterr().err
    assert run("forget", "--from", str(tmp_path / "none")) == 1
    assert run("forget") == 2
    left.write_text("")
    assert run("forget", "--from", str(left)) == 2


def test_a_name_alone_makes_the_id_and_prints_it(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("enroll", "Joe Biden", BIDEN) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "joe-biden: enrolled as Joe Biden, 1 template"
    assert audit(tmp_path) == [("enrolled", {"person": "joe-biden"})]
    # Someone else of the same name gets another id; the same face does not.
    assert run("enroll", "Joe Biden", BIDEN) == 1
    assert "this face is already enrolled as joe-biden " in capsys.readouterr().err
    assert run("enroll", "Joe Biden", ASTRONAUT) == 0
    assert "joe-biden-2: enrolled as Joe Biden, 1 template" in capsys.readouterr().out


def test_with_a_display_name_the_id_must_be_an_id(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("enroll", "Joe Biden", "--name", "Joe", BIDEN) == 1
    assert "Joe Biden: not an id" in capsys.readouterr().err
    assert run("enroll", "joe-biden", "--name", "Joe Biden", BIDEN) == 0
    assert "joe-biden: enrolled as Joe Biden, 1 template" in capsys.readouterr().out


def test_a_folder_of_folders_is_enrolled(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, photos in {"Barack Obama": OBAMA, "Eileen_Collins": [ASTRONAUT]}.items():
        (tmp_path / "people" / name).mkdir(parents=True)
        for photo in photos:
            shutil.copy(photo, tmp_path / "people" / name)
    assert run("enroll", "--folder", str(tmp_path / "people")) == 0
    captured = capsys.readouterr()
    assert "barack-obama: enrolled as Barack Obama, 3 templates" in captured.out
    assert "eileen_collins: enrolled as Eileen Collins, 1 template" in captured.out
    assert captured.err == ""


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "give one of"),
        (["alice"], "give one of"),
        (["alice", "a.jpg", "--unknown", "u-7f3a"], "give one of"),
        (["alice", "--folder", "people"], "--folder takes the ids"),
        (["--camera", "porch"], "give an ID"),
        (["../alice", "a.jpg"], "not an id"),
        (["u-7f3a", "a.jpg"], "choose another"),
        (["alice", "--unknown", "u-7f3a"], "no such unknown"),
        (["alice", "--unknown", "x/\x1b[2J"], "no such unknown"),
        (["alice", "--camera", "yard"], "yard: no such camera in the config; it has: porch"),
        (["alice", "--camera", "porch"], "the pictures ended with"),
        (["--folder", "/none"], "/none: No such file"),
    ],
)
def test_wrong_arguments_are_one_clear_line(
    run: Run, capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str
) -> None:
    usage = reason.startswith(("give ", "--folder takes"))
    assert run("enroll", *arguments) == (2 if usage else 1)
    (line,) = capsys.readouterr().err.splitlines()
    assert reason in line
    assert line.isprintable()


def unknown(identity: str, seed: int) -> Unknown:
    return Unknown(identity, unit(seed), (unit(seed),), 2, 3, 1.7e9, 1.7e9, "porch")


def test_unknowns_are_listed_enrolled_ignored_and_forgotten(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gallery = gallery_of(tmp_path)
    gallery.store_unknowns([unknown("u-0001", 1), unknown("u-0002", 2), unknown("u-0003", 3)])
    assert run("people", "--unknown") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["u-0001", "3", "1", "2023-11-14T22:13Z", "2023-11-14T22:13Z", "porch"]
    assert run("enroll", "dave", "--unknown", "u-0001") == 0
    assert run("ignore", "statue", "--unknown", "u-0002") == 0
    assert "statue: on the ignore list" in capsys.readouterr().out
    assert run("forget", "u-0003") == 0
    assert gallery.unknowns() == []
    assert [(p.id, p.ignored) for p in gallery.people()] == [("dave", False), ("statue", True)]
    capsys.readouterr()
    assert run("people") == 0
    assert "ignored" in capsys.readouterr().out.splitlines()[2]
    gallery.close()


def test_ignore_takes_photos_too_and_not_both(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("ignore", "portrait", BIDEN) == 0
    assert "portrait: on the ignore list" in capsys.readouterr().out
    assert run("ignore", "portrait") == 2
    assert "either photos or --unknown" in capsys.readouterr().err
    assert run("enroll", "joe", BIDEN) == 1
    assert "this face is already enrolled as portrait " in capsys.readouterr().err


def test_people_go_to_a_file_and_come_back(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(tmp_path / "people.json")
    assert run("export", file) == 1
    assert "no gallery here yet" in capsys.readouterr().err
    assert run("enroll", "joe", BIDEN) == 0
    assert run("enroll", "eileen", ASTRONAUT) == 0
    assert run("export", file) == 0
    assert run("import", file) == 1
    assert "already enrolled: eileen, joe" in capsys.readouterr().err
    assert run("import", file, "--replace") == 0
    assert run("import", file, "--data", str(tmp_path / "other")) == 0
    assert "2 people imported" in capsys.readouterr().out
    assert run("export", str(tmp_path / "joe.json"), "--person", "joe") == 0
    assert b"eileen" not in (tmp_path / "joe.json").read_bytes()


def test_what_is_wrong_with_the_gallery_is_listed(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gallery = gallery_of(tmp_path)
    model = gallery.model
    twin = np.asarray(0.95 * unit(1) + 0.2 * unit(2), np.float32)
    twin /= np.float32(np.linalg.norm(twin))
    gallery.enroll("alice", "Alice", [Template(unit(1), model, "photo", 1.0)], 1.0)
    gallery.enroll("bob", "Bob", [Template(twin, model, "photo", 1.0)], 1.0)
    gallery.enroll("carol", "Carol", [Template(unit(3), "old-model:00000000", "photo", 1.0)], 1.0)
    gallery.close()
    assert run("people") == 0
    out = capsys.readouterr().out
    assert "alice and bob are too similar (cosine 0.9" in out
    assert "1 template of another model cannot be used" in out
    assert ", 2 of at most " in out


def test_data_alone_needs_no_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--config", str(tmp_path / "none.yaml"), "--data", str(tmp_path / "data")]
    assert main.main(["enroll", *arguments, "joe", BIDEN]) == 0
    assert main.main(["people", *arguments]) == 0
    assert "joe" in capsys.readouterr().out
    assert main.main(["people", "--config", str(tmp_path / "none.yaml")]) == 78


def test_a_damaged_gallery_is_one_clear_line(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "gallery.db").write_bytes(b"rubbish " * 1000)
    assert run("people") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "not a database" in line


def test_a_camera_enrolls_with_guidance(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    analyzer = Configuration.model_construct(cameras={}).open_analyzer()
    (tmp_path / "frames" / "000.jpg").unlink()
    # Each held for two thirds of a second: on a busy machine, one look takes long.
    for number, image in enumerate(picture for picture in session(analyzer)[1:] for _ in range(10)):
        assert cv2.imwrite(str(tmp_path / "frames" / f"{number:03d}.png"), image[:, :, ::-1])
    (tmp_path / "config.yaml").write_text((tmp_path / "config.yaml").read_text().replace("fast", "clip"))
    assert run("enroll", "barack", "--camera", "porch") == 0
    out = capsys.readouterr().out
    assert "come closer" in out
    assert "5 of 5 taken" in out
    assert "barack: enrolled as barack, 5 templates" in out
    gallery = gallery_of(tmp_path)
    assert {t.source for t in gallery.templates("barack")} == {"camera"}
    gallery.close()


def test_a_name_that_the_terminal_cannot_show_is_no_traceback(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = gallery_of(tmp_path)
    gallery.enroll("alice", "Ąłżbieta 😀", [Template(unit(1), gallery.model, "photo", 1.0)], 1.0)
    gallery.close()
    with (tmp_path / "out").open("w", encoding="latin-1") as terminal:
        monkeypatch.setattr("sys.stdout", terminal)
        assert run("people") == 0
    assert b"alice" in (tmp_path / "out").read_bytes()


def test_enrolling_again_replaces_the_templates_of_every_model_and_keeps_the_name(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gallery = gallery_of(tmp_path)
    gallery.enroll("barack", "Mr President", [Template(unit(1), "another:12345678", "photo", 0.0)], 0.0)
    gallery.close()
    assert run("people") == 0
    assert "1 template of another model cannot be used" in capsys.readouterr().out
    assert run("enroll", "--again", "barack", *OBAMA[:2]) == 0
    assert "barack: enrolled as Mr President, 2 templates" in capsys.readouterr().out
    gallery = gallery_of(tmp_path)
    assert [template.model for template in gallery.templates("barack")] == [embedder_name()] * 2
    gallery.close()
    assert run("enroll", "--again", "nobody", OBAMA[0]) == 1


def test_what_the_level_means_is_said_with_the_users_own_traffic(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("enroll", "barack", *OBAMA) == 0
    assert run("people") == 0
    assert "the number of false accepts a year can be estimated after one day" in capsys.readouterr().out
    journal = Journal(tmp_path / "data" / "journal.db")
    now = SystemClock().wall()
    for n in range(60):
        journal.append(JournalRow(f"u{n}", "unknown", now - n * 43_200.0, "{}"))
    journal.close()
    assert run("people") == 0
    assert "at 2.0 strangers a day, as recently, that is " in capsys.readouterr().out


def test_forgetting_proves_itself(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("enroll", "barack", "--name", "Barack O.", *OBAMA[:1])
    (tmp_path / "data" / "notes.txt").write_text("Barack O. came at noon")
    capsys.readouterr()
    assert run("forget", "barack") == 1
    captured = capsys.readouterr()
    assert f"{tmp_path / 'data' / 'notes.txt'}: still has a trace of barack" in captured.err
    assert "no trace" not in captured.out
    (tmp_path / "data" / "notes.txt").unlink()
    run("enroll", "barack", *OBAMA[:1])
    capsys.readouterr()
    assert run("forget", "barack") == 0
    count = re.fullmatch(r"barack: erased; (\d+) files searched, no trace\n", capsys.readouterr().out)
    assert count is not None
    assert int(count[1]) >= len(["gallery.db", "journal.db", "key", "key.id"])


def test_where_the_configuration_still_names_somebody_forgotten_is_said(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        config.read_text() + "mqtt: {}\ngroups: {family: [joe, jill]}\ndoors:\n"
        "  front-door: {camera: porch, allow: [{person: joe}]}\n"
        "  shed: {camera: porch, allow: [{group: family}]}\n"
    )
    run("enroll", "joe", BIDEN)
    capsys.readouterr()
    assert run("forget", "joe") == 0
    assert capsys.readouterr().err.splitlines() == [
        "edgeface: config.yaml: the group family still names joe",
        "edgeface: config.yaml: the door front-door still names joe",
    ]


def test_consent_is_noted_shown_and_written_down(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("enroll", "joe", "--given", "2026-11-22", "--expires", "2999-01-01", BIDEN) == 0
    assert run("people") == 0
    assert "consent of 2026-11-22, expires on 2999-01-01" in capsys.readouterr().out
    assert run("enroll", "joe", "--again", BIDEN) == 0
    capsys.readouterr()
    assert run("consent", "joe", "--expires", "never") == 0
    assert capsys.readouterr().out == "joe: consent of 2026-11-22\n"
    assert run("consent", "joe", "--expires", "2026-11-23") == 0
    rows = [facts for kind, facts in audit(tmp_path) if kind == "consent"]
    assert rows[0] == {"person": "joe", "given": "2026-11-22", "expires": "2999-01-01"}
    assert rows[-1] == {"person": "joe", "given": "2026-11-22", "expires": "2026-11-23"}
    with closing(gallery_of(tmp_path)) as gallery:
        gallery.consent("joe", 1.0, "1999-01-01", "2000-01-01")
    assert run("people") == 0
    out = capsys.readouterr().out
    assert "expired on 2000-01-01: not matched, and erased once the clock is synchronised" in out
    assert ", 0 of at most " in out


@pytest.mark.parametrize(
    ("arguments", "status", "reason"),
    [
        (["consent", "joe"], 2, "give --given, --expires or both"),
        (["consent", "joe", "--given", "22.11.2026"], 2, "22.11.2026: not a day"),
        (["consent", "joe", "--given", "never"], 2, "never: not a day"),
        (["consent", "joe", "--expires", "soon"], 2, "soon: not a day"),
        (["enroll", "joe", "--expires", "soon", "x.jpg"], 2, "soon: not a day"),
        (["consent", "joe", "--given", "2026-11-22"], 1, "no gallery here yet"),
    ],
)
def test_wrong_dates_are_one_clear_line(
    run: Run, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, reason: str
) -> None:
    assert run(*arguments) == status
    (line,) = capsys.readouterr().err.splitlines()
    assert reason in line


def test_a_persons_own_copy_has_everything_that_is_known_of_them(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(config.read_text() + "privacy: {pictures: all}\n")
    assert run("enroll", "joe", "--name", "Joe B.", "--given", "2026-11-22", BIDEN) == 0
    assert run("enroll", "eileen", ASTRONAUT) == 0
    with closing(Journal(tmp_path / "data" / "journal.db")) as journal:
        journal.append(JournalRow("01J", "match", 1.7e9, '{"event_type":"match","person":"joe","score":0.7}'))
        journal.append(JournalRow("02J", "match", 1.7e9, '{"event_type":"match","person":"eileen","score":0.8}'))
    file = tmp_path / "joe.json"
    assert run("export", str(file), "--person", "joe") == 0
    assert b"eileen" not in file.read_bytes()
    (joe,) = json.loads(file.read_text())["people"]
    assert (joe["consent"], joe["expires"], len(joe["templates"])) == ("2026-11-22", None, 1)
    assert base64.b64decode(joe["pictures"][0]["jpeg"]).startswith(b"\xff\xd8")
    assert [row["kind"] for row in joe["journal"]] == ["enrolled", "consent", "match"]
    assert joe["journal"][-1] == {
        "id": "01J",
        "kind": "match",
        "at": "2023-11-14T22:13:20.000Z",
        "facts": {"event_type": "match", "person": "joe", "score": 0.7},
    }
    assert run("import", str(file), "--data", str(tmp_path / "other")) == 0
    with closing(Gallery.open(tmp_path / "other", embedder_name())) as other:
        assert (other.person("joe").name, other.person("joe").consent) == ("Joe B.", "2026-11-22")
    capsys.readouterr()
    assert run("export", str(tmp_path / "all.json")) == 0
    assert b"journal" not in (tmp_path / "all.json").read_bytes()


def test_who_looks_like_the_forgotten_goes_from_the_journal_too(run: Run, tmp_path: Path) -> None:
    assert run("enroll", "joe", BIDEN) == 0
    with closing(gallery_of(tmp_path)) as gallery:
        (template,) = gallery.templates("joe")
        gallery.store_unknowns([Unknown("u-0001", template.embedding, (template.embedding,), 2, 1, 1.0, 1.0, "porch")])
    with closing(Journal(tmp_path / "data" / "journal.db")) as journal:
        journal.append(JournalRow("01J", "unknown", 1.7e9, '{"event_type":"unknown","unknown":"u-0001"}'))
        assert run("forget", "joe") == 0
        assert journal.about("u-0001") == journal.about("joe") == []


def test_two_ids_of_an_unknown_are_listed_merged_and_kept_apart(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(gallery_of(tmp_path)) as gallery:
        people = [unknown("u-0001", 1), unknown("u-0002", 1), unknown("u-0003", 3)]
        gallery.store_unknowns(people, alike=[Alike("u-0001", "u-0002", 0.7), Alike("u-0002", "u-0003", 0.6)])
    assert run("unknowns", "alike") == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()[1:]] == [
        ["u-0001", "u-0002", "0.70"],
        ["u-0002", "u-0003", "0.60"],
    ]
    assert run("unknowns", "apart", "u-0002", "u-0003") == 0
    assert run("unknowns", "merge", "u-0002", "u-0001") == 0
    assert "u-0001: 6 visits; u-0002 was merged into it" in capsys.readouterr().out
    assert audit(tmp_path)[-1] == ("merged", {"unknown": "u-0001", "merged": "u-0002"})
    assert run("unknowns", "alike") == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


@pytest.mark.parametrize(("arguments", "status", "line"), [
    (("merge", "u-0001"), 2, "alike takes no id; merge and apart take two"),
    (("merge", "u-0001", "u-0002", "u-0003"), 2, "alike takes no id; merge and apart take two"),
    (("alike", "u-0001"), 2, "alike takes no id; merge and apart take two"),
    (("apart", "u-0001", "u-0003", "--anyway"), 2, "--anyway is for merge"),
    (("merge", "u-0001", "u-0001"), 1, "u-0001: an unknown cannot be merged with itself"),
    (("merge", "u-0001", "u-9999"), 1, "u-9999: no such unknown (edgeface people --unknown lists them)"),
    (("merge", "u-0001", "\x1b[2Jx"), 1, "no such unknown (edgeface people --unknown lists them)"),
    (("merge", "u-0001", "u-0003"), 1, "(--anyway, if you are sure)"),
    (("apart", "u-0001", "alice"), 1, "alice: no such unknown (edgeface people --unknown lists them)"),
])  # fmt: skip
def test_what_cannot_be_merged_is_refused_with_one_line_and_nothing_changes(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], status: int, line: str
) -> None:
    with closing(gallery_of(tmp_path)) as gallery:
        gallery.store_unknowns([unknown("u-0001", 1), unknown("u-0003", 3)])
    assert run("unknowns", *arguments) == status
    (said,) = capsys.readouterr().err.splitlines()
    assert said.endswith(line)
    assert "\x1b" not in said
    with closing(gallery_of(tmp_path)) as gallery:
        assert [(one.id, one.sightings) for one in gallery.unknowns()] == [("u-0001", 3), ("u-0003", 3)]
