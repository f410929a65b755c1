import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeface.core import sqlite
from edgeface.core.clock import SystemClock
from edgeface.core.errors import GalleryError
from edgeface.core.text import MAX_NAME, check_id, display_name, is_id
from edgeface.core.types import Embedding
from edgeface.gallery import rows
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import MAX_TEMPLATES, Template
from edgeface.gallery.unknowns import Unknown
from edgeface.journal.journal import Journal
from edgeface.journal.removal import redact
from edgeface.security.vault import Vault
from tests.support.embeddings import unit

CLOCK = SystemClock()
MODEL = "test-model:01234567"
REPOSITORY = Path(__file__).parents[2]


def near(vector: Embedding, seed: int, noise: float = 0.3) -> Embedding:
    mixed = vector + np.float32(noise) * unit(seed, vector.size)
    return np.asarray(mixed / np.linalg.norm(mixed), np.float32)


def template(seed: int, model: str = MODEL, wall: float = 100.0) -> Template:
    return Template(unit(seed), model, "photo", wall)


def stranger(identity: str = "u-7f3a", seed: int = 9, last: float = 50.0) -> Unknown:
    return Unknown(identity, unit(seed), (unit(seed), near(unit(seed), 77)), 2, 1, 40.0, last, "porch")


@pytest.fixture(name="gallery")
def _gallery(tmp_path: Path) -> Iterator[Gallery]:
    opened = Gallery.open(tmp_path / "data", MODEL)
    yield opened
    opened.close()


@contextmanager
def another(gallery: Gallery, model: str = MODEL) -> Iterator[Gallery]:
    opened = Gallery.open(gallery.path.parent, model)
    try:
        yield opened
    finally:
        opened.close()


def test_an_empty_gallery_matches_nobody(gallery: Gallery) -> None:
    view = gallery.snapshot()
    assert view.people == ()
    assert view.match(unit(1)) is None
    assert view.alike(0.5) == []


def test_the_nearest_person_and_the_next_one_are_found(gallery: Gallery) -> None:
    gallery.enroll("alice", "Alice", [template(1)], 100.0)
    gallery.enroll("bob", "Bob", [template(2)], 100.0)
    probe = near(unit(2), 3)
    match = gallery.snapshot().match(probe)
    assert match is not None
    assert (match.person, match.ignored) == ("bob", False)
    assert match.score == pytest.approx(float(unit(2) @ probe), abs=1e-5)
    assert match.runner_up == pytest.approx(float(unit(1) @ probe), abs=1e-5)


def test_one_person_alone_has_no_runner_up(gallery: Gallery) -> None:
    gallery.enroll("alice", None, [template(1)], 100.0)
    match = gallery.snapshot().match(unit(1))
    assert match is not None
    assert match.runner_up is None
    assert match.margin is None
    snapshot = gallery.snapshot()
    assert snapshot.name("alice") == "alice"
    assert snapshot.score("alice", snapshot.matrix[0]) == pytest.approx(1.0)
    assert (snapshot.name("bob"), snapshot.score("bob", snapshot.matrix[0])) == (None, None)


def test_a_row_is_the_unit_mean_of_a_persons_templates(gallery: Gallery) -> None:
    gallery.enroll("alice", "Alice", [template(1), template(2), template(3)], 100.0)
    mean = np.mean([unit(1), unit(2), unit(3)], axis=0)
    view = gallery.snapshot()
    np.testing.assert_allclose(view.matrix[0], mean / np.linalg.norm(mean), atol=1e-6)
    assert view.matrix.dtype == np.float32
    assert not view.matrix.flags.writeable


def test_templates_that_cancel_out_still_give_a_unit_row(gallery: Gallery) -> None:
    opposite = Template(-unit(1), MODEL, "photo", 100.0)
    gallery.enroll("alice", "Alice", [template(1), opposite], 100.0)
    assert np.linalg.norm(gallery.snapshot().matrix[0]) == pytest.approx(1, abs=1e-5)


def test_ignored_people_are_matched_as_ignored_and_not_counted_as_enrolled(gallery: Gallery) -> None:
    gallery.enroll("statue", None, [template(1)], 100.0, ignored=True)
    gallery.enroll("bob", "Bob", [template(2)], 100.0)
    view = gallery.snapshot()
    match = view.match(unit(1))
    assert match is not None
    assert match.ignored
    assert view.enrolled == 1


def test_templates_of_another_model_take_no_part_and_are_counted(gallery: Gallery) -> None:
    gallery.enroll("alice", "Alice", [template(1, "old:00000000"), template(2)], 100.0)
    gallery.enroll("bob", "Bob", [template(3, "old:00000000")], 100.0)
    view = gallery.snapshot()
    assert [person.id for person in view.people] == ["alice"]
    assert view.left_out == 2
    np.testing.assert_allclose(view.matrix[0], unit(2), atol=1e-6)
    assert [(p.id, p.templates, p.foreign) for p in gallery.people()] == [("alice", 1, 1), ("bob", 0, 1)]


def test_alike_people_are_listed_once_with_their_cosine(gallery: Gallery) -> None:
    twin = Template(near(unit(1), 5), MODEL, "photo", 100.0)
    gallery.enroll("alice", None, [template(1)], 100.0)
    gallery.enroll("bob", None, [template(2)], 100.0)
    gallery.enroll("carol", None, [twin], 100.0)
    pairs = gallery.snapshot().alike(0.6)
    assert [(a, b) for a, b, _ in pairs] == [("alice", "carol")]
    assert pairs[0][2] == pytest.approx(float(unit(1) @ twin.embedding), abs=1e-5)


def test_more_templates_are_added_and_the_same_one_is_kept_once(gallery: Gallery) -> None:
    gallery.enroll("alice", "Alice", [template(1)], 100.0)
    change = gallery.enroll("alice", None, [template(1), template(2)], 200.0)
    person = gallery.person("alice")
    assert (person.name, person.templates, person.enrolled) == ("Alice", 2, 100.0)
    assert (change.kind, change.person, change.wall) == ("enrolled", "alice", 200.0)
    assert [t.wall for t in gallery.templates("alice")] == [100.0, 100.0]


def test_a_refused_enrollment_changes_nothing(gallery: Gallery) -> None:
    gallery.enroll("alice", "Alice", [template(1)], 100.0)
    many = [template(seed) for seed in range(2, MAX_TEMPLATES + 2)]
    with pytest.raises(GalleryError, match="101 templates"):
        gallery.enroll("alice", "Other", many, 200.0)
    assert (gallery.person("alice").name, gallery.person("alice").templates) == ("Alice", 1)


def test_together_is_all_or_nothing(gallery: Gallery) -> None:
    def enroll_two() -> None:
        with gallery.transaction():
            gallery.enroll("alice", "Alice", [template(1)], 100.0)
            gallery.enroll("NOT AN ID", "Bob", [template(2)], 100.0)

    with pytest.raises(GalleryError, match="not an id"):
        enroll_two()
    assert gallery.people() == []


@pytest.mark.parametrize(
    "vector",
    [
        np.zeros(192, np.float32),
        np.full(192, np.nan, np.float32),
        np.full(192, np.inf, np.float32),
        unit(1) * 2,
        unit(1).astype(np.float64),
        unit(1).reshape(2, 96),
        np.zeros(0, np.float32),
        unit(1, 5000),
    ],
)
def test_what_is_no_embedding_is_refused(gallery: Gallery, vector: Embedding) -> None:
    with pytest.raises(GalleryError, match="length one"):
        gallery.enroll("alice", "Alice", [Template(vector, MODEL, "photo", 1.0)], 1.0)
    assert gallery.people() == []


def test_enrolled_and_ignored_do_not_mix(gallery: Gallery) -> None:
    gallery.enroll("alice", "Alice", [template(1)], 100.0)
    with pytest.raises(GalleryError, match="already enrolled"):
        gallery.enroll("alice", None, [template(2)], 100.0, ignored=True)
    gallery.enroll("statue", None, [template(3)], 100.0, ignored=True)
    with pytest.raises(GalleryError, match="ignore list"):
        gallery.enroll("statue", None, [template(4)], 100.0)


def test_rename_changes_the_name_and_keeps_the_rest(gallery: Gallery) -> None:
    gallery.enroll("alice", "Alice", [template(1)], 100.0)
    assert gallery.rename("alice", "Alice\nB.", 200.0).kind == "renamed"
    assert gallery.person("alice").name == "Alice B."
    with pytest.raises(GalleryError, match="no one is enrolled"):
        gallery.rename("bob", "Bob", 200.0)


def contents(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file())


def test_forget_leaves_no_row_of_the_person_and_nothing_is_plain_before(gallery: Gallery) -> None:
    for seed in range(20):
        gallery.enroll(f"filler-{seed}", None, [template(100 + seed)], 100.0)
    gallery.enroll("zuleika", "Zuleika Dobson", [template(1), template(2)], 100.0)
    gallery.store_unknowns([stranger("u-0001", 1), stranger("u-0002", 5)])
    tags = [gallery.tag("zuleika"), gallery.tag("u-0001")]
    with another(gallery) as daemon:
        daemon.snapshot()
        secrets = [b"zuleika", b"Zuleika Dobson", unit(1).tobytes(), unit(2).tobytes(), unit(1)[40:44].tobytes()]
        before = contents(gallery.path.parent)
        assert all(tag in before for tag in tags)
        sealed = gallery._db.execute("SELECT sealed FROM templates WHERE person = ?", (tags[0],)).fetchone()[0]
        assert sealed[:500] in before
        assert [secret for secret in secrets if secret in before] == []
        gallery.remove(["zuleika"], alike=0.5)
        after = contents(gallery.path.parent)
        assert [secret for secret in (*secrets, *tags, sealed[:500], sealed[-100:]) if secret in after] == []
        assert gallery.tag("filler-5") in after
        assert daemon.changed()
        assert len(daemon.snapshot().people) == 20
    assert [u.id for u in gallery.unknowns()] == ["u-0002"]
    assert "u-0001" in gallery.retired_ids()
    assert "u-0002" not in gallery.retired_ids()


def test_forget_leaves_no_page_free(gallery: Gallery) -> None:
    gallery.enroll("alice", "Alice", [template(seed) for seed in range(60)], 100.0)
    gallery.remove(["alice"])
    assert gallery._db.execute("PRAGMA freelist_count").fetchone() == (0,)


def test_forget_says_when_a_reader_keeps_the_bytes(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_MS", 50)
    with another(gallery) as ours:
        ours.enroll("alice", "Alice", [template(1)], 100.0)
        reader = sqlite3.connect(gallery.path, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM people").fetchall()
        with pytest.raises(GalleryError, match=r"leave traces|locked"):
            ours.remove(["alice"])
        reader.close()
        assert ours.people() == []


def test_forgetting_nobody_is_refused(gallery: Gallery) -> None:
    with pytest.raises(GalleryError, match="no one is enrolled with this id"):
        gallery.remove(["alice"])


def test_unknowns_are_kept_and_read_back(gallery: Gallery) -> None:
    kept = stranger()
    gallery.store_unknowns([kept, stranger("u-0002", 3, last=90.0)])
    first, second = gallery.unknowns()
    assert (first.id, second.id) == ("u-0002", "u-7f3a")
    np.testing.assert_array_equal(second.mean, kept.mean)
    assert len(second.templates) == 2
    np.testing.assert_array_equal(second.templates[1], kept.templates[1])
    assert (second.weight, second.sightings, second.first, second.last, second.camera) == (2, 1, 40.0, 50.0, "porch")
    gallery.store_unknowns([], ["u-0002"])
    assert [u.id for u in gallery.unknowns()] == ["u-7f3a"]


def test_an_unknown_that_was_enrolled_does_not_come_back(gallery: Gallery) -> None:
    gallery.store_unknowns([stranger()])
    with another(gallery) as cli:
        cli.enroll("dave", "Dave", [template(9)], 100.0, unknown="u-7f3a")
    gallery.store_unknowns([stranger()])
    assert gallery.unknowns() == []
    assert "u-7f3a" in gallery.retired_ids()


def test_an_unknown_is_forgotten_to_the_last_byte(gallery: Gallery) -> None:
    gallery.store_unknowns([stranger()])
    gallery.remove(["u-7f3a"])
    assert unit(9).tobytes() not in contents(gallery.path.parent)
    with pytest.raises(GalleryError, match="no such unknown"):
        gallery.remove(["u-7f3a"])


def test_changes_of_people_are_seen_and_stored_unknowns_are_not_a_change(gallery: Gallery) -> None:
    assert gallery.changed()
    gallery.snapshot()
    assert not gallery.changed()
    gallery.enroll("alice", "Alice", [template(1)], 100.0)
    assert gallery.changed()
    gallery.snapshot()
    assert not gallery.changed()
    gallery.store_unknowns([stranger()])
    with another(gallery) as other:
        other.store_unknowns([stranger("u-0002")])
        assert not gallery.changed()
        other.rename("alice", "Alice B.", 200.0)
        assert gallery.changed()
        gallery.snapshot()
        assert not gallery.changed()


_WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import numpy as np
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import Template
random = np.random.default_rng(int(sys.argv[3]))
gallery = Gallery.open(Path(sys.argv[2]), "test-model:01234567")
for n in range(int(sys.argv[4])):
    vectors = random.standard_normal((3, 192)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    name = f"p-{sys.argv[3]}-{n}"
    gallery.enroll(name, name, [Template(v, gallery.model, "photo", 1.0) for v in vectors], 1.0)
    print(name, flush=True)
"""


def writer(folder: Path, seed: int, count: int) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", _WRITER, str(REPOSITORY), str(folder), str(seed), str(count)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def test_another_processs_change_is_seen_within_a_second(gallery: Gallery) -> None:
    gallery.snapshot()
    with writer(gallery.path.parent, 0, 1) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "p-0-0\n"
        said = CLOCK.monotonic()
        while not gallery.changed():
            assert CLOCK.monotonic() - said < 1
    assert [p.id for p in gallery.snapshot().people] == ["p-0-0"]


def test_kill_9_in_the_middle_of_writes_loses_nothing_acknowledged(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    for round_ in range(5):
        with writer(tmp_path, round_, 100_000) as process:
            assert process.stdout is not None
            acknowledged += [process.stdout.readline().strip() for _ in range(3 + 4 * round_)]
            process.send_signal(signal.SIGKILL)
            acknowledged += [line.strip() for line in process.stdout if line.endswith("\n")]
    gallery = Gallery.open(tmp_path, MODEL)
    people = gallery.people()
    gallery.close()
    assert {p.id for p in people} >= set(acknowledged)
    assert {p.templates for p in people} == {3}
    assert len(acknowledged) >= 55


def test_a_gallery_belongs_to_the_thread_that_opened_it(gallery: Gallery) -> None:
    raised: list[Exception] = []

    def use() -> None:
        try:
            gallery.people()
        except GalleryError as error:
            raised.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert "thread" in str(raised[0])


def test_what_is_written_is_on_the_disk_and_what_is_deleted_is_overwritten(gallery: Gallery) -> None:
    names = ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
    assert [gallery._db.execute(f"PRAGMA {name}").fetchone()[0] for name in names] == ["wal", 2, 1, 1]


def test_the_file_is_private(gallery: Gallery) -> None:
    gallery.enroll("alice", "Alice", [template(1)], 100.0)
    modes = {f.name: f.stat().st_mode & 0o777 for f in gallery.path.parent.iterdir()}
    assert modes == dict.fromkeys(
        ["gallery.db", "gallery.db-wal", "gallery.db-shm", "generation", "key", "key.id"], 0o600
    )
    assert gallery.path.parent.stat().st_mode & 0o777 == 0o700


def test_a_file_that_everybody_could_read_is_made_private(tmp_path: Path) -> None:
    Gallery.open(tmp_path, MODEL).close()
    (tmp_path / "gallery.db").chmod(0o644)
    Gallery.open(tmp_path, MODEL).close()
    assert (tmp_path / "gallery.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("data", [b"not a database at all, " * 100, b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "gallery.db"
    path.write_bytes(data)
    with pytest.raises(GalleryError, match=r"gallery\.db: not a database, or damaged"):
        Gallery.open(tmp_path, MODEL)
    assert path.read_bytes() == data


def test_a_damaged_gallery_is_left_as_it_is(tmp_path: Path) -> None:
    gallery = Gallery.open(tmp_path, MODEL)
    for n in range(50):
        gallery.enroll(f"p{n}", None, [template(n)], 1.0)
    gallery.close()
    path = tmp_path / "gallery.db"
    data = bytearray(path.read_bytes())
    data[4096 : len(data) - 4096 : 1] = b"\xa5" * (len(data) - 8192)
    path.write_bytes(data)
    with pytest.raises(GalleryError, match="damaged"):
        Gallery.open(tmp_path, MODEL)
    assert path.read_bytes() == bytes(data)


def test_a_foreign_database_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "gallery.db")) as other, other:
        other.execute("CREATE TABLE cats (name TEXT)")
    other.close()
    before = (tmp_path / "gallery.db").read_bytes()
    with pytest.raises(GalleryError, match="not edgeface's gallery"):
        Gallery.open(tmp_path, MODEL)
    assert (tmp_path / "gallery.db").read_bytes() == before


def test_a_newer_schema_is_refused_and_an_older_one_is_brought_forward(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery.enroll("alice", "Alice", [template(1)], 100.0)
    schema = rows.schema

    def add_note(db: sqlite3.Connection) -> None:
        db.execute("ALTER TABLE people ADD COLUMN note TEXT")
        db.execute("CREATE TABLE x (y)")

    def longer(vault: Vault) -> sqlite.Schema:
        now = schema(vault)
        return now._replace(steps=(*now.steps, add_note))

    monkeypatch.setattr(rows, "schema", longer)
    with another(gallery) as newer:
        assert newer.person("alice").templates == 1
        assert newer._db.execute("SELECT note FROM people").fetchall() == [(None,)]
    monkeypatch.undo()
    with pytest.raises(GalleryError, match=r"newer edgeface \(schema 8, this one knows 7\)"):
        Gallery.open(gallery.path.parent, MODEL)


def test_a_schema_from_before_the_first_release_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "gallery.db")) as old:
        old.executescript("CREATE TABLE people (id TEXT PRIMARY KEY, name TEXT); PRAGMA user_version = 1;")
    before = (tmp_path / "gallery.db").read_bytes()
    with pytest.raises(GalleryError, match=r"^[^\n]*gallery.db: written by a version before 0.1 \(schema 1\)[^\n]*$"):
        Gallery.open(tmp_path, MODEL)
    assert (tmp_path / "gallery.db").read_bytes() == before


def test_a_data_folder_that_cannot_be_made_is_one_clear_line() -> None:
    with pytest.raises(GalleryError, match="/proc/edgeface"):
        Gallery.open(Path("/proc/edgeface"), MODEL)


def test_a_data_folder_that_is_a_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("hello")
    with pytest.raises(GalleryError, match=r"data: .*(File exists|Not a directory)"):
        Gallery.open(tmp_path / "data", MODEL)


@pytest.fixture(name="read_only")
def _read_only() -> Iterator[Path]:
    """A folder with a gallery that the test may not write; root gives up its rights for it."""
    folder = Path(tempfile.mkdtemp(prefix="edgeface-"))
    gallery = Gallery.open(folder, MODEL)
    gallery.enroll("alice", "Alice", [template(1)], 100.0)
    gallery.close()
    folder.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        for file in folder.iterdir():
            os.chown(file, 65534, 65534)
        os.seteuid(65534)
    try:
        yield folder
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_a_read_only_data_folder_is_read_and_every_write_is_one_clear_line(read_only: Path) -> None:
    before = {file.name: file.read_bytes() for file in read_only.iterdir()}
    gallery = Gallery.open(read_only, MODEL)
    assert gallery.problem is not None
    assert gallery.problem.startswith("gallery: cannot be written: ")
    assert [person.id for person in gallery.snapshot().people] == ["alice"]
    with pytest.raises(GalleryError, match="cannot be written"):
        gallery.enroll("bob", "Bob", [template(2)], 100.0)
    with pytest.raises(GalleryError, match="cannot be written"):
        gallery.remove(["alice"])
    with pytest.raises(GalleryError, match="cannot be written"):
        gallery.store_unknowns([stranger()])
    gallery.close()
    assert {file.name: file.read_bytes() for file in read_only.iterdir()} == before


NAMES = st.text(max_size=200)


@given(NAMES)
def test_a_display_name_is_one_line_and_never_empty(text: str) -> None:
    name = display_name(text, "alice")
    assert 0 < len(name) <= MAX_NAME
    assert name.isprintable() or all(c.isprintable() or ord(c) > 0x9F for c in name)
    assert len(name.splitlines()) == 1
    name.encode()


@given(NAMES)
def test_only_ids_are_ids(text: str) -> None:
    if is_id(text):
        check_id(text)
        assert all(c in "abcdefghijklmnopqrstuvwxyz0123456789-_" for c in text)
    else:
        with pytest.raises(GalleryError, match="not an id") as caught:
            check_id(text)
        assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("text", ["", "Alice", "a/b", "../x", "a b", "a\n", "-a", "_a", "a" * 65, "u-7f3a", "ä", "a+#"])
def test_ids_that_could_mean_something_else_are_refused(text: str) -> None:
    with pytest.raises(GalleryError, match=r"not an id|unknown"):
        check_id(text)


def test_the_journal_loses_a_persons_rows_to_the_last_byte_and_keeps_the_others(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    assert redact(path, "zuleika") == 0
    assert not path.exists()
    journal = Journal(path)
    journal.record("enrolled", 1.0, {"person": "zuleika"})
    journal.record("match", 2.0, {"person": "zuleika", "name": "Zuleika Dobson"})
    journal.record("match", 3.0, {"person": "bob", "name": "Bob"})
    journal.record("unknown", 4.0, {"unknown": "u-7f3a", "person": None})
    assert b"uleika" not in contents(tmp_path)
    assert len(journal.about("zuleika")) == 2
    assert redact(path, "zuleika") == 2
    assert redact(path, "u-7f3a") == 1
    assert journal.about("zuleika") == journal.about("u-7f3a") == []
    assert [row.at for row in journal.about("bob")] == [3.0]
    journal.close()


def test_a_journal_that_is_damaged_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"rubbish " * 1000)
    with pytest.raises(GalleryError, match="not a database"):
        redact(tmp_path / "journal.db", "alice")


def test_one_template_is_removed_to_the_last_byte_and_the_last_one_stays(gallery: Gallery, tmp_path: Path) -> None:
    gallery.enroll("alice", None, [template(1), template(2), template(3, "old-model:00000000")], 100.0)
    first, second, foreign = gallery.templates("alice")
    with pytest.raises(GalleryError, match=r"0123456789ab: no such template \(edgeface templates alice lists them\)"):
        gallery.remove_template("alice", "0123456789ab", 200.0)
    with pytest.raises(GalleryError, match="no one is enrolled"):
        gallery.remove_template("bob", gallery.template_id(first), 200.0)
    gallery.changed()
    change = gallery.remove_template("alice", gallery.template_id(first), 200.0)
    assert (change.kind, change.facts) == ("removed", {"person": "alice", "template": gallery.template_id(first)})
    assert gallery.changed()
    assert [t.embedding.tolist() for t in gallery.templates("alice")] == [unit(2).tolist(), unit(3).tolist()]
    assert gallery.person("alice").templates == 1
    assert all(unit(1).tobytes() not in path.read_bytes() for path in (tmp_path / "data").iterdir())
    with pytest.raises(GalleryError, match="the last template cannot be removed; edgeface forget erases the person"):
        gallery.remove_template("alice", gallery.template_id(second), 200.0)
    gallery.remove_template("alice", gallery.template_id(foreign), 200.0)
    with pytest.raises(GalleryError, match="the last template"):
        gallery.remove_template("alice", gallery.template_id(second), 200.0)


def test_the_id_of_a_template_depends_on_the_key(gallery: Gallery, tmp_path: Path) -> None:
    other = Gallery.open(tmp_path / "other", MODEL)
    assert gallery.template_id(template(1)) != other.template_id(template(1))
    assert gallery.template_id(template(1)) != gallery.template_id(template(2))
    other.close()


def test_look_alikes_are_linked_both_ways_until_one_is_gone(gallery: Gallery) -> None:
    for seed, person in enumerate(("alice", "anna", "bob")):
        gallery.enroll(person, None, [template(seed)], 100.0)
    assert gallery.link("alice", ["anna", "alice", "nobody"])
    assert not gallery.link("bob", ["nobody"])
    assert [one.look_alikes for one in gallery.people()] == [("anna",), ("alice",), ()]
    match = gallery.snapshot().match(unit(0))
    assert match is not None
    assert (match.person, match.look_alike) == ("alice", True)
    gallery.replace("anna", "Anna", [template(9)], 100.0, ignored=False)
    gallery.rename("alice", "Alice", 100.0)
    assert [one.look_alikes for one in gallery.people()] == [("anna",), ("alice",), ()]
    gallery.remove(["anna"])
    assert [one.look_alikes for one in gallery.people()] == [(), ()]
