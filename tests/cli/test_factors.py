"""`edgeface factors`: PINs come from a prompt or a pipe, and nothing secret is printed but a drawn code."""

import io
import re
from pathlib import Path

import pytest

from edgeface.gallery.snapshot import Template
from edgeface.security.attempts import AttemptKey
from tests.cli.test_people import Run, _run, audit, gallery_of  # noqa: F401 - a fixture
from tests.support.embeddings import unit

PIN, DURESS, UID = "4711", "8315", "04:A2:B3:C4:D5:E6:F7"


@pytest.fixture(autouse=True)
def _people(tmp_path: Path) -> None:
    gallery = gallery_of(tmp_path)
    for seed, person in enumerate(("alice", "bob")):
        gallery.enroll(person, None, [Template(unit(seed), gallery.model, "photo", 1.0)], 1.0)
    gallery.close()


def piped(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_a_person_gets_every_factor_and_the_audit_trail_no_secret(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    piped(monkeypatch, f"{PIN}\n")
    assert run("factors", "set-pin", "alice", "--number", "1042") == 0
    piped(monkeypatch, f"{DURESS}\n")
    assert run("factors", "set-duress", "alice") == 0
    assert run("factors", "add-card", "alice", UID) == 0
    said = capsys.readouterr().out
    assert "alice: PIN set, person number 1042" in said
    assert run("factors", "draw-code", "bob", "--digits", "6") == 0
    drawn = capsys.readouterr()
    code = drawn.out.strip()
    assert re.fullmatch("[0-9]{6}", code)
    assert "not shown again" in drawn.err
    assert run("factors", "list") == 0
    listed = capsys.readouterr().out
    assert re.search("alice +pin +number 1042, with a duress PIN", listed)
    assert re.search(r"alice +card +UID \.\.\.e6f7", listed)
    assert re.search("bob +code +6 digits", listed)
    rows = [facts for kind, facts in audit(tmp_path) if kind == "factors"]
    assert [(one["person"], one["factor"]) for one in rows] == [
        ("alice", "pin"),
        ("alice", "duress"),
        ("alice", "card"),
        ("bob", "code"),
    ]
    everything = said + listed + drawn.err + str(rows)
    assert not [secret for secret in (PIN, DURESS, code, UID, "04a2b3c4d5e6f7") if secret in everything]


def test_a_pin_is_prompted_for_twice_on_a_terminal(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal())
    typed = iter([PIN, PIN, PIN, DURESS])
    monkeypatch.setattr("getpass.getpass", lambda _: next(typed))
    assert run("factors", "set-pin", "alice") == 0
    assert run("factors", "set-pin", "alice") == 2
    assert "the two do not match" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (("set-pin", "alice"), 1, "this PIN is guessed first"),
        (("set-pin",), 2, "factors set-pin needs the ID of a person"),
        (("add-card", "alice"), 2, "factors add-card ID VALUE"),
        (("unlock", "alice", "front"), 2, "factors unlock ID:"),
        (("set-pin", "carol"), 1, "guessed first"),
        (("unlock", "carol"), 1, "no one is enrolled with this id"),
        (("add-card", "alice", "xyz"), 1, "4 to 10 bytes"),
        (("remove", "alice", "0123"), 1, "no such factor"),
    ],
)
def test_a_refusal_is_one_line_and_changes_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...], status: int, line: str,
) -> None:  # fmt: skip
    piped(monkeypatch, "1234\n")
    assert run("factors", *arguments) == status
    said = capsys.readouterr().err
    assert said.startswith(f"edgeface: {line}") or line in said
    assert (said.count("\n"), "1234" in said) == (1, False)
    gallery = gallery_of(tmp_path)
    assert gallery.factors() == []
    gallery.close()


def test_a_locked_person_is_shown_and_unlocked(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gallery = gallery_of(tmp_path)
    gallery.put_attempts({AttemptKey("front", "alice"): {"wrong": 5, "until": 9.0, "length": 900.0}})
    gallery.close()
    assert run("factors", "list", "alice") == 0
    assert "alice: 5 wrong PINs in a row at front (edgeface factors unlock alice)" in capsys.readouterr().out
    assert run("factors", "unlock", "alice") == 0
    assert run("factors", "list", "alice") == 0
    assert "wrong" not in capsys.readouterr().out


def test_a_factor_is_removed_by_its_id(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run("factors", "add-card", "bob", UID)
    run("factors", "list", "bob")
    factor = capsys.readouterr().out.split()[-1]
    assert run("factors", "remove", "bob", factor) == 0
    run("factors", "list", "bob")
    assert factor not in capsys.readouterr().out.splitlines()[-1]
