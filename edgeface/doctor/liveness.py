"""Checks liveness: the model files that the user has brought, and the doors that a face alone opens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.access.policy import face_alone
from edgeface.doctor.finding import Finding
from edgeface.faces.models.known import KNOWN
from edgeface.faces.models.store import presence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgeface.config.configuration import Configuration

_HASHES = "its model files have the right hashes"


def findings(configuration: Configuration) -> Iterator[Finding]:
    """Which known models are in the data folder, whether liveness is judged, and the doors that a face alone opens."""
    for model in KNOWN:
        found = presence(model, configuration.data)
        if found == "damaged":
            remedy = f"edgeface models add FOLDER/{model.file}"
            yield Finding("models", f"{model.name}: damaged, or changed by someone", "bad", remedy)
        elif found == "unreadable":
            yield Finding("models", f"{model.name}: cannot be read", "note", "sudo edgeface doctor")
        elif found == "installed":
            yield Finding("models", f"{model.name} {model.converted[:8]}: installed, for {model.purpose}")
    yield from _detector(configuration)
    for name, why in face_alone(configuration.access_policy).items():
        yield Finding("liveness", f"door {name}: {why}", "note", "docs/liveness.md")


def _detector(configuration: Configuration) -> Iterator[Finding]:
    if configuration.liveness is None:
        yield Finding("liveness", "no liveness detector is configured (docs/liveness.md)", "note")
        return
    problems = [f"{key}: {problem}" for key, problem in configuration.liveness.problems()]
    for problem in problems:
        yield Finding("liveness", problem, "bad", "edgeface models list shows where to download it")
    if not problems:
        companions = ", ".join(sorted(set(configuration.companions.values())))
        ready = f"looks through {companions}; untested with real sensors" if companions else _HASHES
        yield Finding("liveness", f"{configuration.liveness.type}: {ready}")
