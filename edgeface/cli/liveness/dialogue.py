"""The conversation of a liveness trial: what to present, the verdict, and what the operator wants next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from edgeface.core.clock import rfc3339
from edgeface.core.console import say
from edgeface.core.text import counted
from edgeface.evaluation.liveness_table import GENUINE, KINDS, VOID, TrialRow
from edgeface.web.texts.liveness_strings import PROMPTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TextIO

    from edgeface.core.clock import Clock
    from edgeface.evaluation.liveness_table import Setup, Verdict
    from edgeface.evaluation.presentation import Notice, Outcome

KINDS_SHOWN = f"{', '.join(KINDS)}, other:WORD (a to z, 0 to 9 and -)"

Answer: TypeAlias = Literal["start", "skip", "repeat", "end"]

_ANSWERS: Mapping[str, Answer] = {"": "start", "s": "skip", "r": "repeat"}

_TASKS = {
    GENUINE: "stand in front of the camera {camera} and look at it",
    "print": "hold a printed photo of an enrolled person in front of the camera {camera}",
    "phone": "hold a phone with a picture of an enrolled person in front of the camera {camera}",
    "tablet": "hold a tablet with a picture of an enrolled person in front of the camera {camera}",
    "monitor": "turn a monitor with a picture of an enrolled person to the camera {camera}",
    "mask": "wear a mask of an enrolled person in front of the camera {camera}",
    "video": "play a video of an enrolled person to the camera {camera}",
}
_OTHER_TASK = "present it to the camera {camera}"
_THE_END = "That was the last one: press Enter to end"

_VERDICTS: Mapping[Verdict, tuple[str, str]] = {
    "living": ("accepted: found living", "PASSED: found living"),
    "spoof": ("REJECTED: taken for a spoof", "did not pass: found to be a spoof"),
    "undecided": ("REJECTED: undecided, so a door stays shut", "did not pass: undecided"),
    "no_response": ("no response: nothing was judged", "no response: nothing was judged"),
}
"""Of a bona fide presentation, and of an attack."""


class Step(NamedTuple):
    """One presentation that is planned."""

    kind: str
    number: int
    """From 1."""
    of: int


@dataclass(frozen=True, slots=True)
class Dialogue:
    """One trial at a terminal, or with lines from a pipe."""

    camera: str
    setup: Setup
    present: Callable[[Callable[[Notice], None]], Outcome]
    record: Callable[[TrialRow], None]
    """Keeps a row; whatever the operator does then, it remains."""
    lines: TextIO
    clock: Clock

    def hold(self, steps: Sequence[tuple[str, int, int]]) -> None:
        """Go through the steps until the last one, or until the lines end. Raises what `present` and `record` raise."""
        say("Enter: start; s: skip; r: declare the last one void and repeat it; Ctrl-C: end")
        say("For attacks, keep your own face out of the picture. Pictures and names are not recorded.")
        at, last = 0, -1
        while at < len(steps) or last >= 0:
            answer = self._ask(_task(Step(*steps[at]), self.camera) if at < len(steps) else _THE_END)
            if answer == "end" or (answer == "start" and at == len(steps)):
                return
            if answer == "repeat" and last < 0:
                say("there is none to repeat")
            elif answer == "repeat":
                self._void(steps[last][0])
                at, last = last, -1
            elif answer == "skip":
                at, last = min(at + 1, len(steps)), -1
            else:
                self._judge(steps[at][0])
                at, last = at + 1, at

    def _ask(self, task: str) -> Answer:
        while True:
            say("")
            say(task)
            line = self.lines.readline()
            if not line:
                return "end"
            answer = _ANSWERS.get(line.strip().lower())
            if answer is not None:
                return answer
            say("press Enter, or type s or r and press Enter")

    def _judge(self, kind: str) -> None:
        wall = self.clock.wall()
        found = self.present(_say_notice)
        self.record(
            TrialRow(
                rfc3339(wall),
                self.setup,
                kind,
                found.verdict,
                found.looks,
                found.means,
                tuple(sorted(found.reasons.items())),
                found.seconds,
            )
        )
        say(f"  {_VERDICTS[found.verdict][kind != GENUINE]} ({_details(found)})")

    def _void(self, kind: str) -> None:
        self.record(TrialRow(rfc3339(self.clock.wall()), self.setup, kind, VOID))
        say("the last one is void: it stays in the table and does not count")


def _task(step: Step, camera: str) -> str:
    what = "Genuine presentation" if step.kind == GENUINE else f"Attack, {step.kind},"
    task = _TASKS.get(step.kind, _OTHER_TASK).format(camera=camera)
    return f"{what} {step.number} of {step.of}: {task}, then press Enter"


def _say_notice(notice: Notice) -> None:
    say(f"  {notice} faces in view: one alone is judged" if isinstance(notice, int) else f"  {PROMPTS[notice]}")


def _details(found: Outcome) -> str:
    means = f", means {' '.join(f'{mean:.2f}' for mean in found.means)}" if found.means else ""
    reasons = "".join(f", {reason} {count}" for reason, count in sorted(found.reasons.items()))
    return f"{counted(found.looks, 'look')}{means}, {found.seconds:.1f} s{reasons}"
