"""`make mutants`, without the trials: the table fits the code and trust.yaml, and a trial gives what the tests gave."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tools import figures
from tools.faults import trust
from tools.faults.table import between
from tools.mutants import __main__ as mutants
from tools.mutants import mutations, trial
from tools.mutants.mutations import Mutation, Table

LOCK = "OPEN = False\n\n\ndef locked() -> bool:\n    return not OPEN\n"
TEST = "import lock\n\n\ndef test_it_is_locked() -> None:\n    assert lock.locked()\n"
OPENED = Mutation("a thief", "the door is open", "lock.py", "OPEN = False", "OPEN = True")
TESTS = ("test_lock.py::test_it_is_locked",)
ROW = trust.Entry("P1", "a thief", "a lock", "0", TESTS, "0", "2026-11-28", "shown")


@pytest.fixture(name="tree")
def _tree(tmp_path: Path) -> Path:
    """A repository with one control and its test."""
    tree = tmp_path / "tree"
    tree.mkdir()
    for name, text in {"lock.py": LOCK, "test_lock.py": TEST, ".gitignore": "build/\n"}.items():
        (tree / name).write_text(text)
    (tree / "build").mkdir()
    (tree / "build" / "large").touch()
    subprocess.run([shutil.which("git") or "git", "init", "--quiet", tree], check=True)
    return tree


def test_every_mutation_applies_once_and_every_control_has_one() -> None:
    assert mutations.faults(mutations.load(), trust.load()) == []


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        (Table((replace(OPENED, old="SHUT"),), {}), "the door is open: the text occurs 0 times in lock.py, not once"),
        (Table((replace(OPENED, old="OPEN"),), {}), "the door is open: the text occurs 2 times in lock.py, not once"),
        (Table((replace(OPENED, new="OPEN = ("),), {}), "the door is open: '(' was never closed (<unknown>, line 1)"),
        (Table((replace(OPENED, new=OPENED.old),), {}), "the door is open: it changes nothing"),
        (Table((replace(OPENED, file="gate.py"),), {}), "No such file"),
        (Table((OPENED, OPENED), {}), "the door is open: the name occurs twice"),
        (Table((), {}), "a thief: no mutation"),
        (Table((OPENED,), {"a thief": "a reason"}), "a thief: has mutations and a reason for none"),
        (Table((OPENED,), {"a ghost": "a reason"}), "a ghost: no such row in trust.yaml"),
    ],
)
def test_a_table_that_does_not_fit_is_found(tree: Path, table: Table, fault: str) -> None:
    assert mutations.faults(Table((OPENED,), {}), [ROW], tree) == []
    assert mutations.faults(Table((), {"a thief": "a reason"}), [ROW], tree) == []
    [found] = mutations.faults(table, [ROW], tree)
    assert fault in found


def test_a_copy_has_what_git_does_not_ignore(tree: Path, tmp_path: Path) -> None:
    (tree / "new.py").touch()
    copy = trial.copy_tree(tmp_path / "copy", tree)
    assert {path.name for path in copy.iterdir()} == {"lock.py", "test_lock.py", "new.py", ".gitignore"}


@pytest.mark.parametrize(
    ("new", "seconds", "outcome", "by"),
    [
        ("OPEN = True", trial.SECONDS, "failed", TESTS[0]),
        ("OPEN = None", trial.SECONDS, "passed", "1 passed"),
        ("import none", trial.SECONDS, "not run", "test_lock.py"),
        ("import time; time.sleep(60); OPEN = None", 1.0, "too slow", "more than 1 s"),
    ],
)
def test_a_trial_gives_what_the_tests_gave_and_leaves_the_copy_as_it_was(
    tree: Path, tmp_path: Path, new: str, seconds: float, outcome: str, by: str
) -> None:
    copy = trial.copy_tree(tmp_path / "copy", tree)
    before = (copy / "lock.py").stat()
    result = trial.attempt(copy, replace(OPENED, new=new), TESTS, seconds)
    assert result.outcome == outcome
    assert by in result.by
    assert (copy / "lock.py").read_text() == LOCK
    assert (copy / "lock.py").stat().st_mtime_ns == before.st_mtime_ns, "or Python takes the compiled mutation for it"


def test_all_are_tried_and_tests_that_fail_anyway_are_a_problem(tree: Path) -> None:
    (tree / "test_lock.py").write_text(f"{TEST}\n\ndef test_luck() -> None:\n    assert lock.OPEN\n")
    listed = [OPENED, replace(OPENED, name="nothing", new="OPEN = None"), replace(OPENED, threat="bad luck", name="x")]
    problems, trials = mutants.run(
        mutants.chosen(listed, ()), {"a thief": TESTS, "bad luck": ("test_lock.py::test_luck",)}, tree
    )
    assert problems == ["bad luck: its tests fail as they are: test_lock.py::test_luck"]
    assert [one.killed for one in trials] == [True, False, False]
    assert (tree / "lock.py").read_text() == LOCK
    shown = mutants.summary(trials, "2026-11-28", "this machine")
    assert "| a thief | 2 | 1 |" in shown
    assert "| **all** | **3** | **1** |" in shown
    saved = figures.rows(mutants.detailed(trials))
    assert [(row["number"], row["outcome"]) for row in saved] == [("1", "failed"), ("2", "passed"), ("3", "passed")]
    assert trials[1].line().startswith("  2 SURVIVED (passed)")


def test_mutations_are_chosen_by_number_name_and_threat() -> None:
    listed = [OPENED, replace(OPENED, name="The Key is under the mat"), replace(OPENED, threat="a ghost")]
    for only, numbers in (((), [1, 2, 3]), (("2",), [2]), (("key", "ghost"), [2, 3]), (("dragon",), [])):
        assert [number for number, _ in mutants.chosen(listed, only)] == numbers


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["--only", "no such thing"], "finds no mutation"), (["--only", "1", "--write", "x.md"], "without --only")],
)
def test_wrong_arguments_are_one_line(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        mutants.main(arguments)
    assert says in capsys.readouterr().err


def test_the_document_has_a_place_for_the_table() -> None:
    assert between(trust.DOCUMENT.read_text(encoding="utf-8"), mutants.MARK, "") != ""
