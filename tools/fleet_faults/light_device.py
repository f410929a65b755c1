"""A device on another machine, as far as the centre can tell: it checks and signs everything, and stores no one."""

from __future__ import annotations

import random
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from edgeface.core.errors import FleetError
from edgeface.fleet import digest, sealing
from edgeface.fleet.device.client import CentreClient
from edgeface.fleet.device.fleet_file import FleetFile
from edgeface.fleet.device.opening import open_rows
from edgeface.fleet.messages import EpochKey, Lease, Receipt, Rows
from edgeface.security.vault import open_vault
from tests.support.centre_server import SITE
from tools.fleet_faults.stage import MODEL

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from pathlib import Path

    from edgeface.fleet.device.identity import DeviceIdentity
    from edgeface.fleet.device.records import SiteFile

START_SECONDS = 5.0
"""Devices do not start at one moment, but within this time."""
_WAIT = 30
_TIMEOUT = 60.0
"""Seconds for each read: all devices share the processors of one machine."""
_CHANGES = f"/sites/{SITE}/changes?model={MODEL}&wait={_WAIT}&after="


def follow(url: str, folder: Path, ending: threading.Event, say: Callable[..., None]) -> None:
    """Follow until `ending`; `say` gets the device, the change, the moment at which it was opened, and a problem."""
    with closing(FleetFile(folder, open_vault(folder))) as file:
        identity, site = file.identity(), file.sites()[SITE]
    while identity is not None and not ending.wait(random.uniform(0, START_SECONDS)):
        # As a device, it begins again when the centre does not answer in time.
        with suppress(FleetError), closing(CentreClient([url], identity.context(), _TIMEOUT)) as client:
            device = LightDevice(client, identity, site)
            answer = client.get(f"/sites/{SITE}/snapshot?model={MODEL}", Rows)
            while not ending.is_set():
                if answer.rows:
                    say(*device.applied(answer))
                answer = client.get(f"{_CHANGES}{device.seq}", Rows, wait=_WAIT)


class LightDevice:
    """What a device knows of a site, without the people."""

    def __init__(self, client: CentreClient, identity: DeviceIdentity, site: SiteFile) -> None:
        self._client, self._identity = client, identity
        epoch = client.get(f"/sites/{SITE}/epoch", EpochKey)
        key = sealing.unwrap_epoch(identity.keys.sealing, SITE, epoch.epoch, epoch.wrapped)
        self._site = site.model_copy(update={"epoch": epoch.epoch, "epoch_key": key})
        self.seq, self._digest = 0, 0
        self._people: dict[bytes, int] = {}

    def applied(self, answer: Rows) -> tuple[str, ...]:
        """Open and check rows, sign what there is then; the words that are said of it."""
        # The whole list is the same for everyone, and is opened by the devices with a gallery.
        listed = {row.person: row.seq for row in answer.rows} if self.seq == 0 else {}
        open_rows(self._site, answer, MODEL, listed, after=self.seq, whole=self.seq == 0)
        opened = time.monotonic()
        removed = [digest.entry(SITE, row.person, self._people.pop(row.person)) for row in answer.rows
                   if row.person in self._people]  # fmt: skip
        self._people.update({row.person: row.seq for row in answer.rows if row.key is not None})
        added = (digest.entry(SITE, row.person, row.seq) for row in answer.rows if row.key is not None)
        self._digest, self.seq = digest.changed(self._digest, added=added, removed=removed), answer.seq
        value = digest.to_hex(self._digest)
        facts = {"seq": self.seq, "digest": value, "count": len(self._people), "at": round(time.time() * 1000)}
        receipt = Receipt.signed(self._identity.keys.receipt_key, self._identity.device, SITE, facts)
        self._client.post(f"/sites/{SITE}/applied", receipt, Lease)
        fits = answer.digest == value
        return (self._identity.device, str(self.seq), f"{opened:.4f}", *([] if fits else ["the digest does not fit"]))
