"""`edgeface fleet join`: makes the device's keys, checks the centre by the code, and stores what the centre answers."""

from __future__ import annotations

import hashlib
import socket
import ssl
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from edgeface.core.errors import FleetError
from edgeface.fleet.device.client import TIMEOUT, CentreClient, RefusedError, reason
from edgeface.fleet.device.fleet_file import FleetFile
from edgeface.fleet.device.identity import DeviceIdentity, DeviceKeys, pinned
from edgeface.fleet.device.records import LIST, SiteFile
from edgeface.fleet.messages import Joined, JoinRequest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgeface.fleet.join_code import JoinCode
    from edgeface.security.vault import Vault


def join(
    folder: Path, vault: Vault, device: str, centre: str, code: JoinCode, *,
    grant_keys: Sequence[bytes] = (), again: bool = False, timeout: float = TIMEOUT,
) -> DeviceIdentity:  # fmt: skip
    """Join the fleet of a centre; its people come with the next start of the daemon.

    Raises FleetError, with nothing stored, if the device has joined already and this is not `again`, the centre cannot
    be reached, it does not show the authority that the code names, or it refuses the code. The secret of the code is
    sent only to a centre whose certificate that authority has signed.
    """
    with closing(FleetFile(folder, vault)) as file:
        before = file.identity()
        if before is not None and not again:
            raise FleetError(f"already joined to {before.centre} as {before.device}: --again joins once more")
        keys = DeviceKeys.new()
        authority = _authority(centre, code, timeout)
        joined = _asked(centre, authority, timeout, JoinRequest(
            code=code.secret, device=device, request=keys.request(device), sealing_key=keys.sealing_public,
            receipt_key=keys.receipt_key.public_key().public_bytes_raw(), grant_keys=tuple(grant_keys),
        ))  # fmt: skip
        if not code.names(_fingerprint(joined.authority)):
            raise FleetError("the centre answers with another authority than its code names")
        identity = DeviceIdentity(
            device=device, centre=centre, keys=keys, certificate=joined.certificate, authority=authority,
            sites=joined.sites,
        )  # fmt: skip
        # Refused here rather than at the next start.
        identity.context()
        _store(file, identity)
    return identity


def _store(file: FleetFile, identity: DeviceIdentity) -> None:
    """Store the identity, and sites that are new; what is known of people stays, until the daemon lists them again."""
    known = file.sites()
    with file.transaction():
        for one in identity.sites:
            before = known.get(one.site)
            if before is None:
                file.put_site(SiteFile(site=one.site, enrolling_key=one.enrolling_key))
            else:
                fresh = {"enrolling_key": one.enrolling_key, "seq": LIST, "epoch": -1, "epoch_key": b""}
                file.put_site(before.model_copy(update=fresh))
        file.put_identity(identity)


def _asked(centre: str, authority: str, timeout: float, request: JoinRequest) -> Joined:
    with closing(CentreClient([centre], pinned(authority), timeout)) as client:
        try:
            return client.post("/join", request, Joined)
        except RefusedError as error:
            raise FleetError(f"not joined: {error}") from None


def _authority(centre: str, code: JoinCode, timeout: float) -> str:
    """The authority that the code names, PEM, as the server shows it; nothing is sent but the handshake."""
    place = urlsplit(centre)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The chain is compared with the code; only then is a connection made that verifies it.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection((place.hostname or "", place.port or 443), timeout) as plain,
            context.wrap_socket(plain, server_hostname=place.hostname) as shown,
        ):
            chain = _chain(shown)
    except OSError as error:
        raise FleetError(f"the centre {place.netloc} cannot be reached ({reason(error)})") from error
    found = next((one for one in chain if code.names(hashlib.sha256(one).digest())), None)
    if found is None:
        raise FleetError(f"{place.netloc} is not the centre that made this code: the code was not sent")
    return ssl.DER_cert_to_PEM_cert(found)


def _chain(shown: ssl.SSLSocket) -> list[bytes]:
    """The certificates that a server shows, DER; ssl has a public method for it only since Python 3.13."""
    public = getattr(shown, "get_unverified_chain", None)
    if public is not None:
        return list(public())
    found = shown._sslobj.get_unverified_chain()  # type: ignore[attr-defined]  # noqa: SLF001 - see above
    return [ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in found or ()]


def _fingerprint(pem: str) -> bytes:
    try:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).digest()
    except ValueError:
        raise FleetError("the centre's authority is not a certificate") from None
