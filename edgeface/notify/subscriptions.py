"""The browsers that get notifications by web push, and the key that signs for them, sealed in the data folder."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationError

from edgeface.core.errors import EdgefaceError, VaultError, system_reason
from edgeface.core.files import alone, put_whole, read_at_most
from edgeface.core.settings import Settings
from edgeface.core.text import printable_path
from edgeface.security.vault import open_vault

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from edgeface.security.vault import Vault

FILE = "web_push"
"""Name of the file in the data folder."""
MAX_SUBSCRIPTIONS = 32

_ABOUT = "web_push"
_MAX_BYTES = 256 << 10
_KEY_BYTES, _AUTH_BYTES, _PRIVATE_BYTES = 65, 16, 32


def from_base64url(text: str) -> bytes:
    """Bytes from base64url without padding (RFC 4648, 5); raises ValueError."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("not base64url") from error


def to_base64url(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _require_endpoint(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme == "https" and parts.hostname and parts.username is None and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("not an https address")
    return text


def _require_key(text: str) -> str:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey

    raw = from_base64url(text)
    if len(raw) != _KEY_BYTES:
        raise ValueError("not an uncompressed point")
    EllipticCurvePublicKey.from_encoded_point(SECP256R1(), raw)
    return text


def _require_auth(text: str) -> str:
    if len(from_base64url(text)) != _AUTH_BYTES:
        raise ValueError("not 16 bytes")
    return text


class Subscription(Settings):
    """A browser, as its push service knows it (RFC 8030, RFC 8291); the endpoint is a secret."""

    endpoint: Annotated[str, Field(max_length=2000, repr=False), AfterValidator(_require_endpoint)]
    p256dh: Annotated[str, Field(max_length=100, repr=False), AfterValidator(_require_key)]
    """The browser's public key, an uncompressed point of P-256 in base64url."""
    auth: Annotated[str, Field(max_length=40, repr=False), AfterValidator(_require_auth)]
    """The browser's authentication secret, 16 bytes in base64url."""
    label: Annotated[str, Field(max_length=100)] = ""
    """What an admin calls it."""
    added: float = 0.0
    """Wall seconds."""

    @property
    def id(self) -> str:
        """A short name that reveals nothing."""
        import hashlib

        return hashlib.sha256(self.endpoint.encode()).hexdigest()[:12]


class Browsers(Settings):
    """The receivers of web push, and the key that signs for this device."""

    private: Annotated[str, Field(repr=False)]
    """The private key (RFC 8292), 32 bytes in base64url."""
    subscriptions: tuple[Subscription, ...] = ()


@dataclass(frozen=True, slots=True)
class SubscriptionFile:
    """The file in a data folder; its changes are safe against other threads and processes."""

    folder: Path
    vault: Vault

    def browsers(self) -> Browsers | None:
        """The browsers; None before the first. Raises EdgefaceError if the file cannot be read."""
        return self._read()

    def public(self) -> str:
        """What a browser needs to subscribe: the public key, an uncompressed point in base64url."""
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        with alone(self.folder):
            found = self._read()
            if found is None:
                found = Browsers(private=_new_private())
                self._write(found)
        number = int.from_bytes(from_base64url(found.private), "big")
        point = ec.derive_private_key(number, ec.SECP256R1()).public_key()
        return to_base64url(point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))

    def add(self, subscription: Subscription) -> None:
        """Add a browser, or replace what is known of it; raises EdgefaceError if there are too many."""
        with alone(self.folder):
            found = self._read() or Browsers(private=_new_private())
            kept = [one for one in found.subscriptions if one.endpoint != subscription.endpoint]
            if len(kept) >= MAX_SUBSCRIPTIONS:
                raise EdgefaceError(f"there are {MAX_SUBSCRIPTIONS} browsers already: remove some")
            self._write(Browsers(private=found.private, subscriptions=(*kept, subscription)))

    def remove(self, ids: Iterable[str]) -> None:
        """Remove browsers by id; those that are not there are ignored."""
        gone = frozenset(ids)
        with alone(self.folder):
            found = self._read()
            if found is not None:
                kept = tuple(one for one in found.subscriptions if one.id not in gone)
                self._write(Browsers(private=found.private, subscriptions=kept))

    def _read(self) -> Browsers | None:
        path = self.folder / FILE
        try:
            return Browsers.model_validate_json(self.vault.unseal(read_at_most(path, _MAX_BYTES), _ABOUT))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise EdgefaceError(f"{printable_path(path)}: cannot be read ({system_reason(error)})") from error
        except ValidationError:
            raise VaultError(f"{printable_path(path)}: written by another version") from None

    def _write(self, content: Browsers) -> None:
        path = self.folder / FILE
        try:
            put_whole(path, self.vault.seal(content.model_dump_json().encode(), _ABOUT))
        except OSError as error:
            raise EdgefaceError(f"{printable_path(path)}: cannot be written ({system_reason(error)})") from error


def browsers(folder: Path) -> Browsers | None:
    """The browsers of a data folder; None if there are none, and then no key is needed or made.

    Raises EdgefaceError if they cannot be read.
    """
    if not (folder / FILE).exists():
        return None
    return SubscriptionFile(folder, open_vault(folder)).browsers()


def _new_private() -> str:
    """A private key of P-256: a number from 1 to the order of the curve less 1 (FIPS 186-5, A.2.2)."""
    from cryptography.hazmat.primitives.asymmetric import ec

    number = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
    return to_base64url(number.to_bytes(_PRIVATE_BYTES, "big"))
