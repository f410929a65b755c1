"""The policies of the sites on a device: verified before an answer is applied, and published to the doors."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edgeface.access.site_policy import SHUT
from edgeface.core.errors import FleetError
from edgeface.fleet import digest, sealing, signed_policy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgeface.access.site_policy import SitePolicy
    from edgeface.fleet.device.records import SiteFile
    from edgeface.fleet.messages import Rows


class SitePolicies:
    """The policies as the doors read them; the thread of fleet.db calls `show`, any thread may read the rest."""

    def __init__(self) -> None:
        self.current: Mapping[str, SitePolicy | None] = MappingProxyType({})
        """By site, None for one without a policy; replaced as a whole."""
        self.problems: tuple[str, ...] = ()
        self._read: dict[str, tuple[int, bytes, SitePolicy | None]] = {}
        self._unreadable: dict[str, str] = {}

    def show(self, sites: Mapping[str, SiteFile]) -> None:
        """Show the doors the policies; with one that cannot be read, the people of its site pass no door."""
        self._unreadable = {}
        found = {name: self._policy(site) for name, site in sites.items()}
        self.problems = tuple(self._unreadable.values())
        if found != self.current:
            self.current = MappingProxyType(found)

    def _policy(self, site: SiteFile) -> SitePolicy | None:
        if not site.policy:
            return None
        known = self._read.get(site.site)
        if known is not None and known[:2] == (site.policy, site.signed_policy):
            return known[2]
        try:
            key = Ed25519PublicKey.from_public_bytes(site.enrolling_key)
            found = signed_policy.verify(site.site, site.policy, site.signed_policy, key)
        except FleetError as error:
            self._unreadable[site.site] = f"fleet: the people of {site.site} pass no door: {error}"
            return SHUT
        self._read[site.site] = (site.policy, site.signed_policy, found)
        return found


def with_policy(site: SiteFile, answer: Rows, *, whole: bool) -> SiteFile:
    """The site with the policy of an answer, and with its version in the digest.

    Raises FleetError if the policy is not sealed and signed for this site and version, is older than the one that is
    known here, or is held back.
    """
    sent, key = answer.policy, Ed25519PublicKey.from_public_bytes(site.enrolling_key)
    if site.policy and not signed_policy.is_signed(site.site, site.policy, site.signed_policy, key):
        # Of another centre, which the device had joined before: until now, the people of the site pass no door.
        site = site.model_copy(update={"policy": 0, "signed_policy": b""})
    if sent is None:
        if whole and site.policy:
            raise FleetError(f"the centre holds back the policy of {site.site}")
        return site
    if sent.version < site.policy:
        raise FleetError(f"the policy of {site.site} from the centre is older than what is known here")
    if answer.epoch != site.epoch:
        raise FleetError("an answer of the centre is of another site or epoch")
    signed = sealing.open_policy(site.epoch_key, site.site, site.epoch, sent.version, sent.sealed)
    signed_policy.verify(site.site, sent.version, signed, key)
    entries = {version: signed_policy.entry(site.site, version) for version in (site.policy, sent.version)}
    value = digest.changed(int(site.digest, 16), added=[entries[sent.version]], removed=[entries[site.policy]])
    return site.model_copy(update={"policy": sent.version, "signed_policy": signed, "digest": digest.to_hex(value)})
