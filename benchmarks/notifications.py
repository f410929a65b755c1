"""How soon a stranger's notification reaches a local target, that a visit brings one, and what a flood costs.

    python -m benchmarks.notifications [--seconds 90] [--rounds 3]

The daemon watches people who come and go, none of them enrolled, and sends to a web server on this machine. The flood
has 20 strangers a minute and an hourly limit of 20; rounds with it alternate with rounds without `notify`, and
medians over the rounds are compared. Writes build/bench-notify.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import visits
from benchmarks.figures import nearest, percentiles
from benchmarks.site import Site
from tests.support.film import FPS
from tests.support.http_receiver import receiver
from tools.faults import table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.site import Run
    from benchmarks.visits import Clip
    from tests.support.http_receiver import Receiver

OUT = Path("build/bench-notify.json")
LIMIT = 20
"""`per_hour` in the flood."""
_UNKNOWN = "unknown: {per_minute: 60}\n"
_NOTIFY = """\
notify:
  targets: {{house: {{type: webhook, url: "{url}", secret_file: {secret}, allow_local: true, pictures: true}}}}
  rules: [{{to: [house], kinds: [unknown], pause: 0, per_hour: {limit}}}]
privacy: {{snapshots: unknown}}
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=90.0, help="length of a round")
    parser.add_argument("--rounds", type=int, default=3, help="rounds with the flood, and without notifications")
    wanted = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="edgeface-notify-") as scratch:
        folder = Path(scratch)
        (folder / "secret").write_text("a secret\n", encoding="ascii")
        (folder / "secret").chmod(0o600)
        clip = visits.make(folder / "visits.mp4", seconds=1.8, gap=1.2)
        found: dict[str, Any] = {"machine": table.machine(), "date": datetime.now(timezone.utc).date().isoformat()}
        found["sent"] = _sent(folder / "sent", clip, folder / "secret", wanted.seconds)
        flood, without = [], []
        for number in range(wanted.rounds):
            flood.append(_flood(folder / f"flood{number}", clip, folder / "secret", wanted.seconds))
            without.append(_without(folder / f"without{number}", clip, wanted.seconds))
        found["flood"], found["without"] = flood, without
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(markdown(found))


def markdown(found: dict[str, Any]) -> str:
    """The table, with date and machine."""
    sent, flood, without = found["sent"], found["flood"], found["without"]
    times, ratio = sent["usable_ms"], _median(flood, "p95") / _median(without, "p95")
    rows = [
        ("face first in view to notification received, p50 / p95", f"{times['p50']:.0f} / {times['p95']:.0f} ms"),
        ("visits; with one notification; with more", f"{sent['visits']}; {sent['once']}; {sent['more']}"),
        ("flood: strangers, sent, limit", f"{flood[0]['strangers']}, {flood[0]['sent']}, {LIMIT} an hour"),
        ("flood: capture to received (MQTT), p95", _range(flood)),
        ("without notifications: the same", _range(without)),
        ("ratio of the medians", f"{ratio:.2f}"),
    ]
    head = [f"Run on {found['date']}, {found['machine']}.", "", "| what | measured |", "|---|---|"]
    return "\n".join([*head, *(f"| {name} | {value} |" for name, value in rows)])


def _sent(folder: Path, clip: Clip, secret: Path, seconds: float) -> dict[str, Any]:
    """Every visit is notified of: how soon, and how often."""
    with receiver() as hook:
        run = _run(folder, clip, seconds, _NOTIFY.format(url=hook.url, secret=secret, limit=600))
        times, per_visit = _matched(run, clip, hook)
    counts = list(per_visit.values())
    return {
        "usable_ms": percentiles(times),
        "visits": len(counts),
        "once": counts.count(1),
        "more": sum(one > 1 for one in counts),
    }


def _matched(run: Run, clip: Clip, hook: Receiver) -> tuple[list[float], dict[tuple[int, int], int]]:
    """Seconds from the first frame of each visit to its notification, and the notifications by loop and visit."""
    captured = {one.id: one.at - one.after for one in run.received if one.kind == "unknown" and one.after is not None}
    times, per_visit = [], dict[tuple[int, int], int]()
    for got in hook.received:
        if got.json["event"] not in captured:
            continue
        frame = nearest(run.dealt, captured[got.json["event"]])
        visit = clip.at(frame.seq)
        if visit is not None and run.since <= frame.captured < run.until:
            key = frame.seq // clip.frames, visit.since
            per_visit[key] = per_visit.get(key, 0) + 1
            times.append(got.at - frame.captured + (frame.seq % clip.frames - visit.since) / FPS)
    return times, per_visit


def _flood(folder: Path, clip: Clip, secret: Path, seconds: float) -> dict[str, Any]:
    with receiver() as hook:
        run = _run(folder, clip, seconds, _NOTIFY.format(url=hook.url, secret=secret, limit=LIMIT))
        return {**_received(run), "sent": len(hook.received)}


def _without(folder: Path, clip: Clip, seconds: float) -> dict[str, Any]:
    return _received(_run(folder, clip, seconds, "privacy: {snapshots: unknown}\n"))


def _received(run: Run) -> dict[str, Any]:
    after = [one.after for one in run.received if one.kind == "unknown" and one.after is not None]
    return {"strangers": len(after), **percentiles(after)}


def _run(folder: Path, clip: Clip, seconds: float, more: str) -> Run:
    with Site(folder, {"porch": clip.path}, more=_UNKNOWN + more) as site:
        return site.run(site.daemon(), seconds)


def _median(rounds: Sequence[dict[str, Any]], key: str) -> float:
    return float(statistics.median(one[key] for one in rounds))


def _range(rounds: Sequence[dict[str, Any]]) -> str:
    values = sorted(one["p95"] for one in rounds)
    return f"{statistics.median(values):.0f} ms ({values[0]:.0f} to {values[-1]:.0f})"


if __name__ == "__main__":
    main()
