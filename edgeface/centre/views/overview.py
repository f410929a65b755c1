"""What an account sees of the devices: only those of its sites, and of each only these sites."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from edgeface.centre.admins.rights import Rights
    from edgeface.centre.records import Behind, Device
    from edgeface.centre.store import Store


class DeviceState(NamedTuple):
    """A device, and how far it is at each of its sites."""

    device: Device
    """Its `sites` are those that the account may see."""
    follows: tuple[Behind, ...]
    """None for a revoked one."""
    wholly: bool
    """Whether the account is an admin of all of its sites, and so may declare it lost."""


def device_states(store: Store, rights: Rights) -> list[DeviceState]:
    """The devices that an account may see, by name."""
    follows: dict[str, list[Behind]] = {}
    for one in store.behind():
        if rights.allow(one.site, "viewer"):
            follows.setdefault(one.device, []).append(one)
    shown = []
    for device in store.devices():
        seen = tuple(site for site in device.sites if rights.allow(site, "viewer"))
        if seen:
            wholly = all(rights.allow(site, "admin") for site in device.sites)
            shown.append(DeviceState(replace(device, sites=seen), tuple(follows.get(device.device, ())), wholly))
    return shown


def sites_of(store: Store, device: str) -> tuple[str, ...]:
    """The sites of the device of a name; none if there is no such device."""
    return next((one.sites for one in store.devices() if one.device == device), ())
