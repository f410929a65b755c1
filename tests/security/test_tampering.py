"""Every manipulation of the list in docs/trust.md is named: whoever may write the folder and has no key."""
# ruff: noqa: S608 - the statements are the tests'

import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from edgeface.cli.main import main
from edgeface.doctor import tampering
from edgeface.gallery.gallery import Gallery
from edgeface.journal.journal import Journal
from edgeface.security import head, integrity
from edgeface.security.content import ContentGuard, renew_all
from edgeface.security.vault import open_vault
from tests.support.data_folders import MODEL, WALL, fill, generation, put_back, rows, use

Manipulation = Callable[[Path, Path, Path], object]
"""Gets the folder, an older copy of it, and the folder of another device."""

GALLERY, JOURNAL, HEAD = "gallery.db", "journal.db", head.FILE
TABLES = ("people", "templates", "unknowns", "factors", "negatives", "pictures", "probes", "attempts", "alike", "gone")
KEYS = {"people": "tag", "templates": "seq", "unknowns": "tag", "attempts": "place", "alike": "one"}


def sql(name: str, statement: str) -> Manipulation:
    def manipulate(folder: Path, _old: Path, _other: Path) -> None:
        rows(folder / name, statement)

    return manipulate


def row_put_back(table: str, name: str = GALLERY, key: str = "") -> Manipulation:
    def manipulate(folder: Path, old: Path, _other: Path) -> None:
        by = key or KEYS[table]
        columns = [column for (column,) in rows(folder / name, f"SELECT name FROM pragma_table_info('{table}')")]
        before = {row[columns.index(by)]: row for row in rows(old / name, f"SELECT * FROM {table}")}
        now = {row[columns.index(by)]: row for row in rows(folder / name, f"SELECT * FROM {table}")}
        changed = next(one for one in before if one in now and now[one] != before[one])
        sets = ", ".join(f"{column} = ?" for column in columns)
        rows(folder / name, f"UPDATE {table} SET {sets} WHERE {by} = ?", *before[changed], changed)

    return manipulate


def exchanged(table: str) -> Manipulation:
    def manipulate(folder: Path, _old: Path, _other: Path) -> None:
        (one, a), (other, b) = rows(folder / GALLERY, f"SELECT rowid, sealed FROM {table} LIMIT 2")
        rows(folder / GALLERY, f"UPDATE {table} SET sealed = ? WHERE rowid = ?", b, one)
        rows(folder / GALLERY, f"UPDATE {table} SET sealed = ? WHERE rowid = ?", a, other)

    return manipulate


def older(*names: str) -> Manipulation:
    return lambda folder, old, _: put_back(folder, old, *names)


def removed(*names: str) -> Manipulation:
    def manipulate(folder: Path, _old: Path, other: Path) -> None:
        put_back(folder, other / "nothing", *names)

    return manipulate


def garbage(name: str) -> Manipulation:
    def manipulate(folder: Path, _old: Path, other: Path) -> None:
        put_back(folder, other / "nothing", name)
        (folder / name).write_bytes(b"garbage " * 2000)

    return manipulate


def of_another(*names: str) -> Manipulation:
    return lambda folder, _, other: put_back(folder, other, *names)


def edited(name: str) -> Manipulation:
    def manipulate(folder: Path, _old: Path, _other: Path) -> None:
        (folder / name).write_bytes((folder / name).read_bytes() + b"\n")

    return manipulate


def stripped(folder: Path, _old: Path, _other: Path) -> None:
    """As if no edgeface that keeps a head had ever written here."""
    (folder / HEAD).unlink()
    for name, version in ((GALLERY, 6), (JOURNAL, 2)):
        rows(folder / name, "DROP TABLE content")
        rows(folder / name, f"PRAGMA user_version = {version}")
    rows(folder / GALLERY, "DELETE FROM people WHERE rowid = 1")


MANIPULATIONS: dict[str, tuple[Manipulation, str]] = {
    "1 gallery put back": (older(GALLERY), "gallery.db: was put back"),
    "2 journal put back": (older(JOURNAL), "journal.db: was put back"),
    "2 both put back": (older(GALLERY, JOURNAL), "gallery.db: was put back"),
    "3 journal cut at its end": (sql(JOURNAL, "DELETE FROM rows WHERE seq > 5"), "journal.db: table rows"),
    "3 last row cut": (sql(JOURNAL, "DELETE FROM rows WHERE seq = (SELECT max(seq) FROM rows)"), "1 row removed"),
    "3 journal emptied": (sql(JOURNAL, "DELETE FROM rows"), "journal.db: table rows"),
    "4 journal cut at its start": (sql(JOURNAL, "DELETE FROM rows WHERE seq < 3"), "journal.db: table rows"),
    "4 row of the journal removed": (sql(JOURNAL, "DELETE FROM rows WHERE seq = 2"), "row 2 is missing"),
    "5 gallery removed": (removed(GALLERY), "gallery.db: was removed"),
    "5 journal removed": (removed(JOURNAL), "journal.db: was removed"),
    "6 gallery garbage": (garbage(GALLERY), "gallery.db: cannot be read as a database"),
    "6 journal garbage": (garbage(JOURNAL), "journal.db: cannot be read as a database"),
    "6 gallery emptied": (lambda folder, *_: (folder / GALLERY).write_bytes(b""), "gallery.db: was removed"),
    "7 gallery of another device": (of_another(GALLERY), "gallery.db: is another device's"),
    "7 journal of another device": (of_another(JOURNAL), "journal.db: is another device's"),
    **{f"8 row of {table} put back": (row_put_back(table), f"table {table}: rows altered") for table in KEYS},
    **{
        f"9 row of {table} removed": (
            sql(GALLERY, f"DELETE FROM {table} WHERE rowid = (SELECT min(rowid) FROM {table})"
                if table != "alike" else "DELETE FROM alike"),
            f"table {table}: 1 row removed",
        )
        for table in TABLES
    },
    **{f"10 {table} exchanged": (exchanged(table), f"table {table}: rows altered")
       for table in ("people", "templates", "unknowns", "factors", "negatives", "pictures", "probes")},
    "11 count": (sql(GALLERY, "UPDATE templates SET count = 9"), "table templates: rows altered"),
    "11 model": (sql(GALLERY, "UPDATE negatives SET model = 'x:00000000'"), "table negatives: rows altered"),
    "11 owner": (sql(GALLERY, "UPDATE factors SET person = (SELECT max(tag) FROM people)"), "table factors"),
    "11 version": (sql(GALLERY, "UPDATE people SET version = version + 1"), "table people: rows altered"),
    "11 generation": (sql(GALLERY, "UPDATE state SET generation = 1"), "table state: rows altered"),
    "11 unfinished": (sql(GALLERY, "UPDATE state SET unfinished = 1"), "table state: rows altered"),
    "11 kind": (sql(JOURNAL, "UPDATE rows SET kind = 'left' WHERE seq = 2"), "row 2 is altered"),
    "11 time": (sql(JOURNAL, "UPDATE rows SET at = at + 1 WHERE seq = 2"), "row 2 is altered"),
    "12 published again": (sql(JOURNAL, "UPDATE rows SET said = 0"), "table rows: rows altered"),
    "12 never published": (sql(JOURNAL, "UPDATE rows SET said = 1"), "table rows: rows altered"),
    "12 anchors removed": (sql(JOURNAL, "DELETE FROM anchors"), "table anchors: 1 row removed"),
    "12 emptied row put back": (row_put_back("rows", JOURNAL, "seq"), "table rows: rows altered"),
    "13 trigger": (
        sql(GALLERY, "CREATE TRIGGER x AFTER INSERT ON people BEGIN DELETE FROM gone; END"), "triggers were altered",
    ),
    "13 index dropped": (sql(JOURNAL, "DROP INDEX unsaid"), "its tables or triggers were altered"),
    "13 table added": (sql(GALLERY, "CREATE TABLE more (x)"), "its tables or triggers were altered"),
    "14 digest of the gallery removed": (sql(GALLERY, "DELETE FROM content"), "gallery.db: was removed"),
    "14 digest of the journal dropped": (sql(JOURNAL, "DROP TABLE content"), "journal.db: was removed"),
    "14 digest altered": (sql(GALLERY, "UPDATE content SET sealed = randomblob(200)"), "gallery.db: is another"),
    "14 digest put back": (row_put_back("content", GALLERY, "one"), "gallery.db: was put back"),
    "14 digest of the other database": (
        lambda folder, *_: rows(folder / GALLERY, "UPDATE content SET sealed = ?",
                                rows(folder / JOURNAL, "SELECT sealed FROM content")[0][0]),
        "gallery.db: is another device's, or its digest was altered",
    ),
    "15 head removed": (removed(HEAD), "generation: was removed"),
    "15 head cut": (lambda folder, *_: (folder / HEAD).write_bytes(b""), "generation: was removed"),
    "15 head garbage": (garbage(HEAD), "generation: was altered"),
    "15 head of another device": (of_another(HEAD), "generation: was altered, or sealed with another key"),
    "16 head put back": (older(HEAD), "generation: was put back"),
    "16 head and gallery put back": (older(HEAD, GALLERY), "gallery.db: was put back"),
    "16 head and journal put back": (older(HEAD, JOURNAL), "journal.db: was put back"),
    "16 head and both databases put back": (older(HEAD, GALLERY, JOURNAL), "keys.json: was altered, or put back"),
    "16 head and gallery removed": (removed(HEAD, GALLERY), "gallery.db: was removed"),
    "16 head and journal removed": (removed(HEAD, JOURNAL), "journal.db: was removed"),
    "16 head and both digests removed": (stripped, "generation: was removed"),
    **{f"17 {name} put back": (older(name), f"{name}: was altered, or put back") for name in head.FILES},
    **{f"17 {name} removed": (removed(name), f"{name}: was removed") for name in head.FILES},
    **{f"17 {name} edited": (edited(name), f"{name}: was altered, or put back") for name in head.FILES},
    **{f"17 {name} of another device": (of_another(name), f"{name}: was altered") for name in head.FILES},
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """A folder, an older copy, and the folder of another device; not to be changed."""
    root = tmp_path_factory.mktemp("made")
    for name in ("data", "other"):
        fill(root / name)
    shutil.copytree(root / "data", root / "old")
    for name in ("data", "other"):
        use(root / name)
    return root / "data", root / "old", root / "other"


@pytest.fixture
def folders(made: tuple[Path, Path, Path], tmp_path: Path) -> tuple[Path, Path, Path]:
    data, old, other = (shutil.copytree(one, tmp_path / one.name) for one in made)
    return data, old, other


def verify(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    status = main(["audit", "verify", "--data", str(folder)])
    return status, capsys.readouterr().err


def lines(folder: Path) -> list[str]:
    return [one.line for one in integrity.check(folder, open_vault(folder))]


def test_what_edgeface_writes_is_no_tampering(
    folders: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in folders:
        assert lines(folder) == []
        assert verify(folder, capsys) == (0, "")
        assert [one.mark for one in tampering.findings(folder)] == ["ok"]


@pytest.mark.parametrize("name", MANIPULATIONS)
def test_every_manipulation_is_named(
    name: str, folders: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    manipulate, says = MANIPULATIONS[name]
    manipulate(*folders)
    folder = folders[0]
    if name != "16 head and both digests removed":  # which only the chain of the journal shows
        assert "bad" in [one.mark for one in tampering.findings(folder)]
    status, complaint = verify(folder, capsys)
    assert status == 1
    assert says in complaint


@pytest.mark.parametrize("name", [name for name in MANIPULATIONS if "gallery garbage" not in name])
def test_what_was_found_stays_named_when_edgeface_continues_and_is_in_the_journal(
    name: str, folders: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    manipulate, _ = MANIPULATIONS[name]
    manipulate(*folders)
    folder = folders[0]
    main(["rename", "bob", "Bobby", "--data", str(folder)])
    main(["keys", "rotate", "--data", str(folder)])
    capsys.readouterr()
    assert verify(folder, capsys)[0] == 1


def test_what_is_accepted_is_recorded_and_named_no_more(
    folders: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, old, _ = folders
    number = generation(folder, open_vault(folder))
    put_back(folder, old, GALLERY)
    assert main(["audit", "accept", "--data", str(folder)]) == 0
    assert "accepted: gallery.db: was put back" in capsys.readouterr().out
    assert verify(folder, capsys) == (0, "")
    assert main(["audit", "accept", "--data", str(folder)]) == 0
    assert "nothing to accept" in capsys.readouterr().out
    main(["audit", "show", "--kind", "integrity", "--data", str(folder)])
    shown = capsys.readouterr().out
    assert "file gallery.db, found put back" in shown
    assert "found accepted, files gallery.db" in shown
    now = generation(folder, open_vault(folder))
    assert number is not None
    assert now is not None
    assert int(now["number"]) > int(number["number"]) + head.LEAP


def test_the_whole_folder_put_back_is_named_by_what_the_broker_remembers_and_not_without(
    folders: tuple[Path, Path, Path],
) -> None:
    folder, old, other = folders
    vault = open_vault(folder)
    remembered = dict(generation(folder, vault) or {})
    assert integrity.older_than(integrity.numbers(folder, vault), vault, remembered) is None
    assert lines(old) == []
    found = integrity.older_than(integrity.numbers(old, vault), vault, remembered)
    assert found is not None
    assert re.search(r"put back: it is of generation \d+, and the broker remembers \d+", found.line)
    # What the key did not make says nothing.
    for false in (None, 7, {}, {**remembered, "gallery": 10**9}, generation(other, open_vault(other))):
        assert integrity.older_than(integrity.numbers(old, vault), vault, false) is None


def test_a_log_that_is_removed_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with closing(Gallery.open(folder, MODEL)) as gallery, closing(Journal(folder / JOURNAL)) as journal:
        fill(folder)
        for number in range(3):
            gallery.rename("alice", f"A {number}", WALL)
            assert journal.record("renamed", WALL, {"person": "alice"})
        # As after a kill: the newest commits are in the logs alone.
        copies = [shutil.copytree(folder, tmp_path / name) for name in ("whole", "gallery", "journal")]
    assert lines(copies[0]) == []
    for copy, name in zip(copies[1:], (GALLERY, JOURNAL), strict=True):
        (copy / f"{name}-wal").unlink()
        assert [line.partition(":")[0] for line in lines(copy)] == [name]


def test_a_database_that_only_the_head_knows_is_missed(tmp_path: Path) -> None:
    Gallery.open(tmp_path / "data", MODEL).close()
    put_back(tmp_path / "data", tmp_path, GALLERY)
    assert lines(tmp_path / "data") == ["gallery.db: was removed: its last generation was 1"]


def test_data_of_an_older_version_gets_a_head_once_and_the_journal_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(Path(__file__).parent.parent / "data" / "v0.1" / "data", tmp_path / "data")
    for _ in range(2):
        assert main(["rename", "joe_biden", "Joe", "--data", str(folder)]) == 0
    assert verify(folder, capsys) == (0, "")
    main(["audit", "show", "--kind", "integrity", "--data", str(folder)])
    assert capsys.readouterr().out.count("file generation, found began") == 1
    (folder / HEAD).unlink()
    assert verify(folder, capsys)[0] == 1


def test_after_a_loss_of_power_the_record_may_lag_and_within_a_boot_it_may_not(
    folders: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, old, _ = folders
    put_back(folder, old, HEAD, *head.FILES)
    assert [line for line in lines(folder) if line.startswith("generation: was put back")]
    monkeypatch.setattr(head, "this_boot", lambda: bytes(16))
    assert lines(folder) == []
    with closing(Journal(folder / JOURNAL)) as journal:
        for number in range(head.RESERVED):
            journal.record("config", WALL, {"n": number})
    put_back(folder, old, HEAD)
    monkeypatch.setattr(head, "this_boot", lambda: b"x" * 16)
    assert [line for line in lines(folder) if line.startswith("generation: was put back")]


def test_a_transaction_that_is_rolled_back_leaves_everything_as_it_was(folders: tuple[Path, Path, Path]) -> None:
    folder = folders[0]
    with closing(Gallery.open(folder, MODEL)) as gallery:
        with suppress(ZeroDivisionError), gallery.transaction():
            gallery.rename("alice", "Other", WALL)
            raise ZeroDivisionError
        assert lines(folder) == []
        gallery.rename("alice", "Other", WALL)
    assert lines(folder) == []


def test_a_commit_that_fails_leaves_everything_as_it_was(
    folders: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folders[0]
    with closing(Journal(folder / JOURNAL)) as journal:
        with monkeypatch.context() as patched:

            def fails(*_: object) -> None:
                raise OSError("no space")

            patched.setattr(ContentGuard, "_put", fails)
            assert not journal.record("config", WALL, {})
        assert lines(folder) == []
        assert journal.record("config", WALL, {})
    assert lines(folder) == []


def test_a_commit_that_was_cut_off_is_neither_missed_nor_taken_for_done(folders: tuple[Path, Path, Path]) -> None:
    folder = folders[0]
    vault = open_vault(folder)
    before = generation(folder, vault)
    with head.HeadFile(folder, vault).locked() as slot:
        record = slot.read()
        assert record is not None
        was = record.places["journal"]
        slot.write(record.placing("journal", head.Place(was.number + 1, os.urandom(16)), was))
    assert lines(folder) == []
    assert generation(folder, vault) == before
    with closing(Gallery.open(folder, MODEL)) as gallery:
        gallery.rename("alice", "Other", WALL)
    assert lines(folder) == []
    with closing(Journal(folder / JOURNAL)) as journal:
        journal.record("renamed", WALL, {"person": "alice"})
    assert lines(folder) == []


WRITER = """
import sys
from pathlib import Path
from tests.support.data_folders import MODEL, WALL, face, template, unknown, generation
from edgeface.gallery.gallery import Gallery
from edgeface.journal.journal import Journal
from edgeface.security import signing_keys
from edgeface.security.vault import open_vault
folder, name = Path(sys.argv[1]), sys.argv[2]
gallery, journal, n = Gallery.open(folder, MODEL), Journal(folder / "journal.db", cap=50), 0
vault = open_vault(folder)
print("ready", flush=True)
while True:
    n += 1
    gallery.enroll(f"{name}{n}", None, [template(n)], WALL)
    journal.record("enrolled", WALL, {"person": f"{name}{n}"})
    gallery.store_unknowns([unknown(f"u-000{name}", n)])
    journal.write([], [row.id for row in journal.unpublished(3)])
    if n % 5 == 0:
        gallery.remove([f"{name}{n}"])
        journal.redact(f"{name}{n}")
    if name == "a":
        signing_keys.write(folder, signing_keys.new((), f"k{n}", vault, WALL))
"""

KILLS = 60 if os.environ.get("EDGEFACE_HEAVY") else 6


def test_processes_that_are_killed_at_any_moment_give_no_false_alarm(tmp_path: Path, python: str) -> None:
    chance = random.Random(7)
    for _ in range(KILLS):
        writers = [
            subprocess.Popen([python, "-c", WRITER, str(tmp_path), name], stdout=subprocess.PIPE) for name in "ab"
        ]
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
        until = time.monotonic() + chance.uniform(0.05, 0.6)
        while time.monotonic() < until:
            assert lines(tmp_path) == []
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
        for writer in writers:
            writer.communicate()
        assert lines(tmp_path) == []
    with closing(Journal(tmp_path / JOURNAL)) as journal:
        journal.record("config", WALL, {})
        assert journal.verify().fault is None
    assert lines(tmp_path) == []


def test_an_interrupt_after_the_commit_is_no_tampering(
    folders: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, real = folders[0], ContentGuard.committing

    @contextmanager
    def interrupted(guard: ContentGuard) -> Iterator[None]:
        with real(guard):
            yield
            raise KeyboardInterrupt

    with closing(Gallery.open(folder, MODEL)) as gallery:
        monkeypatch.setattr(ContentGuard, "committing", interrupted)
        with pytest.raises(KeyboardInterrupt):
            gallery.rename("alice", "Alice Interrupted", WALL)
    assert integrity.check(folder, open_vault(folder)) == []


def test_what_is_accepted_without_a_journal_makes_none(tmp_path: Path) -> None:
    fill(tmp_path / "data")
    for name in (JOURNAL, f"{JOURNAL}-wal", f"{JOURNAL}-shm"):
        (tmp_path / "data" / name).unlink(missing_ok=True)
    renew_all(tmp_path / "data", open_vault(tmp_path / "data"), WALL)
    assert not (tmp_path / "data" / JOURNAL).exists()


def test_two_restores_within_an_hour_have_different_numbers(tmp_path: Path) -> None:
    fill(tmp_path / "data")
    vault, numbers = open_vault(tmp_path / "data"), []
    for wall in (1.8e9, 1.8e9 + 60):
        shutil.copytree(tmp_path / "data", tmp_path / str(wall))
        renew_all(tmp_path / str(wall), vault, wall)
        numbers.append(integrity.numbers(tmp_path / str(wall), vault)["gallery"])
    assert numbers[0] + 1000 < numbers[1] < 1 << 53
