"""Lists of device keys as an owner signs them, for tests of those who read them."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from edgeface.door.key_list import KeyList, ListedDevice, ListedKey
from edgeface.security.signing_keys import sign

KID = "owner-2026-11"


def ed25519(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def listed(device: str, key: Ed25519PrivateKey | None = None, kid: str = "", **more: object) -> ListedDevice:
    """A device with one signing key, and a sealing key of its own."""
    sealing = ListedKey("s1", X25519PrivateKey.generate().public_key().public_bytes_raw())
    signing = ListedKey(kid or f"{device}-1", ed25519(key or Ed25519PrivateKey.generate()))
    return replace(ListedDevice(device, (signing,), sealing), **more)  # type: ignore[arg-type]  # fields of the class


@dataclass
class Owner:
    """An owner key, and the list that it signs."""

    kid: str = KID
    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def public(self) -> dict[str, bytes]:
        return {self.kid: ed25519(self.private)}

    @property
    def text(self) -> str:
        """The public key as door.yaml has it."""
        return base64.b64encode(ed25519(self.private)).decode()

    def sign(self, keys: KeyList) -> bytes:
        return sign(keys.payload(), self.kid, self.private)

    def list(self, *devices: ListedDevice, wall: float | None = None, seconds: int = 86_400, number: int = 0) -> bytes:
        """A signed list of these devices."""
        now = int(time.time() if wall is None else wall)
        return self.sign(KeyList(number or now, now, now + seconds, devices))


@dataclass
class ShiftedClock:
    """The machine's clocks, moved by hand."""

    monotonic_ahead: float = 0.0
    wall_ahead: float = 0.0
    synced: bool = True

    def monotonic(self) -> float:
        return time.monotonic() + self.monotonic_ahead

    def wall(self) -> float:
        return time.time() + self.wall_ahead

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def pass_time(self, seconds: float) -> None:
        """Let both clocks advance."""
        self.monotonic_ahead += seconds
        self.wall_ahead += seconds
