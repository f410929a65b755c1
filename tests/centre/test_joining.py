import ssl
from contextlib import closing

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from edgeface.fleet import join_code
from edgeface.fleet.messages import Refused
from tests.support.centre_server import SITE, Door, Running


def common_name(certificate: str) -> str:
    found = x509.load_pem_x509_certificate(certificate.encode())
    return str(found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def test_a_device_joins_with_a_code_and_gets_what_it_needs(shared: Running) -> None:
    device = shared.device("front")
    assert device.joined is not None
    assert common_name(device.certificate) == "front"
    assert device.joined.authority == shared.context.authority.pem
    assert [one.site for one in device.joined.sites] == [SITE]
    assert device.joined.sites[0].enrolling_key == shared.context.store.enrolling_key(SITE)
    assert device.ask("GET", f"/sites/{SITE}/epoch")[0] == 200


def test_the_name_comes_from_the_code_and_not_from_the_signing_request(shared: Running) -> None:
    device = Door(shared, "front")
    assert device.join(shared.code("front"), request=device.csr("another"))[0] == 200
    assert common_name(device.certificate) == "front"


def test_a_code_joins_once(shared: Running) -> None:
    code = shared.code("front")
    assert Door(shared, "front").join(code)[0] == 200
    status, body = Door(shared, "front").join(code)
    assert status == 410
    assert "used already" in Refused.read(body).detail


def test_a_code_holds_for_fifteen_minutes(running: Running) -> None:
    code = running.code("front")
    running.clock.sleep(901)
    assert Door(running, "front").join(code)[0] == 410
    code = running.code("front")
    running.clock.sleep(890)
    assert Door(running, "front").join(code)[0] == 200


def test_a_code_is_for_one_device(running: Running) -> None:
    status, body = Door(running, "back").join(running.code("front"))
    assert status == 403
    assert "another name" in Refused.read(body).detail
    assert running.context.store.devices() == ()


def test_a_made_up_code_joins_nothing(shared: Running) -> None:
    shared.code("front")
    made_up = join_code.new(shared.context.authority.fingerprint).text()
    assert Door(shared, "front").join(made_up)[0] == 410
    assert Door(shared, "front").join(made_up, code="not base32 at all")[0] == 410


def test_the_server_shows_the_authority_that_the_code_names(shared: Running) -> None:
    code = join_code.parse(shared.code("front"))
    pem = shared.folder / "data" / "server.pem"
    shown = x509.load_pem_x509_certificates(pem.read_bytes())
    assert len(shown) == 2
    assert [code.names(one.fingerprint(hashes.SHA256())) for one in shown] == [False, True]


def test_a_device_that_expects_another_authority_sends_nothing(shared: Running) -> None:
    device = Door(shared, "front")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    device.context = lambda: context  # type: ignore[method-assign]  # an authority that it does not know
    with pytest.raises(ssl.SSLCertVerificationError):
        device.join(shared.code("front"))


@pytest.mark.parametrize(
    "key",
    [rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())],
    ids=["rsa", "p384"],
)
def test_another_kind_of_key_is_refused_and_the_code_still_holds(shared: Running, key: object) -> None:
    code = shared.code("front")
    status, body = Door(shared, "front", key=key).join(code)
    assert status == 422
    assert "P-256" in Refused.read(body).detail
    assert Door(shared, "front").join(code)[0] == 200


@pytest.mark.parametrize("request_text", ["", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n", "x" * 3_999])
def test_what_is_no_signing_request_is_refused(shared: Running, request_text: str) -> None:
    assert Door(shared, "front").join(shared.code("front"), request=request_text)[0] == 422


def test_a_signing_request_that_was_altered_is_refused(shared: Running) -> None:
    device = Door(shared, "front")
    der = bytearray(ssl.PEM_cert_to_DER_cert(device.csr().replace("CERTIFICATE REQUEST", "CERTIFICATE")))
    der[-1] ^= 1
    altered = ssl.DER_cert_to_PEM_cert(bytes(der)).replace("CERTIFICATE", "CERTIFICATE REQUEST")
    assert device.join(shared.code("front"), request=altered)[0] == 422


def test_joining_again_ends_the_earlier_certificate(shared: Running) -> None:
    before = shared.device("front")
    after = shared.device("front")
    assert before.ask("GET", f"/sites/{SITE}/epoch")[0] == 403
    assert after.ask("GET", f"/sites/{SITE}/epoch")[0] == 200


def test_an_earlier_tls_is_not_spoken(shared: Running) -> None:
    device = Door(shared, "front")
    context = device.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    device.context = lambda: context  # type: ignore[method-assign]
    with closing(device.connection()) as connection, pytest.raises(ssl.SSLError):
        connection.connect()
