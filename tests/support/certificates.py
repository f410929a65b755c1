"""A certificate authority for a test, and brokers and clients that it vouches for."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edgeface.mqtt.settings import Tls

if TYPE_CHECKING:
    from pathlib import Path

_DAY = dt.timedelta(days=1)
_NOW = dt.datetime.now(dt.timezone.utc)


@dataclass(frozen=True)
class Authority:
    """One CA, its files in `folder`; a certificate is made when it is first asked for."""

    folder: Path
    name: str = "ca"
    _key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        builder = _builder(self.name, self.name, self._key).add_extension(x509.BasicConstraints(True, 0), True)
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        self._write("ca", builder.add_extension(usage, True), self._key)

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def broker(self, host: str = "127.0.0.1", *, expired: bool = False) -> tuple[Path, Path]:
        """Certificate and key of a broker that is reached as `host`."""
        try:
            known: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            known = x509.DNSName(host)
        file = f"broker-{host}{'-expired' if expired else ''}"
        return self._leaf(file, host, x509.SubjectAlternativeName([known]), expired=expired)

    def client(self, name: str, *, expired: bool = False) -> tuple[Path, Path]:
        """Certificate and key of a client whose CN is `name`."""
        usage = x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH])
        return self._leaf(f"client-{name.encode().hex()}{'-expired' if expired else ''}", name, usage, expired=expired)

    def tls(self, name: str | None, *, expired: bool = False) -> Tls:
        """What config.yaml says of a client; without a certificate of its own for None."""
        if name is None:
            return Tls(ca=self.ca)
        certificate, key = self.client(name, expired=expired)
        return Tls(ca=self.ca, certificate=certificate, key=key)

    def context(self, name: str | None) -> ssl.SSLContext:
        """The same for a client that is not ours."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.ca)
        if name is not None:
            context.load_cert_chain(*self.client(name))
        return context

    def _leaf(self, file: str, name: str, extension: x509.ExtensionType, *, expired: bool) -> tuple[Path, Path]:
        paths = self.folder / f"{file}.pem", self.folder / f"{file}.key"
        if not paths[0].exists():
            key = ec.generate_private_key(ec.SECP256R1())
            self._write(file, _builder(name, self.name, key, expired=expired).add_extension(extension, False), key)
        return paths

    def _write(self, file: str, builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> None:
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (self.folder / f"{file}.key").touch(0o600)
        (self.folder / f"{file}.key").write_bytes(private)
        signed = builder.sign(self._key, hashes.SHA256())
        (self.folder / f"{file}.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))


def _builder(
    name: str, issuer: str, key: ec.EllipticCurvePrivateKey, *, expired: bool = False
) -> x509.CertificateBuilder:
    begins = _NOW - 10 * _DAY
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(_NOW - _DAY if expired else _NOW + _DAY)
    )
