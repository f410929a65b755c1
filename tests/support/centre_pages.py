"""A centre with people, devices, events and proposals for its pages, and accounts that sign in there."""

from __future__ import annotations

import re
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import pyotp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from starlette.testclient import TestClient

from edgeface.centre.admins import rights
from edgeface.centre.admins.app import application
from edgeface.centre.records import Entry, Software
from edgeface.core.clock import DAY, rfc3339
from edgeface.faces.embedder import embedder_name
from edgeface.fleet import digest, sealing
from edgeface.fleet.facts import PersonFacts, to_mean
from edgeface.fleet.messages import JoinRequest, Proposal, Receipt
from edgeface.fleet.packing import packed
from tests.support.audit_rows import audit_row, match
from tests.support.centre import embedding
from tests.support.centre_server import SITE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from edgeface.centre.context import CentreContext
    from edgeface.centre.records import Device

PASSWORD = "correct horse battery staple"  # noqa: S105 - a test's
PEOPLE = (
    ("alice", "Alice Moreau", ("staff", "night")), ("benedikt", "Benedikt Adeyemi", ("staff",)),
    ("carla", "Carla Nowak", ()), ("dmitri", "Dmitri Okafor", ("cleaning",)), ("elif", "Elif Demir", ("staff",)),
)  # fmt: skip


class JoinedDevice(NamedTuple):
    """A device with the keys that it signs and opens with."""

    device: Device
    sealing: X25519PrivateKey
    signing: Ed25519PrivateKey


def model_of(context: CentreContext) -> str:
    """The name of the centre's embedder."""
    return embedder_name(context.settings.embedder.model)


def account(context: CentreContext, name: str = "anna", role: Any = "admin", *sites: str) -> pyotp.TOTP:
    """A new account, and its authenticator."""
    made = rights.make_password(context.settings.data, name, role, sites or None, PASSWORD, context.clock.wall())
    totp = pyotp.parse_uri(made)
    assert isinstance(totp, pyotp.TOTP)
    return totp


@contextmanager
def browsers(context: CentreContext) -> Iterator[Callable[..., TestClient]]:
    """Makes browsers that are signed in: make("admin"), make("viewer", SITE); make() is not."""
    app, made = application(context), list[TestClient]()
    with ExitStack() as stack:

        def make(role: str | None = None, *sites: str) -> TestClient:
            one = TestClient(app, base_url="https://localhost", follow_redirects=False)
            stack.callback(one.close)
            made.append(one)
            if role is not None:
                assert sign_in(one, context, f"account-{len(made)}", role, *sites).headers["location"] == "/"
            return one

        yield make


def sign_in(one: TestClient, context: CentreContext, name: str, role: str, *sites: str) -> Any:
    """Make an account, and sign in with it."""
    code = account(context, name, role, *sites).at(int(context.clock.wall()))
    return one.post("/login", data={"name": name, "password": PASSWORD, "code": code})


def post(one: TestClient, path: str, files: Any = None, **fields: str) -> Any:
    """A form of a page, with its token."""
    token = re.search(r'name="csrf" value="([^"]+)"', one.get("/").text)
    return one.post(path, data={"csrf": token[1] if token else "", **fields}, files=files)


def join(context: CentreContext, name: str, *sites: str) -> JoinedDevice:
    """A device that has joined."""
    code = context.store.take_code(context.store.make_code(sites or (SITE,), name, "anna"))
    own, signing = X25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    request = JoinRequest(
        code="", device=name, request="", grant_keys=(b"g" * 32,),
        sealing_key=own.public_key().public_bytes_raw(), receipt_key=signing.public_key().public_bytes_raw(),
    )  # fmt: skip
    ends, fingerprint = context.clock.wall() + 30 * DAY, name.encode().ljust(32, b".")
    device = context.store.add_device(code, request, fingerprint, ends)
    context.store.device_by_fingerprint(fingerprint, Software("0.3.0", model_of(context)))
    return JoinedDevice(device, own, signing)


def sign(context: CentreContext, one: JoinedDevice, site: str = SITE) -> None:
    """The device signs the present set of a site."""
    now = context.store.site(site)
    facts = {"seq": now.seq, "digest": digest.to_hex(now.digest), "count": now.count, "at": 1000}
    receipt = Receipt.signed(one.signing, one.device.device, site, {**facts, "at": int(context.clock.wall() * 1000)})
    context.store.applied(one.device, site, receipt)


def propose(context: CentreContext, one: JoinedDevice, who: str, name: str, seed: int) -> None:
    """The device proposes a new person, with the face of this seed."""
    wrapped = context.store.epoch_key(SITE, one.device)
    epoch_key = sealing.unwrap_epoch(one.sealing.private_bytes_raw(), SITE, wrapped.epoch, wrapped.wrapped)
    facts = PersonFacts(id=who, name=name, version=1, model=model_of(context), mean=to_mean(embedding(seed)))
    person, key, body = sealing.new_person(), sealing.new_key(), packed(facts.model_dump(exclude_defaults=True))
    context.store.propose(
        one.device,
        SITE,
        Proposal(
            number=sealing.new_person(), person=person, seq=0, epoch=wrapped.epoch,
            key=sealing.wrap_key(epoch_key, SITE, wrapped.epoch, person, key),
            sealed=sealing.seal_proposal(key, SITE, person, 0, body),
        ),
    )  # fmt: skip


def fill(context: CentreContext) -> None:
    """Add a second site, people at both (two look alike), three devices, events and two proposals."""
    store, now, model = context.store, context.clock.wall(), model_of(context)
    store.add_site("annex", "anna")
    devices = {name: join(context, name, *sites) for name, sites in
               (("front", (SITE,)), ("garage", (SITE,)), ("lobby", ("annex", SITE)))}  # fmt: skip
    for number, (who, name, groups) in enumerate(PEOPLE):
        entry = Entry(
            id=who, name=name, groups=groups, embeddings={model: embedding(number)}, consent="2026-03-01",
            expires="2027-03-01" if number % 2 else None,
        )  # fmt: skip
        store.put(SITE, entry, "anna")
    sign(context, devices["garage"])
    store.put(SITE, Entry(id="alice-2", name="Alice M.", embeddings={model: embedding(0)}), "hr")
    store.put("annex", Entry(id="zoe", name="Zoe Brandt", embeddings={model: embedding(9)}), "anna")
    sign(context, devices["front"])
    propose(context, devices["front"], "felix", "Felix Haas", 20)
    propose(context, devices["garage"], "benny", "Benny A.", 1)
    with store._database.changing() as transaction:
        # They were enrolled before these events.
        transaction.execute("UPDATE people SET since = 0")
    rows = [audit_row(match(n, at=now - 240 * n, name="Alice Moreau", threshold=0.52)) for n in range(1, 60)]
    granted = {"v": 1, "event_type": "granted", "person": "carla", "name": "Carla Nowak", "door": "gate"}
    rows.append(audit_row({**granted, "captured_at": rfc3339(now)}, device="lobby", at=now - 30))
    store.add_events(rows)
