"""What a configuration needs and this machine lacks: parts of edgeface, and software of cameras."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from edgeface.core.errors import CameraError
from edgeface.core.installed.parts import PARTS, missing_module
from edgeface.core.installed.place import add_part
from edgeface.notify.settings import NEEDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgeface.config.configuration import Configuration
    from edgeface.core.mistakes.schema import KeyPath


class Lack(NamedTuple):
    """Something that is not installed."""

    key: KeyPath
    """What needs it."""
    problem: str
    remedy: str
    """What to do; empty if `problem` contains it."""

    def __str__(self) -> str:
        """One line, without the key."""
        return f"{self.problem}: {self.remedy}" if self.remedy else self.problem


def lacks(configuration: Configuration) -> Iterator[Lack]:
    """What is not installed, in the order of config.yaml; nothing is opened or imported that is large."""
    for name, camera in configuration.cameras.items():
        try:
            camera.require_packages()
        except CameraError as error:
            yield Lack(("cameras", name, "type"), str(error), "")
    for key, extra, modules in _needed(configuration):
        if (module := missing_module(modules)) is not None:
            yield Lack(key, f"{module} is not installed", add_part(extra))


def lacking(configuration: Configuration, *section: str) -> frozenset[str]:
    """The cameras, or the targets, below a section that lack something."""
    depth = len(section)
    return frozenset(str(lack.key[depth]) for lack in lacks(configuration) if lack.key[:depth] == section)


def _needed(configuration: Configuration) -> Iterator[tuple[KeyPath, str, tuple[str, ...]]]:
    """The keys that need a part, which part, and which of its modules."""
    if configuration.detector.type == "mediapipe":
        yield ("detector", "type"), "mediapipe", PARTS["mediapipe"]
    for name, target in ({} if configuration.notify is None else configuration.notify.targets).items():
        yield ("notify", "targets", name, "type"), "notify", NEEDS[target.type]
    if configuration.web is not None:
        yield ("web",), "web", PARTS["web"]
    if configuration.fleet is not None:
        yield ("fleet",), "fleet", PARTS["fleet"]
