import json
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from edgeface.cli.main import main
from edgeface.journal.database import noted
from edgeface.journal.journal import Journal
from edgeface.journal.rows import JournalRow

Run = Callable[..., tuple[int, list[str], str]]

DAY = 1_795_334_400.0
"""2026-11-22T08:00:00Z."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of four rows."""
    journal = Journal(tmp_path / "journal.db")
    event = {
        "event_type": "match", "camera": "porch", "person": "alice", "name": "Alice\u202e", "score": 0.7123,
        "threshold": 0.584, "level": "normal", "reason": None, "unknown": None, "box": [1, 2, 3, 4],
    }  # fmt: skip
    journal.append(JournalRow("id-1", "match", DAY - 86_400, json.dumps(event)))
    journal.append(noted("granted", DAY, {"door": "front", "person": "alice", "grant_seq": 7, "more": {"x": 1}}))
    journal.append(noted("unknown", DAY + 1, {"event_type": "unknown", "unknown": "u-7f3a", "camera": "porch"}))
    journal.append(
        noted("config", DAY + 2, {"digest": "0123", "changed": ["mqtt", "doors"], "sections": {"mqtt": "1"}})
    )
    journal.close()
    return tmp_path / "journal.db"


@pytest.fixture
def audit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: object) -> tuple[int, list[str], str]:
        status = main(["audit", *map(str, arguments), "--data", str(tmp_path)])
        said = capsys.readouterr()
        return status, said.out.splitlines(), said.err

    return run


def redact(path: Path, who: str) -> None:
    journal = Journal(path)
    journal.redact(who)
    journal.close()


@pytest.mark.usefixtures("path")
def test_show_has_one_readable_line_a_row(audit: Run) -> None:
    status, lines, _ = audit("show")
    assert status == 0
    assert [line.split(None, 4) for line in lines] == [
        ["1", "2026-11-21T08:00:00.000Z", "match", "alice",
         "camera porch, name Alice, score 0.7123, threshold 0.584, level normal"],
        ["2", "2026-11-22T08:00:00.000Z", "granted", "alice", "door front, grant_seq 7"],
        ["3", "2026-11-22T08:00:01.000Z", "unknown", "u-7f3a", "camera porch"],
        ["4", "2026-11-22T08:00:02.000Z", "config", "-", "digest 0123, changed mqtt doors"],
    ]  # fmt: skip


@pytest.mark.usefixtures("path")
def test_show_is_narrowed(audit: Run) -> None:
    def shown(*arguments: str) -> list[int]:
        return [int(line.split()[0]) for line in audit("show", *arguments)[1]]

    assert shown("--kind", "match", "--kind", "config") == [1, 4]
    assert shown("--person", "alice") == [1, 2]
    assert shown("--person", "u-7f3a") == [3]
    assert shown("--since", "2026-11-22") == [2, 3, 4]
    assert shown("--last", "2") == [3, 4]
    assert shown("--person", "nobody") == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "--kind", "mach"], "mach: not a kind of row; the kinds are match, unknown"),
        (["show", "--since", "yesterday"], "yesterday: not a day"),
        (["show", "--last", "0"], "--last: 1 or more"),
        (["show", "--head", "0" * 16], "belongs to audit verify"),
        (["show", "file"], "only export takes a FILE"),
        (["export"], "needs a FILE"),
        (["verify", "--last", "3"], "always checks every row"),
        (["verify", "--head", "0" * 15], "at least 16"),
        (["verify", "--head", "%" * 16], "at least 16"),
    ],
)
@pytest.mark.usefixtures("path")
def test_arguments_that_do_not_go_together_are_usage(audit: Run, arguments: list[str], said: str) -> None:
    status, _, complaint = audit(*arguments)
    assert status == 2
    assert said in complaint


def test_a_redacted_row_is_shown_as_that(path: Path, audit: Run) -> None:
    redact(path, "alice")
    lines = audit("show")[1]
    assert lines[0].split() == ["1", "2026-11-21T08:00:00.000Z", "match", "redacted"]
    assert audit("show", "--person", "alice")[1] == []
    status, said, _ = audit("verify")
    assert status == 0
    assert said[0].startswith("4 rows, 2 redacted, head ")


def test_export_is_one_object_a_row_for_the_owner_alone(path: Path, audit: Run, tmp_path: Path) -> None:
    redact(path, "u-7f3a")
    file = tmp_path / "trail.jsonl"
    status, said, _ = audit("export", file)
    assert status == 0
    assert "4 rows" in said[0]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [row["seq"] for row in rows] == [1, 2, 3, 4]
    assert [row["payload"] and row["payload"].get("person") for row in rows] == ["alice", "alice", None, None]
    assert rows[2]["payload"] is None
    assert set(rows[0]) == {"seq", "id", "kind", "at", "payload", "link"}
    assert audit("verify")[1] == [f"4 rows, 1 redacted, head {rows[-1]['link']}"]
    assert audit("export", file, "--kind", "match", "--last", "5")[0] == 0
    assert len(file.read_text().splitlines()) == 1
    status, _, complaint = audit("export", tmp_path / "nowhere" / "trail.jsonl")
    assert (status, "No such file" in complaint) == (1, True)


def test_an_export_has_more_rows_than_one_page(path: Path, audit: Run, tmp_path: Path) -> None:
    journal = Journal(path)
    journal.write([JournalRow(f"more-{n}", "left", DAY, "{}") for n in range(2100)], [])
    journal.close()
    assert audit("export", tmp_path / "trail.jsonl")[0] == 0
    seqs = [json.loads(line)["seq"] for line in (tmp_path / "trail.jsonl").read_text().splitlines()]
    assert seqs == list(range(1, 2105))
    assert len(audit("show")[1]) == 50


def test_verify_names_the_first_row_that_does_not_hold(path: Path, audit: Run) -> None:
    with closing(sqlite3.connect(path)) as intruder, intruder:
        intruder.execute("UPDATE rows SET kind = 'left' WHERE seq = 3")
    intruder.close()
    status, _, complaint = audit("verify")
    assert status == 1
    altered = "edgeface: row 3 is altered, or was not written by edgeface; valid before it: 2 rows\n"
    assert complaint == f"edgeface: journal.db: table rows: rows altered, exchanged or put back\n{altered}"
    with closing(sqlite3.connect(path)) as intruder, intruder:
        intruder.execute("UPDATE rows SET payload = x'00' WHERE seq = 2")
    intruder.close()
    assert "altered: cannot be opened" in audit("show")[1][1]


def test_rows_cut_off_at_the_end_are_seen_by_a_link_that_was_noted(path: Path, audit: Run) -> None:
    journal = Journal(path)
    noted_head, earlier = journal.facts()["head"], journal.rows()[0].link
    journal.close()
    assert len(noted_head) == 16
    assert audit("verify", "--head", noted_head.upper())[0] == 0
    with closing(sqlite3.connect(path)) as intruder, intruder:
        intruder.execute("DELETE FROM rows WHERE seq = 4")
    intruder.close()
    status, _, complaint = audit("verify", "--head", earlier)
    assert (status, complaint) == (1, "edgeface: journal.db: table rows: 1 row removed\n")
    status, _, complaint = audit("verify", "--head", noted_head)
    assert status == 1
    assert "the rows from it on were cut off" in complaint
    # Rows that are written later do not make up for it.
    journal = Journal(path)
    journal.record("started", DAY + 3, {})
    journal.close()
    assert audit("verify", "--head", noted_head)[0] == 1


def test_a_damaged_journal_stays_where_it_is(path: Path, audit: Run) -> None:
    path.write_bytes(b"rubbish " * 1000)
    status, _, complaint = audit("verify")
    assert status == 1
    assert "not a database" in complaint
    assert path.read_bytes() == b"rubbish " * 1000
    path.unlink()
    status, _, complaint = audit("show")
    assert (status, "no journal here yet" in complaint) == (1, True)
    assert not path.exists()


@pytest.mark.usefixtures("path")
def test_another_key_is_status_78(audit: Run, tmp_path: Path) -> None:
    (tmp_path / "key").unlink()
    assert audit("verify")[0] == 78
