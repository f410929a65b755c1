"""Steps of a test that a make target runs: each does what it should, or fails with the reason; a table shows them all.

It needs nothing but Python, because it also runs inside booted Debian (tools/service).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class Failed(Exception):  # noqa: N818 - the outcome of a step
    """A step did not do what it should; the text describes it."""


class Result(NamedTuple):
    """What came of a step."""

    step: str
    ok: bool
    seconds: float
    detail: str
    """What it saw, or why it failed."""

    @property
    def cell(self) -> str:
        """The result as a cell of a Markdown table."""
        text = f"{'yes' if self.ok else 'NO'}, {self.seconds:.1f} s: {self.detail}"
        return text.replace("\n", "; ").replace("|", "\\|")


def require(condition: object, problem: str) -> None:
    """Raise Failed unless the condition holds."""
    if not condition:
        raise Failed(problem)


def until(condition: Callable[[], object], seconds: float, what: str, every: float = 0.1) -> float:
    """Wait for a condition, looking every so many seconds.

    Returns the seconds that it took; raises Failed if the condition does not hold after `seconds`.
    """
    began = time.monotonic()
    while not condition():
        require(time.monotonic() - began < seconds, f"not within {seconds:.0f} s: {what}")
        time.sleep(every)
    return time.monotonic() - began


def attempt(step: Callable[[], str]) -> Result:
    """Take a step, named by its docstring, and print what came of it; whatever it raises is its result."""
    began = time.monotonic()
    try:
        ok, detail = True, step()
    except Failed as error:
        ok, detail = False, str(error)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the table shows what happened
        ok, detail = False, f"{type(error).__name__}: {error}"
    result = Result(str(step.__doc__).rstrip("."), ok, time.monotonic() - began, detail)
    print(f"{result.step}: {result.cell}", flush=True)
    return result


def table(columns: Mapping[str, Sequence[Result]]) -> str:
    """The results as a Markdown table: a row for each step, and a column for each place where the steps ran."""
    names = list(dict.fromkeys(result.step for results in columns.values() for result in results))
    lines = [f"| step | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for name in names:
        cells = [next((one.cell for one in results if one.step == name), "-") for results in columns.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def passed(columns: Mapping[str, Sequence[Result]]) -> bool:
    """Whether every step did what it should; False if there was none."""
    results = [result for results in columns.values() for result in results]
    return bool(results) and all(result.ok for result in results)
