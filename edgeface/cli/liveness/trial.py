"""`edgeface liveness`: the command, from its arguments to its exit status."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import re
import sys
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from edgeface import __version__
from edgeface.access.liveness import required_checks
from edgeface.cli.liveness.dialogue import KINDS_SHOWN, Dialogue
from edgeface.cli.liveness.figures import as_json, say_figures, say_others
from edgeface.cli.main import INTERRUPTED
from edgeface.config import loader
from edgeface.core.clock import SystemClock
from edgeface.core.console import say
from edgeface.core.errors import GalleryError, UsageError, system_reason
from edgeface.core.text import printable, printable_path
from edgeface.daemon.session import rules
from edgeface.evaluation import liveness_table
from edgeface.evaluation.liveness_rates import rates
from edgeface.evaluation.liveness_table import FILE, GENUINE, Setup, is_kind
from edgeface.evaluation.presentation import TrialRules, frames_of, present
from edgeface.faces.calibration import table_of

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edgeface.config.configuration import Configuration
    from edgeface.evaluation.liveness_table import TrialRow
    from edgeface.evaluation.presentation import Notice, Outcome
    from edgeface.faces.analyzer import FaceAnalyzer

PRESENTATIONS = 42
"""Of each kind: with no attack passing, they show an APCER below 7 %."""
DEFAULT_KINDS = (GENUINE, "print", "phone")

# The events of a trial are published nowhere.
_BOOT = "0" * 16
# Characters of its name that the table has.
_MAX_EMBEDDER = 100


class _Plan(NamedTuple):
    camera: str
    kinds: tuple[str, ...]
    presentations: int


def run_liveness(arguments: Namespace) -> int:
    """Hold a trial, or report on its table; 130 if Ctrl-C ends it. Raises what opening camera, models and table do."""
    if arguments.action == "report":
        return _report(arguments)
    if arguments.json:
        raise UsageError("--json is for liveness report")
    return _trial(arguments)


def _report(arguments: Namespace) -> int:
    options = (arguments.camera, arguments.kind, arguments.presentations, arguments.challenge or None)
    if any(option is not None for option in options):
        raise UsageError("liveness report takes --table and --json alone")
    file = arguments.table or loader.data_folder(arguments) / FILE
    found = rates(liveness_table.read(file))
    if arguments.json:
        say(json.dumps([as_json(one) for one in found.values()], indent=1))
        return 0
    if not found:
        say(f"{printable_path(file)}: no presentation yet")
    for one in found.values():
        say_figures(one)
    return 0


def _trial(arguments: Namespace) -> int:
    configuration = loader.load(arguments.config, files=True)
    if arguments.data is not None:
        configuration = configuration.model_copy(update={"data": arguments.data})
    plan = _plan(arguments, configuration)
    file = arguments.table or configuration.data / FILE
    rows = liveness_table.read(file)
    _require_writable(file, configuration)
    rules = _rules(configuration, plan.camera, challenge=arguments.challenge)
    setup = _setup(configuration, rules)
    # What capture logs is what its error tells.
    logging.getLogger("edgeface").addHandler(logging.NullHandler())
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")

    def record(row: TrialRow) -> None:
        liveness_table.append(file, row)
        rows.append(row)

    dialogue = Dialogue(plan.camera, setup, _presenter(configuration, rules), record, sys.stdin, SystemClock())
    try:
        dialogue.hold([(kind, n, plan.presentations) for kind in plan.kinds for n in range(1, plan.presentations + 1)])
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        _summary(file, rows, setup)
    return 0


def _summary(file: Path, rows: Sequence[TrialRow], setup: Setup) -> None:
    found = rates(rows)
    say("")
    if setup in found:
        say_figures(found[setup])
        say(f"table: {printable_path(file)}")
    else:
        say("no presentation was recorded")
    say_others(found, setup)


def _plan(arguments: Namespace, configuration: Configuration) -> _Plan:
    """What the arguments ask for; raises UsageError and GalleryError."""
    kinds = tuple(dict.fromkeys(arguments.kind or DEFAULT_KINDS))
    for kind in kinds:
        if not is_kind(kind):
            raise UsageError(f"--kind {printable(kind)}: give one of {KINDS_SHOWN}")
    presentations = PRESENTATIONS if arguments.presentations is None else arguments.presentations
    if not 1 <= presentations <= 1000:  # noqa: PLR2004 - said in the message
        raise UsageError("--presentations is 1 to 1000")
    camera = _camera(arguments.camera, list(configuration.face_cameras))
    if not _has_looks(configuration, camera) and not arguments.challenge:
        raise UsageError(
            f"the config has no section liveness for {camera}: add it (docs/liveness.md), or give --challenge"
        )
    return _Plan(camera, kinds, presentations)


def _has_looks(configuration: Configuration, camera: str) -> bool:
    return configuration.liveness is not None and configuration.liveness.judges(camera)


def _camera(named: str | None, known: Sequence[str]) -> str:
    names = ", ".join(known) or "none"
    if named is None:
        if len(known) != 1:
            raise UsageError(f"give --camera; the config has: {names}")
        return known[0]
    if named not in known:
        raise GalleryError(f"{printable(named)}: no such camera in the config; it has: {names}")
    return named


def _require_writable(file: Path, configuration: Configuration) -> None:
    """Make the data folder if there is none; raises GalleryError if the table cannot be written."""
    folder = file.parent
    try:
        if folder == configuration.data:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (file if file.exists() else folder).stat()
    except OSError as error:
        raise GalleryError(f"{printable_path(file)}: cannot be written ({system_reason(error)})") from error
    if not os.access(file if file.exists() else folder, os.W_OK):
        raise GalleryError(f"{printable_path(file)}: cannot be written by this user")


def _rules(configuration: Configuration, camera: str, *, challenge: bool) -> TrialRules:
    """The rules of the daemon for this camera, with the models opened; raises ModelError."""
    looks = _has_looks(configuration, camera)
    required = required_checks("challenge" if challenge else "passive", looks=looks)
    table = table_of(configuration.embedder.model)
    return TrialRules(camera, rules(configuration, _BOOT), configuration.open_analyzer(), table, required)


def _setup(configuration: Configuration, rules: TrialRules) -> Setup:
    checks = "both" if len(rules.required) > 1 else "".join(rules.required)
    return Setup(
        __version__,
        rules.camera,
        checks,
        configuration.detector.type,
        _models(rules.analyzer),
        _limits(configuration, rules.camera),
    )


def _models(analyzer: FaceAnalyzer) -> str:
    looks = {} if analyzer.liveness is None else analyzer.liveness.names
    # An embedder is named after its file, which may have any name.
    embedder = re.sub(r"[^A-Za-z0-9._:-]", "_", analyzer.embedder.name)[-_MAX_EMBEDDER:]
    return " ".join([embedder, *(f"{file}:{sha256[:16]}" for file, sha256 in looks.items())])


def _limits(configuration: Configuration, name: str) -> str:
    """The limits of a verdict by name, and a hash of everything else that decides what is judged."""
    liveness, camera = configuration.liveness, configuration.cameras[name]
    named = {} if liveness is None else {key: getattr(liveness, key) for key in ("living", "spoof", "looks")}
    sections = [configuration.detector, configuration.quality, configuration.recognition]
    rest = [*(section.model_dump(mode="json") for section in sections), camera.region, camera.size]
    if liveness is not None:
        # How the sensors' pictures lie on each other, and what a face must measure there.
        rest.append(liveness.model_dump(mode="json", exclude={"living", "spoof", "looks", "near", "wide"}))
    digest = hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
    return " ".join([*(f"{key}={value:g}" for key, value in named.items()), f"settings={digest[:8]}"])


def _presenter(configuration: Configuration, rules: TrialRules) -> Callable[[Callable[[Notice], None]], Outcome]:
    """What judges one presentation: it opens the camera, and closes it afterwards."""
    cameras, companions, clock = configuration.cameras, configuration.companions, SystemClock()

    def judged(notice: Callable[[Notice], None]) -> Outcome:
        with closing(frames_of(rules.camera, cameras, clock, companions)) as frames:
            return present(rules, frames, clock, notice)

    return judged
