import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from edgeface.centre.authority import Authority
from edgeface.core.clock import DAY
from edgeface.core.errors import ConfigError, VaultError
from tests.support.clock import FixedClock

NAMES = ("centre.example.org", "192.168.1.5", "::1")


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(epoch=1_796_000_000.0)


@pytest.fixture
def authority(tmp_path: Path, clock: FixedClock) -> Authority:
    return Authority.create(tmp_path, clock)


def server_of(folder: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificates((folder / "server.pem").read_bytes())[0]


def test_an_authority_is_made_once(authority: Authority, tmp_path: Path, clock: FixedClock) -> None:
    assert Authority.create(tmp_path, clock).fingerprint == authority.fingerprint
    assert Authority.open(tmp_path, clock).pem == authority.pem
    with pytest.raises(ConfigError, match="edgeface centre init"):
        Authority.open(tmp_path / "elsewhere", clock)


@pytest.mark.usefixtures("authority")
def test_its_key_lies_sealed(tmp_path: Path, clock: FixedClock) -> None:
    for path in tmp_path.iterdir():
        assert path.stat().st_mode & 0o077 == 0
    assert b"PRIVATE" not in (tmp_path / "authority.key").read_bytes()
    (tmp_path / "authority.key").write_bytes(bytes(200))
    with pytest.raises(VaultError):
        Authority.open(tmp_path, clock)


def test_it_signs_nothing_but_certificates_without_rights_to_sign(authority: Authority, tmp_path: Path) -> None:
    constraints = authority.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (constraints.ca, constraints.path_length) == (True, 0)
    authority.server_context(NAMES, clients=True)
    made = server_of(tmp_path)
    assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not made.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    usage = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]
    key = made.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP256R1)


def test_the_server_is_known_by_all_names(authority: Authority, tmp_path: Path) -> None:
    authority.server_context(NAMES, clients=True)
    names = server_of(tmp_path).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["centre.example.org"]
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["192.168.1.5", "::1"]


def test_the_server_keeps_its_certificate_until_a_month_before_its_end_or_other_names(
    authority: Authority, tmp_path: Path, clock: FixedClock
) -> None:
    context = authority.server_context(NAMES, clients=False)
    first = server_of(tmp_path)
    clock.sleep(366 * DAY)
    authority.load_server(context, NAMES)
    assert server_of(tmp_path) == first
    clock.sleep(2 * DAY)
    authority.load_server(context, NAMES)
    second = server_of(tmp_path)
    assert second != first
    authority.load_server(context, NAMES[:1])
    assert server_of(tmp_path) not in {first, second}


def test_clients_are_asked_for_a_certificate_of_this_authority_only(authority: Authority) -> None:
    context = authority.server_context(NAMES, clients=True)
    assert context.verify_mode is ssl.CERT_OPTIONAL
    assert [one["subject"] for one in context.get_ca_certs()] == [((("commonName", "edgeface centre authority"),),)]
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3
    assert authority.server_context(NAMES, clients=False).verify_mode is ssl.CERT_NONE
