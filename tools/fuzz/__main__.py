"""Mutated messages: whoever receives them accepts none that is not proven, and raises nothing but the refusal.

    python -m tools.fuzz [--count 100000] [--seed 1] [--only WORD] [--write docs/trust.md]

Takes about a minute. Exit status: 0 if none was accepted and nothing else was raised, 1 if not.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from tools import figures
from tools.faults import table
from tools.fuzz import kinds, mutations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.fuzz.kinds import Kind

MARK = "fuzz"
COUNT = 100_000
_SHOWN = 5
_HEAD = ("message", "mutated", "accepted", "raised", "good ones accepted", "same meaning, not counted")


@dataclass
class Outcome:
    """What became of the messages of one kind."""

    kind: Kind
    ways: Counter[str] = field(default_factory=Counter)
    """Number of messages by the way in which they were made."""
    accepted: Counter[str] = field(default_factory=Counter)
    raised: Counter[str] = field(default_factory=Counter)
    same: int = 0
    """Mutations that changed only the spelling, and so mean the same as the good message."""
    examples: list[str] = field(default_factory=list)
    good: int = 0
    refused: int = 0
    """Good messages that were refused."""

    @property
    def held(self) -> bool:
        """Whether the promise held; without a proof, a changed message may be accepted."""
        return not self.raised and not self.refused and (not self.kind.proven or not self.accepted)

    def cells(self) -> tuple[str, ...]:
        """Its row of the table."""
        accepted = f"{self.accepted.total():,}" if self.kind.proven else f"{self.accepted.total():,} (no proof)"
        good = f"{self.good - self.refused:,} of {self.good:,}"
        return (self.kind.name, f"{self.ways.total():,}", accepted, f"{self.raised.total():,}", good, f"{self.same:,}")


def fuzz(kind: Kind, count: int, seed: int) -> Outcome:
    """Judge `count` mutated messages of a kind."""
    chance, outcome = random.Random(f"{seed} {kind.name}"), Outcome(kind)
    while outcome.ways.total() < count:
        good, other = kind.good(chance), kind.good(chance)
        outcome.good += 1
        outcome.refused += _judge(kind, good) != "accepted"
        for _ in range(20):
            way, message = _mutated(kind, good, other, chance)
            if kind.meaning(message) in (kind.meaning(good), kind.meaning(other)):
                outcome.same += 1
                continue
            outcome.ways[way] += 1
            verdict = _judge(kind, message)
            if verdict != "refused":
                (outcome.accepted if verdict == "accepted" else outcome.raised)[way] += 1
                if len(outcome.examples) < _SHOWN and (verdict != "accepted" or kind.proven):
                    outcome.examples.append(f"{kind.name}: {way}: {verdict}: {message[:300]!r}")
            if outcome.ways.total() == count:
                break
    return outcome


def _mutated(kind: Kind, good: bytes, other: bytes, chance: random.Random) -> tuple[str, bytes]:
    """A message that must not be accepted, and how it was made."""
    makers = {"unfit, by the right key": kind.unfit, "by another key": kind.forged}
    way = chance.choice([*mutations.EVERY, *(name for name, maker in makers.items() if maker is not None)])
    maker = makers.get(way)
    return way, mutations.EVERY[way](good, other, chance) if maker is None else maker(chance)


def _judge(kind: Kind, message: bytes) -> str:
    """accepted, refused, or the name of what was raised."""
    try:
        return "accepted" if kind.accepts(message) else "refused"
    except kind.refusal:
        return "refused"
    except Exception as error:  # noqa: BLE001 - to find it is the purpose
        return f"raised {type(error).__name__}"


def shown(outcomes: Sequence[Outcome], date: str, machine: str) -> str:
    """The table, and how the messages were made."""
    lines = ["| " + " | ".join(_HEAD) + " |", "|---|" + "---:|" * (len(_HEAD) - 1)]
    lines += ["| " + " | ".join(outcome.cells()) + " |" for outcome in outcomes]
    ways = sum((outcome.ways for outcome in outcomes), Counter[str]())
    made = ", ".join(f"{way} {number:,}" for way, number in ways.items())
    return "\n".join([f"Run on {date}, {machine}.", "", *lines, "", f"Made: {made}."])


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge the messages, print the table, and write it to a document if requested."""
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=COUNT, metavar="N", help="messages of each kind")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="the same messages again, but for the keys")
    parser.add_argument("--only", default="", metavar="WORD", help="kinds with this word in their name")
    parser.add_argument("--write", type=Path, metavar="FILE", help=f"write the table between FILE's {MARK} marks")
    wanted = parser.parse_args(arguments)
    chosen = [kind for kind in (make() for make in kinds.EVERY) if wanted.only in kind.name]
    if not chosen or wanted.count < 1:
        parser.error("--only finds no kind" if not chosen else "--count: 1 or more")
    outcomes = []
    for kind in chosen:
        outcomes.append(fuzz(kind, wanted.count, wanted.seed))
        print(": ".join(outcomes[-1].cells()[:1]), "held" if outcomes[-1].held else "FAILED", flush=True)
    text = shown(outcomes, datetime.now(timezone.utc).date().isoformat(), table.machine())
    figures.save(MARK, text)
    print("\n".join(["", text, *(example for outcome in outcomes for example in outcome.examples)]))
    if wanted.write is not None:
        table.write(wanted.write, MARK, text)
    return 0 if all(outcome.held for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
