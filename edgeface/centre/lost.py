"""A device was lost or stolen: what the centre does at once, and what people must do and know."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from edgeface.core.errors import UnknownError
from edgeface.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgeface.centre.records import Device
    from edgeface.centre.store import Store


class LostReport(NamedTuple):
    """What follows from the loss."""

    device: Device
    epochs: Mapping[str, int]
    """The new epoch of each of its sites."""
    people: Mapping[str, tuple[str, ...]]
    """Whose templates it had, by site: ids. Without a TPM these count as read (GDPR, article 33)."""


def lose(store: Store, device: str, by: str) -> LostReport:
    """Refuse a device from now on, and give its sites new keys; raises UnknownError.

    Its grant keys are the owner's to take out of the list that doors follow: the centre has no owner key. Twice is no
    error.
    """
    found = find_device(store, device)
    store.revoke(device, by)
    epochs = {site: store.new_epoch(site, by) for site in found.sites}
    people = {site: tuple(one.id for one in store.people(site)) for site in found.sites}
    return LostReport(found, epochs, people)


def find_device(store: Store, device: str) -> Device:
    """The device of a name; raises UnknownError."""
    found = next((one for one in store.devices() if one.device == device), None)
    if found is None:
        raise UnknownError(f"{printable(device)}: no such device")
    return found
