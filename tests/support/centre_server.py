"""A whole centre for tests: both listeners over real TLS on a real database, and devices that ask it."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.x509.oid import NameOID

from edgeface.centre.authority import Authority
from edgeface.centre.context import KEYRING, opened
from edgeface.centre.keys.keyring import Keyring
from edgeface.centre.server import CentreServer
from edgeface.centre.settings import Admins, CentreSettings, Database, Devices, Search
from edgeface.fleet import join_code
from edgeface.fleet.messages import MEDIA_TYPE, PREFIX, Joined, JoinRequest
from tests.support.clock import FixedClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edgeface.centre.context import CentreContext

HOST = "127.0.0.1"
SITE = "tower"


@contextmanager
def centre(conninfo: str, folder: Path) -> Iterator[CentreContext]:
    """A centre with one site, without its listeners; its clock stands still, at the time of this machine."""
    settings = CentreSettings(
        database=Database(conninfo=conninfo),
        data=folder / "data",
        keyring=folder / "second",
        names=("localhost", HOST),
        devices=Devices(host=HOST, port=0, trusted_proxies=(HOST,)),
        admins=Admins(port=0, trusted_proxies=()),
        search=Search(sockets=folder / "s", per_minute=1000),
    )
    clock = FixedClock(epoch=time.time())
    Authority.create(settings.data, clock)
    Keyring.create(settings.data / KEYRING, settings.keyring)
    with opened(settings, clock) as context:
        context.store.add_site(SITE)
        yield context


@dataclass
class Running:
    """A centre that serves."""

    context: CentreContext
    server: CentreServer
    folder: Path

    @property
    def clock(self) -> FixedClock:
        clock: Any = self.context.clock
        assert isinstance(clock, FixedClock)
        return clock

    def code(self, device: str, *sites: str) -> str:
        """The code that an admin reads out."""
        secret = self.context.store.make_code(sites or (SITE,), device, "admin")
        return join_code.new(self.context.authority.fingerprint, secret).text()

    def device(self, name: str = "front", *sites: str) -> Door:
        """A device that has joined."""
        made = Door(self, name)
        status, body = made.join(self.code(name, *sites))
        assert status == 200, body
        return made


@contextmanager
def serving(context: CentreContext, folder: Path) -> Iterator[Running]:
    """Both listeners."""
    server = CentreServer(context)
    thread = threading.Thread(target=server.run, name="centre")
    thread.start()
    assert server.wait(20)
    yield Running(context, server, folder)
    server.stop()
    thread.join(20)
    assert not thread.is_alive()


@dataclass(eq=False)
class Door:
    """A device, in as few lines as possible."""

    centre: Running
    name: str
    key: Any = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    sealing: X25519PrivateKey = field(default_factory=X25519PrivateKey.generate)
    receipts: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    joined: Joined | None = None
    certificate: str = ""

    def csr(self, name: str | None = None) -> str:
        """A signing request for its key."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name or self.name)])
        made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(self.key, hashes.SHA256())
        return made.public_bytes(serialization.Encoding.PEM).decode()

    def join_request(self, text: str, **other: Any) -> JoinRequest:
        facts: dict[str, Any] = {
            "code": join_code.parse(text).secret, "device": self.name, "request": self.csr(),
            "sealing_key": self.sealing.public_key().public_bytes_raw(),
            "receipt_key": self.receipts.public_key().public_bytes_raw(), "grant_keys": (bytes(range(32)),),
        }  # fmt: skip
        return JoinRequest(**{**facts, **other})

    def join(self, text: str, **other: Any) -> tuple[int, bytes]:
        """Ask with a code, without a certificate."""
        status, body = self.ask("POST", "/join", self.join_request(text, **other).packed())
        if status == 200:
            self.joined = Joined.read(body)
            self.certificate = self.joined.certificate
        return status, body

    def context(self) -> ssl.SSLContext:
        """TLS that trusts the authority of the centre only, with the certificate if there is one."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.load_verify_locations(cadata=self.centre.context.authority.pem)
        if self.certificate:
            file = self.centre.folder / f"{self.name}.pem"
            private = self.key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            file.write_bytes(self.certificate.encode() + private)
            made.load_cert_chain(file)
        return made

    def connection(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(HOST, self.centre.server.device_port, timeout=20, context=self.context())

    def ask(self, method: str, path: str, body: bytes | None = None, media: str = MEDIA_TYPE) -> tuple[int, bytes]:
        """One request over a connection of its own."""
        with closing(self.connection()) as connection:
            return exchanged(connection, method, path, body, media)


def exchanged(
    connection: http.client.HTTPSConnection, method: str, path: str, body: bytes | None = None, media: str = MEDIA_TYPE
) -> tuple[int, bytes]:
    """One request over an open connection."""
    connection.request(method, PREFIX + path, body, {} if body is None else {"Content-Type": media})
    answer = connection.getresponse()
    return answer.status, answer.read()


def admin(running: Running, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, Any]:
    """One request to the listener for admins; gives status, headers and the JSON body."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=running.context.authority.pem)
    address = HOST, running.server.admin_port
    with closing(http.client.HTTPSConnection(*address, timeout=20, context=context)) as connection:
        data = None if body is None else json.dumps(body).encode()
        given = {} if data is None else {"Content-Type": "application/json"}
        connection.request(method, f"/api/v1{path}", data, {**given, **headers})
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, answer.headers, json.loads(text) if text else None
