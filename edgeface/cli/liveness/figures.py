"""Prints the figures of a liveness trial."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeface.core.console import say
from edgeface.core.text import counted
from edgeface.evaluation.liveness_table import GENUINE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from edgeface.evaluation.liveness_rates import KindRates, TrialRates
    from edgeface.evaluation.liveness_table import Setup

_ROW = "  {:<18}{:>14}{:>14}{:>11}{:>8}   {:<15}{}"


def say_figures(found: TrialRates) -> None:
    """Print the rates of one setup, with their 95 % intervals, and what they allow to claim."""
    setup, void = found.setup, f"; {found.void} void" if found.void else ""
    say(f"camera {setup.camera}, checks: {setup.checks}, edgeface {setup.edgeface}, detector {setup.detector}{void}")
    say(f"  {setup.models}; {setup.limits}")
    say(_ROW.format("kind", "presentations", "no response", "undecided", "errors", "error rate", "95 % interval"))
    for one in _kinds(found):
        say(_row(one))
    if found.worst is not None and found.worst.error_rate is not None:
        say(f"  APCER, the highest of the species: {_percent(found.worst.error_rate.rate)} ({found.worst.kind})")
    for one in found.attacks:
        say(f"  {_claim(one)}")


def say_others(found: Mapping[Setup, TrialRates], setup: Setup) -> None:
    """Say how many presentations of the table have another setup."""
    others = sum(one.presentations for key, rates in found.items() if key != setup for one in _kinds(rates))
    if others:
        say(f"{counted(others, 'presentation')} with another setup: edgeface liveness report shows them apart")


def as_json(found: TrialRates) -> dict[str, Any]:
    """The rates of one setup, for programs; a rate that nothing shows is null."""
    worst = found.worst
    return {
        "setup": found.setup._asdict(),
        "void": found.void,
        "apcer": None if worst is None else {"kind": worst.kind, "rate": worst.errors / worst.responses},
        "kinds": [_kind_json(one) for one in _kinds(found)],
    }


def _kinds(found: TrialRates) -> Iterator[KindRates]:
    if found.genuine is not None:
        yield found.genuine
    yield from found.attacks


def _row(one: KindRates) -> str:
    silent = f"{one.no_response} ({_percent(one.no_response_rate)})" if one.no_response else "0"
    name, found = "BPCER" if one.kind == GENUINE else "APCER", one.error_rate
    rate = f"{name} {'-' if found is None else _percent(found.rate)}"
    span = "" if found is None else f"{_percent(found.low)} to {_percent(found.high)}"
    return _ROW.format(one.kind, one.presentations, silent, one.undecided, one.errors, rate, span).rstrip()


def _claim(one: KindRates) -> str:
    """What an attack species' presentations show."""
    if not one.responses:
        return f"{one.kind}: nothing was judged, so nothing is shown"
    passed = (
        f"no attack of {one.responses}" if not one.errors else f"{one.errors} of {counted(one.responses, 'attack')}"
    )
    limit = f"{_percent(one.limit)} at most"
    shown = limit if one.shown is None else f"below {_percent(one.shown, 0)} ({limit})"
    line = f"{one.kind}: {passed} passed: APCER {shown} with 95 % confidence, one-sided"
    return (
        line if one.next is None else f"{line}; below {_percent(one.next.claim, 0)}: {one.next.more} more, none passing"
    )


def _percent(rate: float, digits: int = 1) -> str:
    return f"{100 * rate:.{digits}f} %"


def _kind_json(one: KindRates) -> dict[str, Any]:
    genuine, found = one.kind == GENUINE, one.error_rate
    return {
        "kind": one.kind,
        "presentations": one.presentations,
        "no_response": one.no_response,
        "undecided": one.undecided,
        "errors": one.errors,
        "bpcer" if genuine else "apcer": None if found is None else found.rate,
        "interval": None if found is None else [found.low, found.high],
        "limit": one.limit if one.responses else None,
        "bpnrr" if genuine else "apnrr": one.no_response_rate,
    }
