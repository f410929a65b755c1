"""Who a device is to the centre: its private keys, its certificate, and the authority that it trusts."""

import os
import ssl
from typing import Annotated

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.x509.oid import NameOID
from pydantic import Field

from edgeface.core.errors import FleetError
from edgeface.core.settings import Id
from edgeface.fleet.messages import FleetMessage, Key32, SiteKey

_RENEW = 2 / 3
"""The share of a certificate's time after which it is renewed."""


class DeviceKeys(FleetMessage):
    """Private keys; they are stored sealed only."""

    tls: bytes = Field(repr=False)
    """P-256, PKCS #8, DER."""
    sealing: Key32 = Field(repr=False)
    """X25519."""
    receipt: Key32 = Field(repr=False)
    """Ed25519."""

    @classmethod
    def new(cls) -> "DeviceKeys":
        """Keys that no one else has."""
        der, pkcs8, plain = serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        return cls(
            tls=ec.generate_private_key(ec.SECP256R1()).private_bytes(der, pkcs8, plain),
            sealing=X25519PrivateKey.generate().private_bytes_raw(),
            receipt=Ed25519PrivateKey.generate().private_bytes_raw(),
        )

    @property
    def sealing_public(self) -> bytes:
        """To which epoch keys are sealed."""
        return X25519PrivateKey.from_private_bytes(self.sealing).public_key().public_bytes_raw()

    @property
    def receipt_key(self) -> Ed25519PrivateKey:
        """What signs receipts."""
        return Ed25519PrivateKey.from_private_bytes(self.receipt)

    @property
    def tls_key(self) -> ec.EllipticCurvePrivateKey:
        """What the certificate is for."""
        key = serialization.load_der_private_key(self.tls, None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise FleetError("the key of this device is not P-256")
        return key

    def request(self, device: str) -> str:
        """A certificate signing request, PEM."""
        key = self.tls_key
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, device)])
        made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
        return made.public_bytes(serialization.Encoding.PEM).decode()


class DeviceIdentity(FleetMessage):
    """All that a device has from joining."""

    device: Id
    centre: str
    """The address at which it joined."""
    keys: DeviceKeys
    certificate: Annotated[str, Field(max_length=20_000)]
    authority: Annotated[str, Field(max_length=20_000)]
    sites: Annotated[tuple[SiteKey, ...], Field(strict=False, min_length=1, max_length=64)]

    @property
    def ends(self) -> float:
        """Wall seconds at which the certificate ends."""
        return _times(self.certificate)[1]

    def must_renew(self, wall: float) -> bool:
        """Whether a new certificate is due."""
        begins, ends = _times(self.certificate)
        return wall >= begins + _RENEW * (ends - begins)

    def context(self) -> ssl.SSLContext:
        """TLS with the certificate; no authority is trusted but the one of the join code."""
        made = pinned(self.authority)
        pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        private = self.keys.tls_key.private_bytes(pem, pkcs8, serialization.NoEncryption())
        # ssl reads files only, and the key must never be on a disk.
        handle = os.memfd_create("edgeface-fleet", os.MFD_CLOEXEC)
        try:
            os.write(handle, self.certificate.encode() + private)
            made.load_cert_chain(f"/proc/self/fd/{handle}")
        except (ssl.SSLError, OSError) as error:
            raise FleetError("the certificate of this device cannot be used: join again") from error
        finally:
            os.close(handle)
        return made


def pinned(authority: str) -> ssl.SSLContext:
    """TLS 1.3 that trusts one authority, PEM; raises FleetError if it is none."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        made.load_verify_locations(cadata=authority)
    except (ssl.SSLError, ValueError):
        raise FleetError("the centre's authority is not a certificate") from None
    return made


def _times(certificate: str) -> tuple[float, float]:
    """The wall seconds between which a certificate is valid."""
    try:
        found = x509.load_pem_x509_certificate(certificate.encode())
    except ValueError:
        raise FleetError("the centre's answer is not a certificate") from None
    return found.not_valid_before_utc.timestamp(), found.not_valid_after_utc.timestamp()
