"""`edgeface doctor`, with the findings about a fleet, which is above the doctor's room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.core.installed.parts import missing_part
from edgeface.doctor import run
from edgeface.gallery.leases import FILE

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from edgeface.config.configuration import Configuration
    from edgeface.doctor.finding import Finding


def run_doctor(arguments: argparse.Namespace) -> int:
    """Check everything; returns 0 if nothing is bad, else 1."""
    return run.run_doctor(arguments, _fleet)


def _fleet(configuration: Configuration) -> Iterator[Finding]:
    """Nothing without a fleet; a part that is missing is a finding already."""
    if (configuration.fleet is None and not (configuration.data / FILE).exists()) or missing_part("fleet", "fleet"):
        return
    from edgeface.fleet import device_checks

    yield from device_checks.findings(configuration)
