"""Which liveness checks a door requires, and whether a claim has passed them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgeface.core.types import PassedChecks

DoorLiveness: TypeAlias = Literal["off", "passive", "challenge", "required"]
Check: TypeAlias = Literal["passive", "challenge"]

PASSED: Mapping[PassedChecks, frozenset[Check]] = {
    "off": frozenset(),
    "passive": frozenset({"passive"}),
    "challenge": frozenset({"challenge"}),
    "both": frozenset({"passive", "challenge"}),
}
"""The checks behind each word of a claim."""


def required_checks(liveness: DoorLiveness, *, looks: bool) -> frozenset[Check]:
    """The checks that a door requires; `looks` is whether the configuration names a liveness detector.

    A challenge works without one; where there is one, its looks are required as well.
    """
    if liveness == "off":
        return frozenset()
    if liveness == "passive":
        return PASSED["passive"]
    return PASSED["both"] if looks else PASSED["challenge"]
