"""What the daemon reports about itself: the state of the device, and rows of the journal about its runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from edgeface import __version__
from edgeface.cameras.freshness import DARK
from edgeface.cameras.repetition import DOUBTFUL, REPEATED_PICTURES
from edgeface.core import board
from edgeface.core.clock import synchronised
from edgeface.recognition.settings import MIN_FPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from edgeface.cameras.capture import CaptureState
    from edgeface.config.configuration import Configuration
    from edgeface.daemon.vision import Tally
    from edgeface.journal.journal import Journal
    from edgeface.recognition.decision import Thresholds
    from edgeface.recognition.liveness import LivenessCounts


_LAST_ROWS = 200
"""Rows of the kind `config` that are searched for the last one about config.yaml."""


def report(
    *,
    uptime: float,
    cameras: Mapping[str, Mapping[str, Any]],
    models: Mapping[str, str],
    problems: tuple[str, ...],
    key: str,
    passes: Mapping[str, Any],
    generation: Mapping[str, Any] | None,
    notify: Mapping[str, Any] | None,
    proposals: int | None = 0,
    key_list: Mapping[str, Any] | None = None,
    fleet: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The state of the device, to which the publisher adds mqtt, journal and doors; docs/events.md names the keys.

    `key` is the custody of the vault's key.
    """
    heat = board.temperature()
    return {
        "version": __version__,
        "uptime": round(uptime),
        "cameras": {name: dict(camera) for name, camera in cameras.items()},
        "temperature": None if heat is None else round(heat, 1),
        "throttled": board.throttled(),
        "clock": "synced" if synchronised() else "unsynced",
        "models": dict(models),
        "key": key,
        "problems": list(problems),
        "passes": dict(passes),
        "generation": generation,
        "notify": notify,
        "key_list": key_list,
        "proposals": proposals,
        "fleet": fleet,
    }


def camera_report(
    state: CaptureState, tally: Tally, age: float | None, drops: int, accept: Thresholds | None = None
) -> dict[str, Any]:
    """The state of one camera: its pictures, what became of them, what was lost, and what is accepted."""
    return {
        "status": state.status,
        "fps": round(state.fps, 1),
        "age": None if age is None else round(age, 2),
        "frames": state.frames,
        "processed": tally.processed,
        "drops": drops,
        "reopens": state.reopens,
        "repeated": state.repeated,
        "replayed": state.replayed is not None,
        "recorded": state.recorded,
        "not_judged": dict(tally.undecided),
        "unknown_held_back": tally.held_back,
        "liveness": _liveness(tally.liveness),
        "limit": None if accept is None else _limit(accept),
        "problem": state.error
        or (DARK if state.dark else _slow(state, tally))
        or (DOUBTFUL if state.doubtful else None),
    }


def _liveness(counts: LivenessCounts) -> dict[str, Any]:
    return {
        "looks": counts.looks,
        "withheld": dict(counts.withheld),
        "verdicts": dict(counts.verdicts),
        "challenges": dict(counts.challenges),
        "scores": list(counts.scores),
        "score_total": round(counts.score_total, 3),
        "seconds": list(counts.seconds),
        "seconds_total": round(counts.seconds_total, 2),
    }


def record_replays(
    record: Callable[[str, Mapping[str, Any]], object],
    since: Mapping[str, float],
    states: Mapping[str, CaptureState],
    now: float,
) -> dict[str, float]:
    """Record which cameras have begun or ceased to give a recording; the monotonic seconds since when each does.

    `since` is what the last call has returned.
    """
    going = {name: since.get(name, now) for name, state in states.items() if state.replayed is not None}
    for name in going.keys() - since.keys():
        reason = "pictures" if states[name].replayed == REPEATED_PICTURES else "timestamps"
        record("replayed", {"camera": name, "reason": reason})
    for name in since.keys() - going.keys():
        record("replayed", {"camera": name, "seconds": round(now - since[name], 1)})
    return going


def _limit(accept: Thresholds) -> dict[str, Any]:
    return {
        "level": accept.level,
        "level_basis": accept.basis,
        "threshold": None if accept.level is None else accept.accept,
        "people": accept.people,
    }


def _slow(state: CaptureState, tally: Tally) -> str | None:
    """What is wrong with an online camera whose frames are too few, as given or as processed."""
    if tally.slow is None or state.status != "online":
        return None
    given = 0 < state.fps < MIN_FPS
    rate = f"{min(tally.slow, state.fps) if given else tally.slow:.1f} pictures per second"
    shown = f"gives {rate}" if given else f"only {rate} are processed"
    return f"{shown}; at least {MIN_FPS:g} are needed to recognise people"


def record_started(journal: Journal, configuration: Configuration, boot: str, wall: float) -> None:
    """Record the start, and the configuration if it has changed; `wall` in seconds."""
    facts = {"version": __version__, "boot": boot, "config": _digest(journal, configuration.model_dump(mode="json"))}
    journal.record("started", wall, facts)
    record_configured(journal, configuration, wall)


def record_configured(journal: Journal, configuration: Configuration, wall: float) -> None:
    """Record a configuration that has changed: digests and the changed keys, no content.

    The digests are made with the key of the data folder, so that no one can test passwords against them.
    """
    plain = configuration.model_dump(mode="json")
    digest, sections = _digest(journal, plain), {key: _digest(journal, plain[key]) for key in plain}
    known = _last(journal)
    if digest is None or known.get("digest") == digest:
        return
    before = known.get("sections", sections)
    changed = sorted(key for key in sections.keys() | before.keys() if sections.get(key) != before.get(key))
    journal.record("config", wall, {"digest": digest, "changed": changed, "sections": sections})


def record_stopped(journal: Journal, boot: str, wall: float) -> None:
    """Record an orderly end; it is published at the next start."""
    journal.record("stopped", wall, {"boot": boot})


def _last(journal: Journal) -> dict[str, Any]:
    """The newest row about config.yaml; rows about the page's accounts have the same kind."""
    rows = journal.rows(kinds=("config",), last=_LAST_ROWS)
    known: Iterator[dict[str, Any]] = (json.loads(entry.row.payload) for entry in reversed(rows))
    return next((facts for facts in known if "digest" in facts), {})


def _digest(journal: Journal, plain: Any) -> str | None:
    return journal.fingerprint(json.dumps(plain, sort_keys=True))
