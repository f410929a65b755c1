"""`edgeface doctor`: a report about this machine, its problems and how to fix them."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from edgeface import __version__
from edgeface.config import loader
from edgeface.config.configuration import Configuration
from edgeface.config.parts import lacks
from edgeface.core.errors import EdgefaceError
from edgeface.core.installed.container import for_here
from edgeface.core.text import cleaned, counted
from edgeface.doctor import (
    broker,
    cameras,
    disk,
    factors,
    key_list,
    liveness,
    machine,
    notifications,
    secrets,
    self_enrollment,
    speed,
    tampering,
)
from edgeface.doctor.finding import Finding

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator
    from pathlib import Path


def _nothing(_: Configuration) -> Iterator[Finding]:
    yield from ()


def run_doctor(arguments: argparse.Namespace, more: Callable[[Configuration], Iterator[Finding]] = _nothing) -> int:
    """`edgeface doctor`, with `more` findings about a configuration; returns 0 if nothing is bad, else 1."""
    bad, report = 0, []
    for finding in findings(arguments.config, more):
        bad += finding.mark == "bad"
        if arguments.json:
            report.append(asdict(finding))
        else:
            _print(finding)
    if arguments.json:
        print(json.dumps({"edgeface": __version__, "problems": bad, "findings": report}, indent=2))
    else:
        print(f"\n{counted(bad, 'problem')}")
    return 1 if bad else 0


def findings(path: Path, more: Callable[[Configuration], Iterator[Finding]] = _nothing) -> Iterator[Finding]:
    """Check everything, slowest last; writes nothing and does not disturb a running daemon."""
    for finding in _findings(path, more):
        yield replace(finding, says=for_here(finding.says), remedy=for_here(finding.remedy))


def _findings(path: Path, more: Callable[[Configuration], Iterator[Finding]]) -> Iterator[Finding]:
    yield from machine.findings()
    configuration = Configuration.model_construct(cameras={})
    try:
        configuration = loader.load(path)
    except EdgefaceError as error:
        yield _unreadable(path, error)
    else:
        yield from _configured(path, configuration)
        yield from more(configuration)
    yield from cameras.plugged_in()
    yield from speed.findings(configuration)


def _unreadable(path: Path, error: EdgefaceError) -> Finding:
    cause = error.__cause__
    if isinstance(cause, FileNotFoundError):
        return Finding("config", f"{path} does not exist", "note", "edgeface init writes one; or use --config")
    remedy = "sudo edgeface doctor" if isinstance(cause, PermissionError) else f"edgeface check --config {path}"
    return Finding("config", str(error).replace("\n", "; "), "bad", remedy)


def _configured(path: Path, configuration: Configuration) -> Iterator[Finding]:
    has = f"{counted(len(configuration.cameras), 'camera')}, {counted(len(configuration.doors), 'door')}"
    yield Finding("config", f"{path}: OK ({has})")
    for lack in lacks(configuration):
        yield Finding("parts", f"{'.'.join(map(str, lack.key))}: {lack.problem}", "bad", lack.remedy)
    yield from disk.findings(configuration.data)
    yield from secrets.findings(configuration)
    yield from tampering.findings(configuration.data, tpm=configuration.integrity.tpm)
    yield from factors.findings(configuration)
    yield from self_enrollment.findings(configuration.data)
    yield from key_list.findings(configuration.data)
    yield from liveness.findings(configuration)
    yield from broker.findings(configuration)
    yield from notifications.findings(configuration)
    yield from cameras.findings(configuration)


def _print(finding: Finding) -> None:
    print(f"{finding.mark:<5}{finding.what:<12}{cleaned(finding.says)}", flush=True)
    if finding.remedy:
        print(f"     {'':<12}-> {cleaned(finding.remedy)}")
