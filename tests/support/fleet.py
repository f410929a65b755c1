"""A small centre for tests of the device: a real TLS server that speaks the fleet's messages."""

from __future__ import annotations

import datetime as dt
import hashlib
import ssl
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from edgeface.core.errors import FleetError
from edgeface.fleet import digest, facts, join_code, messages, sealing, signed_policy
from edgeface.fleet.facts import PersonFacts
from tests.support.certificates import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edgeface.access.site_policy import SitePolicy
    from edgeface.core.types import Embedding

DAY = 86_400


@dataclass(frozen=True)
class Known:
    """A person at the centre."""

    seq: int
    key: bytes = b""
    facts: PersonFacts | None = None
    gone: bool = False


@dataclass
class SmallCentre:
    """One site; `put` and `forget` are what an admin does, the rest answers the device."""

    folder: Path
    model: str
    site: str = "house"
    now: float = 1_795_334_400.0
    """Wall seconds of its clock."""
    lease: int = 30 * DAY
    seq: int = 0
    floor: int = 0
    epoch: int = 1
    epoch_key: bytes = field(default_factory=sealing.new_key)
    people: dict[bytes, Known] = field(default_factory=dict)
    receipts: list[messages.Receipt] = field(default_factory=list)
    proposals: list[tuple[messages.Proposal, PersonFacts | None]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """Paths of the requests."""
    sent: int = 0
    """Bytes of the bodies of answers."""
    refuse: dict[str, int] = field(default_factory=dict)
    """The status for requests whose path ends so."""
    alter: Any = None
    """Changes a Rows before it is sent."""
    policy: SitePolicy | None = None
    policy_version: int = 0

    def __post_init__(self) -> None:
        self.enrolling = Ed25519PrivateKey.generate()
        self.authority = Authority(self.folder)
        self.changed = threading.Condition()
        self.devices: dict[bytes, messages.JoinRequest] = {}
        self.codes: set[str] = set()
        self.server: ThreadingHTTPServer | None = None
        self.port = 0
        self.shown: Authority | None = None
        """The authority whose certificate the server shows, if it is not its own."""

    # What an admin does

    def code(self) -> str:
        der = ssl.PEM_cert_to_DER_cert(self.authority.ca.read_text())
        made = join_code.new(hashlib.sha256(der).digest())
        self.codes.add(made.secret)
        return made.text()

    def put(self, id_: str, embedding: Embedding, person: bytes | None = None, **more: Any) -> bytes:
        person = person or sealing.new_person()
        before = self.people.get(person)
        version = more.pop("version", 1 if before is None or before.facts is None else before.facts.version + 1)
        made = PersonFacts(
            id=id_, name=more.pop("name", id_.title()), version=version, model=self.model,
            mean=facts.to_mean(embedding), **more,
        )  # fmt: skip
        self._store(person, Known(0, sealing.new_key(), made))
        return person

    def forget(self, person: bytes) -> None:
        self._store(person, Known(0, gone=True))

    def set_policy(self, policy: SitePolicy | None) -> None:
        with self.changed:
            self.seq += 1
            self.policy, self.policy_version = policy, self.seq
            self.changed.notify_all()

    def sealed_policy(self, **other: Any) -> messages.SealedPolicy:
        """The policy as it is sent; `other` replaces what it is signed and sealed with."""
        given = {"site": self.site, "version": self.policy_version, "key": self.enrolling, "policy": self.policy}
        site, version, key, policy = {**given, **other}.values()
        signed = signed_policy.sign(site, version, policy, key)
        sealed = sealing.seal_policy(self.epoch_key, self.site, self.epoch, self.policy_version, signed)
        return messages.SealedPolicy(version=self.policy_version, sealed=sealed)

    def new_epoch(self) -> None:
        with self.changed:
            self.epoch, self.epoch_key = self.epoch + 1, sealing.new_key()

    def accept(self, number: int = 0) -> None:
        proposal, wanted = self.proposals[number]
        if wanted is None:
            self.forget(proposal.person)
        else:
            self._store(proposal.person, Known(0, sealing.new_key(), wanted))

    def _store(self, person: bytes, known: Known) -> None:
        with self.changed:
            self.seq += 1
            self.people[person] = replace(known, seq=self.seq)
            self.changed.notify_all()

    # What a device is told

    def rows(self, after: int = 0, *, whole: bool = True) -> messages.Rows:
        with self.changed:
            chosen = {
                person: one for person, one in self.people.items() if one.seq > after and not (whole and one.gone)
            }
            there = [(person, one.seq) for person, one in self.people.items() if not one.gone]
            policy = signed_policy.entry(self.site, self.policy_version)
            made = messages.Rows(
                site=self.site, seq=self.seq, epoch=self.epoch, count=len(there),
                rows=tuple(self._row(person, one) for person, one in chosen.items()),
                digest=digest.to_hex(digest.changed(digest.of(self.site, there), added=[policy])),
                policy=self.sealed_policy() if self.policy_version > (0 if whole else after) else None,
            )  # fmt: skip
        return made if self.alter is None else self.alter(made)

    def _row(self, person: bytes, one: Known) -> messages.Row:
        if one.facts is None:
            return messages.Row(person=person, seq=one.seq)
        signed = facts.sign(self.site, person, one.facts, self.enrolling)
        return messages.Row(
            person=person, seq=one.seq,
            key=sealing.wrap_key(self.epoch_key, self.site, self.epoch, person, one.key),
            sealed=sealing.seal_row(one.key, self.site, person, one.seq, self.model, signed),
        )  # fmt: skip

    def changes(self, after: int, wait: float) -> messages.Rows | None:
        with self.changed:
            self.changed.wait_for(lambda: self.seq > after, wait)
            if after < self.floor or after > self.seq:
                return None
        return self.rows(after, whole=False)

    def proposed(self, proposal: messages.Proposal) -> tuple[int, messages.FleetMessage]:
        before = self.people.get(proposal.person)
        if before is not None and before.gone:
            return 410, messages.Refused(detail="forgotten")
        if (0 if before is None else before.seq) != proposal.seq or proposal.epoch != self.epoch:
            return 409, messages.Refused(detail="changed meanwhile")
        wanted = None
        if not proposal.forget:
            assert proposal.key is not None
            assert proposal.sealed is not None
            key = sealing.unwrap_key(self.epoch_key, self.site, self.epoch, proposal.person, proposal.key)
            body = sealing.open_proposal(key, self.site, proposal.person, proposal.seq, proposal.sealed)
            wanted = facts.read(body)
        if all(one.number != proposal.number for one, _ in self.proposals):
            self.proposals.append((proposal, wanted))
        return 200, messages.Proposed(seq=0)

    def joined(self, request: messages.JoinRequest) -> tuple[int, messages.FleetMessage]:
        if request.code not in self.codes:
            return 410, messages.Refused(detail="the code is unknown, used or too old")
        self.codes.remove(request.code)
        return 200, messages.Joined(
            certificate=self._certified(request),
            authority=self.authority.ca.read_text(),
            sites=(messages.SiteKey(site=self.site, enrolling_key=self.enrolling.public_key().public_bytes_raw()),),
        )

    def _certified(
        self, request: messages.JoinRequest | messages.Renewal, device: messages.JoinRequest | None = None
    ) -> str:
        """A certificate for a request, and the device known by it."""
        csr = x509.load_pem_x509_csr(request.request.encode())
        ca = x509.load_pem_x509_certificate(self.authority.ca.read_bytes())
        now = dt.datetime.now(dt.timezone.utc)
        made = (
            x509.CertificateBuilder().subject_name(csr.subject).issuer_name(ca.subject).public_key(csr.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=29))
            .sign(self.authority._key, hashes.SHA256())
        )  # fmt: skip
        known = device or request
        assert isinstance(known, messages.JoinRequest)
        self.devices[hashlib.sha256(made.public_bytes(serialization.Encoding.DER)).digest()] = known
        return made.public_bytes(serialization.Encoding.PEM).decode()

    def answer(
        self, method: str, path: str, body: bytes, device: messages.JoinRequest | None
    ) -> tuple[int, messages.FleetMessage]:
        """The status and the body for a request."""
        place = urlsplit(path)
        query = {key: values[0] for key, values in parse_qs(place.query).items()}
        name = place.path.rpartition("/")[2]
        self.asked.append(f"{method} {name}")
        if name in self.refuse:
            return self.refuse[name], messages.Refused(detail="refused by the test")
        if name == "join":
            return self.joined(messages.JoinRequest.read(body))
        if device is None:
            return 403, messages.Refused(detail="no device of this centre")
        found: messages.FleetMessage | None
        if name == "renew":
            found = messages.Certificate(certificate=self._certified(messages.Renewal.read(body), device))
        elif name == "epoch":
            wrapped = sealing.wrap_epoch(device.sealing_key, self.site, self.epoch, self.epoch_key)
            found = messages.EpochKey(epoch=self.epoch, wrapped=wrapped)
        elif name == "snapshot":
            found = self.rows()
        elif name == "changes":
            found = self.changes(int(query["after"]), float(query["wait"]))
        elif name == "proposals":
            return self.proposed(messages.Proposal.read(body))
        else:
            assert name == "applied"
            receipt = messages.Receipt.read(body)
            receipt.verify(Ed25519PublicKey.from_public_bytes(device.receipt_key), device.device, self.site)
            self.receipts.append(receipt)
            found = messages.Lease(seconds=self.lease, now=round(self.now * 1000))
        return (410, messages.Refused(detail="too old")) if found is None else (200, found)

    # The server

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @contextmanager
    def serving(self) -> Iterator[SmallCentre]:
        """Listen on a free port, or on the same as before."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate, key = self.authority.broker()
        chain = self.folder / "chain.pem"
        chain.write_bytes(certificate.read_bytes() + (self.shown or self.authority).ca.read_bytes())
        context.load_cert_chain(chain, key)
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(self.authority.ca)
        server = _Server(("127.0.0.1", self.port), _handler(self))
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news."""


def _handler(centre: SmallCentre) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._do(b"")

        def do_POST(self) -> None:
            self._do(self.rfile.read(int(self.headers["Content-Length"])))

        def _do(self, body: bytes) -> None:
            der = self.connection.getpeercert(binary_form=True)
            device = None if der is None else centre.devices.get(hashlib.sha256(der).digest())
            try:
                status, message = centre.answer(self.command, self.path, body, device)
            except FleetError as error:
                status, message = 400, messages.Refused(detail=str(error))
            data = message.packed()
            centre.sent += len(data)
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler
