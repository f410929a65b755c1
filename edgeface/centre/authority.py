"""The certificate authority of a centre: its own certificate, the server's, and those of the devices.

All keys are ECDSA P-256. A device's certificate has the name that its join code was made for, whatever it asks for.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import ipaddress
import ssl
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edgeface.core.clock import DAY
from edgeface.core.errors import ConfigError, FleetError, system_reason
from edgeface.core.files import alone, put_whole, read_at_most
from edgeface.core.text import printable_path
from edgeface.security.vault import open_vault

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgeface.core.clock import Clock

DEVICE_DAYS = 30
"""Days for which a device's certificate holds; the device renews it after two thirds of them."""
SERVER_DAYS = 397
"""Days for which the server's certificate holds: what browsers accept."""
RENEW_DAYS = 30
"""Days before its end at which the server's certificate is replaced."""

_AUTHORITY_DAYS = 20 * 365
_AHEAD = dt.timedelta(hours=1)  # a device's clock may be behind
_CA, _CA_KEY, _SERVER, _SERVER_KEY = "authority.pem", "authority.key", "server.pem", "server.key"
_MAX_BYTES = 64 * 1024
_ABOUT = "centre.authority"


class Authority:
    """The authority in a data folder; any thread may use it."""

    def __init__(
        self, folder: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey, clock: Clock
    ) -> None:
        self._folder, self._key, self._clock = folder, key, clock
        self.certificate = certificate

    @classmethod
    def create(cls, folder: Path, clock: Clock) -> Authority:
        """The authority of a data folder, which is made if there is none; raises ConfigError as `open`."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with alone(folder):
            if not (folder / _CA).exists():
                _make(folder, clock)
        return cls.open(folder, clock)

    @classmethod
    def open(cls, folder: Path, clock: Clock) -> Authority:
        """The authority of a data folder; raises ConfigError if there is none, VaultError if its key is another's."""
        try:
            certificate = x509.load_pem_x509_certificate(read_at_most(folder / _CA, _MAX_BYTES))
            sealed = read_at_most(folder / _CA_KEY, _MAX_BYTES)
        except FileNotFoundError:
            raise ConfigError(f"{printable_path(folder)}: no authority here yet: edgeface centre init") from None
        except OSError as error:
            raise ConfigError(f"{printable_path(folder)}: {system_reason(error)}") from error
        except ValueError:
            raise ConfigError(f"{printable_path(folder / _CA)}: not a certificate") from None
        key = serialization.load_der_private_key(open_vault(folder).unseal(sealed, _ABOUT), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise ConfigError(f"{printable_path(folder)}: {_CA} and {_CA_KEY} do not belong together")
        return cls(folder, certificate, key, clock)

    @property
    def pem(self) -> str:
        """Its certificate."""
        return _pem(self.certificate)

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 of its certificate; a join code has the beginning of it."""
        return fingerprint(self.certificate.public_bytes(serialization.Encoding.DER))

    def device(self, name: str, request: str) -> x509.Certificate:
        """A device's certificate for the key of a signing request; raises FleetError for a request that cannot be used.

        Only the key is taken from the request, which must be signed with it.
        """
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        return self._issue(name, _requested_key(request), DEVICE_DAYS, usage)

    def server_context(self, names: Sequence[str], *, clients: bool) -> ssl.SSLContext:
        """A context with the server's certificate for TLS 1.3; with `clients`, it asks them for one of this authority.

        A client may come without a certificate: whoever serves it decides what that allows.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        if clients:
            context.load_verify_locations(cadata=self.pem)
            context.verify_mode = ssl.CERT_OPTIONAL
            # A ticket would carry a certificate into a connection whose handshake does not check it again.
            context.num_tickets = 0
        self.load_server(context, names)
        return context

    def server_ends(self) -> float | None:
        """Wall seconds at which the server's certificate ends; None if there is none that can be read."""
        try:
            found = x509.load_pem_x509_certificate(read_at_most(self._folder / _SERVER, _MAX_BYTES))
        except (OSError, ValueError):
            return None
        return found.not_valid_after_utc.timestamp()

    def load_server(self, context: ssl.SSLContext, names: Sequence[str]) -> None:
        """Use the server's certificate from now on; it is replaced before it ends, and when the names are others."""
        with alone(self._folder):
            if not self._server_holds(names):
                self._make_server(names)
            context.load_cert_chain(self._folder / _SERVER, self._folder / _SERVER_KEY)

    def _server_holds(self, names: Sequence[str]) -> bool:
        try:
            found = x509.load_pem_x509_certificate(read_at_most(self._folder / _SERVER, _MAX_BYTES))
            known = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            found.verify_directly_issued_by(self.certificate)
        except (OSError, ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
            return False
        left = found.not_valid_after_utc.timestamp() - self._clock.wall()
        return left > RENEW_DAYS * DAY and list(known) == _alternatives(names)

    def _make_server(self, names: Sequence[str]) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        # A name of more than 64 characters does not fit into the subject, which no one reads.
        certificate = self._issue("edgeface centre", key.public_key(), SERVER_DAYS, usage, _alternatives(names))
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        put_whole(self._folder / _SERVER_KEY, private)
        # With the authority's own, so that a device that joins can compare it with its code.
        put_whole(self._folder / _SERVER, (_pem(certificate) + self.pem).encode())

    def _issue(
        self,
        name: str,
        public: ec.EllipticCurvePublicKey,
        days: int,
        usage: x509.ExtendedKeyUsage,
        alternatives: Sequence[x509.GeneralName] = (),
    ) -> x509.Certificate:
        builder = _builder(name, self.certificate.subject, public, self._clock, days)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_key_usage(signs_certificates=False), critical=True)
        builder = builder.add_extension(usage, critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(issuer, critical=False)
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        return builder.sign(self._key, hashes.SHA256())


def fingerprint(certificate: bytes) -> bytes:
    """SHA-256 of a certificate in DER, by which the centre knows a device's."""
    return hashlib.sha256(certificate).digest()


def _make(folder: Path, clock: Clock) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "edgeface centre authority")])
    builder = _builder("edgeface centre authority", name, key.public_key(), clock, _AUTHORITY_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(signs_certificates=True), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    private = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    put_whole(folder / _CA_KEY, open_vault(folder).seal(private, _ABOUT))
    put_whole(folder / _CA, _pem(builder.sign(key, hashes.SHA256())).encode())


def _builder(
    name: str, issuer: x509.Name, public: ec.EllipticCurvePublicKey, clock: Clock, days: int
) -> x509.CertificateBuilder:
    now = dt.datetime.fromtimestamp(int(clock.wall()), dt.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _AHEAD)
        .not_valid_after(now + dt.timedelta(days=days))
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _requested_key(request: str) -> ec.EllipticCurvePublicKey:
    try:
        found = x509.load_pem_x509_csr(request.encode())
        key, signed = found.public_key(), found.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise FleetError("not a certificate signing request") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise FleetError("the key of a certificate signing request should be P-256")
    if not signed:
        raise FleetError("a certificate signing request is not signed with its key")
    return key


def _alternatives(names: Sequence[str]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = []
    for name in names:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name.rstrip(".").lower()))
    return found


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
