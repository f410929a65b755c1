"""The centre is away for 72 hours: at every door, each face gives what it gave before."""

from __future__ import annotations

from tools.faults.part import say
from tools.fleet_faults.stage import doors, elapse, followed, stage
from tools.fleet_faults.step import Options, Row

_PEOPLE, _STRANGERS, _DEVICES = 1_000, 200, 4
_HOURS, _EVERY = 72, 6


def run(options: Options) -> list[Row]:
    """End centre and database, then ask all doors every six hours of simulated time; each device restarts then too."""
    faces = range(_PEOPLE + _STRANGERS)
    with stage(options.folder) as centre:
        centre.put(range(_PEOPLE))
        devices = [centre.device(options.folder, f"door-{n}") for n in range(_DEVICES)]
        before = {}
        for device in devices:
            followed(device)
            before[device.data] = doors(device, faces)
    known = sum(one is not None and one[0] == f"p-{n}" for found in before.values() for n, one in found.items())
    asked, other = 0, 0
    for hour in range(_EVERY, _HOURS + 1, _EVERY):
        for device in devices:
            elapse(device, _EVERY / 24, by=1 / 48)
            after = doors(device, faces)
            asked += len(after)
            other += sum(before[device.data][n] != one for n, one in after.items())
        say(f"after {hour} hours: {other} of {asked} answers are others")
    faults = [f"{other} answers are others"] if other else []
    faults += [] if known == _DEVICES * _PEOPLE else [f"{known} of {_DEVICES * _PEOPLE} were known before"]
    return [
        Row(
            "centre away for 72 h",
            f"{_DEVICES} devices, {_PEOPLE:,} people and {_STRANGERS} strangers at each, every {_EVERY} hours of "
            "simulated time, with restarts",
            f"{asked - other:,} of {asked:,} answers as before",
            "every door as before",
            tuple(faults),
        )
    ]
