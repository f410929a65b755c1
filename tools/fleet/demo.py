"""`make fleet-demo`: a person is enrolled at a centre, matched at two devices, and forgotten at both.

A real PostgreSQL, a real broker, `edgeface centre serve` and two `edgeface run`, which play the demo's clip and join by
code. Prints a table of times, and leaves it in build/fleet-demo.json; the exit status is 1 if a step fails.
"""

from __future__ import annotations

import base64
import json
import signal
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edgeface.core.console import say
from edgeface.core.errors import EdgefaceError
from edgeface.demo.scenario import PEOPLE
from edgeface.demo.subscriber import captured_at
from edgeface.fleet.messages import Receipt
from tools.fleet.stage import ROOT, SITE, Stage, Wrong

DEVICES = ("front", "garage")
PERSON, NAME, PHOTO = "barack", "Barack", PEOPLE / "Barack_Obama" / "obama.jpg"
PASSERS_BY = 3
"""People in the clip: once this person is forgotten, a device sees three strangers."""
SECONDS_IN_HAND = 1.0
"""A frame that was captured before a change was applied may still be announced."""
_START, _APPLY, _CLIP = 60.0, 30.0, 90.0
_OUT = ROOT / "build" / "fleet-demo.json"

Times = dict[str, float]
"""Seconds by device."""


class Demo:
    """The steps, in order; each raises Wrong."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.rows: dict[str, Times] = {}
        """What is in the table."""

    def run(self) -> None:
        """Do all of them."""
        self._join()
        enrolled = self._enroll()
        self._matched(enrolled)
        forgotten = self._forget()
        self._no_longer_matched(forgotten)

    def _join(self) -> None:
        stage = self._stage
        say(f"a centre with the site {SITE}, and the devices {' and '.join(DEVICES)}, which join by a code")
        stage.at_centre("centre", "init")
        stage.at_centre("fleet", "site", SITE)
        stage.serve(_START)
        begin = stage.clock.wall()
        with ThreadPoolExecutor() as pool:
            list(pool.map(self._begin, DEVICES))
        self.rows["joined -> follows"] = self._applied(0, begin, _START)

    def _begin(self, device: str) -> None:
        """Type at the device the line that the centre prints, and start it."""
        line = self._stage.at_centre("fleet", "code", device, SITE).split()
        self._stage.command(device, "fleet", *line[2:])
        self._stage.start(device, "run")

    def _enroll(self) -> float:
        say(f"{NAME} is enrolled at the centre from a photo")
        say("  " + self._stage.at_centre("fleet", "enroll", SITE, PERSON, str(PHOTO), "--name", NAME).strip())
        at = self._changed()
        self.rows["enrolled -> applied"] = self._applied(1, at, _APPLY)
        return at

    def _matched(self, enrolled: float) -> None:
        def first(device: str) -> dict[str, Any] | None:
            events = self._stage.events(device)
            return next((one for one in events if one["event_type"] == "match" and one["person"] == PERSON), None)

        self._stage.until(lambda: all(map(first, DEVICES)), _CLIP, f"{NAME} is matched at both devices")
        times = {device: captured_at(event) - enrolled for device in DEVICES if (event := first(device))}
        self.rows["enrolled -> first match"] = times

    def _forget(self) -> Times:
        say(f"{NAME} is forgotten at the centre")
        self._stage.at_centre("fleet", "forget", SITE, PERSON)
        at = self._changed()
        self.rows["forgotten -> applied"] = times = self._applied(2, at, _APPLY)
        say("\nedgeface fleet proof " + SITE)
        say(self._stage.at_centre("fleet", "proof", SITE))
        _verify(self._stage.proof())
        shown = self._stage.clock.wall() - at
        self.rows["forgotten -> proof"] = dict.fromkeys(DEVICES, shown)
        return {device: at + seconds for device, seconds in times.items()}

    def _no_longer_matched(self, applied: Times) -> None:
        """Watch until everyone in the clip has passed as a stranger."""

        def since(device: str) -> list[dict[str, Any]]:
            end = applied[device] + SECONDS_IN_HAND
            return [one for one in self._stage.events(device) if captured_at(one) > end]

        def strangers(device: str) -> set[str]:
            return {one["unknown"] for one in since(device) if one["event_type"] == "unknown"}

        def all_passed() -> bool:
            for device in DEVICES:
                if any(one["event_type"] == "match" for one in since(device)):
                    raise Wrong(f"{device}: {NAME} was matched after the device had signed that they are forgotten")
            return all(len(strangers(device)) >= PASSERS_BY for device in DEVICES)

        self._stage.until(all_passed, _CLIP, f"{NAME} passes both devices as a stranger")
        self.rows["forgotten -> passes as a stranger"] = {
            device: max(captured_at(one) for one in since(device)) - applied[device] for device in DEVICES
        }

    def _applied(self, seq: int, since: float, seconds: float) -> Times:
        """When each device has signed a change, by its clock."""
        found: dict[str, Any] = {}

        def signed() -> bool:
            found.update({one["device"]: one for one in self._stage.proof()["devices"]})
            return all(found[device]["state"] == "equal" and found[device]["seq"] == seq for device in DEVICES)

        self._stage.until(signed, seconds, f"both devices have signed change {seq}")
        return {device: _seconds(found[device]["at"]) - since for device in DEVICES}

    def _changed(self) -> float:
        """When the centre made its latest change, wall seconds."""
        with psycopg.connect(self._stage.database) as connection:
            row = connection.execute("SELECT at FROM changes ORDER BY seq DESC LIMIT 1").fetchone()
        if row is None:
            raise Wrong("the centre has recorded no change")
        return float(row[0])


def _verify(proof: dict[str, Any]) -> None:
    """Check both signatures, with no more than the JSON; raises Wrong."""
    for one in proof["devices"]:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(one["receipt_key"]))
        receipt = Receipt(
            seq=one["seq"], digest=one["digest"], count=one["count"], at=round(_seconds(one["at"]) * 1000),
            policy=one["policy"], model=one["model"], signature=base64.b64decode(one["signature"]),
        )  # fmt: skip
        receipt.verify(key, one["device"], SITE)
        if (one["seq"], one["digest"], one["count"]) != (proof["seq"], proof["digest"], proof["count"]):
            raise Wrong(f"{one['device']}: has signed another set than the centre's")
    say(f"the signatures of {' and '.join(one['device'] for one in proof['devices'])} are right\n")


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()


def main() -> int:
    """Run it; 1 if a step fails, 130 after Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _run()
    except KeyboardInterrupt:
        return 130


def _run() -> int:
    failed: str | None = None
    with tempfile.TemporaryDirectory(prefix="edgeface-fleet-") as folder, Stage(Path(folder), DEVICES) as stage:
        begin, demo = stage.clock.monotonic(), Demo(stage)
        try:
            demo.run()
        except (Wrong, EdgefaceError) as error:
            failed = str(error)
        seconds = stage.clock.monotonic() - begin
    _report(demo.rows, seconds, failed)
    return 0 if failed is None else 1


def _report(rows: dict[str, Times], seconds: float, failed: str | None) -> None:
    width = max(map(len, (*rows, "seconds")))
    say("  ".join((f"{'seconds':<{width}}", *(f"{device:>8}" for device in DEVICES))))
    for name, times in rows.items():
        say("  ".join((f"{name:<{width}}", *(f"{times[device]:8.2f}" for device in DEVICES))))
    say(f"{seconds:.0f} s in all" if failed is None else f"failed after {seconds:.0f} s: {failed}")
    _OUT.parent.mkdir(exist_ok=True)
    rounded = {name: {device: round(took, 2) for device, took in times.items()} for name, times in rows.items()}
    facts = {"seconds": round(seconds, 1), "failed": failed, "rows": rounded}
    _OUT.write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
