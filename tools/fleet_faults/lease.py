"""A lease that is over, with clocks that are right, set back, stopped and reset: no one may be matched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.clock import FixedClock
from tools.faults.part import say
from tools.fleet_faults.stage import DAY, elapse, followed, stage
from tools.fleet_faults.step import Options, Row

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.fleet_device import Device

_PEOPLE = 200


def run(options: Options) -> list[Row]:
    """List on one device for each case, end the centre, and let the lease end."""
    with stage(options.folder) as centre:
        centre.put(range(_PEOPLE))
        devices = [centre.device(options.folder, f"door-{n}") for n in range(len(_CASES))]
        for device in devices:
            followed(device)
    faults = []
    for device, (case, end) in zip(devices, _CASES.items(), strict=True):
        before = len(device.matched)
        elapse(device, 29)
        late = len(device.matched)
        end(device)
        after = len(device.matched)
        say(f"{case}: {before} matched with a lease, {late} in its last day, {after} after it")
        faults += (
            [] if (before, late) == (_PEOPLE, _PEOPLE) else [f"{case}: {late} of {_PEOPLE} matched during the lease"]
        )
        faults += [] if not after else [f"{case}: {after} still matched"]
    return [
        Row(
            "lease over",
            f"{_PEOPLE} people; {'; '.join(_CASES)}",
            f"{'no one' if not faults else 'someone'} matched in {len(_CASES)} cases",
            "no one matched",
            tuple(faults),
        )
    ]


def _right(device: Device) -> None:
    elapse(device, 1.02, by=0.02)


def _back_daily(device: Device) -> None:
    elapse(device, 2, by=0.5, back=0.5)


def _back_years(device: Device) -> None:
    elapse(device, 0.5)
    device.clock.epoch -= 900 * DAY
    elapse(device, 1)


def _back_after(device: Device) -> None:
    elapse(device, 2)
    device.clock.epoch -= 20 * DAY
    elapse(device, 0.5)


def _off(device: Device) -> None:
    """Off for two days, with a clock that keeps running."""
    device.clock = FixedClock(epoch=device.clock.wall() + 2 * DAY)
    with device.opened():
        pass


def _reset(device: Device) -> None:
    """A clock that begins at 1970 after each start, and no time server: a lease is charged for each."""
    device.synced = False
    for _ in range(6):
        device.clock = FixedClock()
        elapse(device, 0.25, by=0.05)


_CASES: dict[str, Callable[[Device], None]] = {
    "the clock is right": _right,
    "set back at each step": _back_daily,
    "set back by 900 days before the end": _back_years,
    "set back by 20 days after the end": _back_after,
    "off at the end": _off,
    "at 1970 after each of 6 starts": _reset,
}
