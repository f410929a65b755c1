"""A centre's store with its keyring, and people to put into it."""

from __future__ import annotations

import secrets
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from edgeface.centre.keys.keyring import Keyring, Mark
from edgeface.centre.records import Entry, JoinCode
from edgeface.centre.store import Store
from edgeface.fleet import digest, sealing, signed_policy
from edgeface.fleet.facts import PersonFacts, to_mean, verify
from edgeface.fleet.messages import JoinRequest, Proposal, Receipt, Rows
from edgeface.fleet.packing import packed
from tests.support.clock import FixedClock

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from edgeface.access.site_policy import SitePolicy
    from edgeface.centre.records import Device
    from edgeface.core.types import Embedding

MODEL = "mobile:0123abcd"
OTHER_MODEL = "large:89abcdef"
SITE = "house"
NOW = 1_796_000_000.0


def embedding(seed: int, size: int = 192) -> Embedding:
    """A unit vector."""
    raw = np.random.default_rng(seed).standard_normal(size).astype(np.float32)
    unit: Embedding = raw / np.float32(np.linalg.norm(raw))
    return unit


def entry(number: int, **facts: Any) -> Entry:
    """Person number `number` of the tests."""
    given = {"id": f"person-{number}", "name": f"Person {number}", "embeddings": {MODEL: embedding(number)}}
    return Entry(**{**given, **facts})


class Centre:
    """A store that can be closed and opened again, as a process that ends and starts."""

    def __init__(self, conninfo: str, folders: tuple[Path, Path], clock: FixedClock) -> None:
        self.conninfo, self.folders, self.clock = conninfo, folders, clock
        self.keyring = Keyring(*folders)
        self.store = Store(conninfo, self.keyring, clock)

    @classmethod
    def make(cls, conninfo: str, folder: Path) -> Centre:
        """A new centre with one site."""
        folders = folder / "first", folder / "second"
        Keyring.create(*folders)
        made = cls(conninfo, folders, FixedClock(epoch=NOW))
        made.store.migrate()
        made.store.add_site(SITE)
        return made

    def reopened(self) -> Centre:
        """The same centre after its process has ended; `migrate` has not been called yet."""
        self.close()
        return Centre(self.conninfo, self.folders, self.clock)

    def close(self) -> None:
        """As at the end of the process."""
        self.store.close()
        self.keyring.close()

    def __enter__(self) -> Centre:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def person(self, person_id: str) -> bytes:
        """The number of a person."""
        return next(one.person for one in self.store.people(SITE) if one.id == person_id)

    def joined(self, name: str = "door-1") -> TestDevice:
        """A device that follows the site."""
        made = TestDevice(self, name)
        request = JoinRequest(
            code="",
            device=name,
            request="",
            sealing_key=made.sealing.public_key().public_bytes_raw(),
            receipt_key=made.signing.public_key().public_bytes_raw(),
        )
        fingerprint = name.encode().ljust(32, b".")
        made.device = self.store.add_device(JoinCode(name, (SITE,)), request, fingerprint, NOW + 1)
        return made


@dataclass(eq=False)
class TestDevice:
    """What a device makes of the centre's rows, in as few lines as possible."""

    __test__ = False

    centre: Centre
    name: str
    sealing: X25519PrivateKey = field(default_factory=X25519PrivateKey.generate)
    signing: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    seq: int = 0
    people: dict[bytes, tuple[int, PersonFacts | None]] = field(default_factory=dict)
    last: Rows | None = None
    version: int = 0
    policy: SitePolicy | None = None
    device: Device = field(init=False)

    def follow(self, model: str = MODEL) -> None:
        """Apply all there is."""
        while True:
            body = self.centre.store.changes_body(SITE, model, self.name, self.seq)
            if body is None:
                body = self.centre.store.snapshot_body(SITE, model, self.name)
                self.people.clear()
            rows = Rows.read(body)
            self.apply(rows, model)
            if not rows.more:
                return

    def apply(self, rows: Rows, model: str = MODEL) -> None:
        """Apply one answer; every row must open, and the digest must fit."""
        wrapped = self.centre.store.epoch_key(SITE, self.device)
        epoch_key = sealing.unwrap_epoch(self.sealing.private_bytes_raw(), SITE, wrapped.epoch, wrapped.wrapped)
        for row in rows.rows:
            if row.key is None:
                self.people.pop(row.person, None)
                continue
            facts = None
            if row.sealed is not None:
                key = sealing.unwrap_key(epoch_key, SITE, rows.epoch, row.person, row.key)
                signed = sealing.open_row(key, SITE, row.person, row.seq, model, row.sealed)
                public = self.centre.keyring.enrolling.key(SITE).public_key()
                facts = verify(SITE, row.person, signed, public)
            self.people[row.person] = row.seq, facts
        if rows.policy is not None:
            self.version, sealed = rows.policy.version, rows.policy.sealed
            signed = sealing.open_policy(epoch_key, SITE, rows.epoch, self.version, sealed)
            public = self.centre.keyring.enrolling.key(SITE).public_key()
            self.policy = signed_policy.verify(SITE, self.version, signed, public)
        self.seq, self.last = rows.seq, rows
        if not rows.more:
            assert (rows.digest, rows.count) == (digest.to_hex(self.digest), len(self.people))

    @property
    def digest(self) -> int:
        """Of what it has."""
        people = digest.of(SITE, ((person, seq) for person, (seq, _) in self.people.items()))
        return digest.changed(people, added=[signed_policy.entry(SITE, self.version)])

    @property
    def ids(self) -> set[str]:
        """The ids of the people that it can match."""
        return {facts.id for _, facts in self.people.values() if facts is not None}

    def receipt(self, **other: Any) -> Receipt:
        """What it signs now."""
        facts = {
            "seq": self.seq, "digest": digest.to_hex(self.digest), "count": len(self.people), "at": 1,
            "policy": self.version, **other,
        }  # fmt: skip
        return Receipt.signed(self.signing, self.name, SITE, facts)


def proposal(device: TestDevice, person: bytes, seq: int, **facts: Any) -> Proposal:
    """What a device proposes about a person."""
    given = {"id": "carla", "name": "Carla", "version": 1, "model": MODEL, "mean": to_mean(embedding(50)), **facts}
    wrapped = device.centre.store.epoch_key(SITE, device.device)
    epoch_key = sealing.unwrap_epoch(device.sealing.private_bytes_raw(), SITE, wrapped.epoch, wrapped.wrapped)
    key, body = sealing.new_key(), packed(PersonFacts(**given).model_dump(exclude_defaults=True))
    return Proposal(
        number=secrets.token_bytes(16),
        person=person,
        seq=seq,
        key=sealing.wrap_key(epoch_key, SITE, wrapped.epoch, person, key),
        epoch=wrapped.epoch,
        sealed=sealing.seal_proposal(key, SITE, person, seq, body),
    )


class PowerCutError(Exception):
    """Stands for the end of the process."""


class CutKeyring(Keyring):
    """Ends the process right after the next write, before the database commits."""

    def add(self, site: str, keys: Mapping[bytes, bytes], mark: Mark | None = None) -> None:
        super().add(site, keys, mark)
        raise PowerCutError

    def destroy(self, subjects: Collection[bytes], mark: Mark | None = None) -> None:
        super().destroy(subjects, mark)
        raise PowerCutError


@contextmanager
def cut(centre: Centre) -> Iterator[Store]:
    """A store whose process ends between its write to the keyring and the commit."""
    with (
        closing(CutKeyring(*centre.folders)) as keyring,
        closing(Store(centre.conninfo, keyring)) as store,
        pytest.raises(PowerCutError),
    ):
        yield store
