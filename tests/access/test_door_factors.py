"""From a sealed factor and a face to one grant, and everything that must not become one; the clock is the test's."""

import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.access.factor_messages import (
    CardFactor,
    CodeFactor,
    PassShown,
    PinFactor,
    ReaderFactor,
    SealingKey,
    ShownFactor,
    seal_factor,
)
from edgeface.access.issuer import GrantIssuer, IssuedGrant
from edgeface.access.levels import DoorLimits, LevelLimit
from edgeface.access.policy import AccessPolicy, Door
from edgeface.access.reports.limit import MAX_RESULTS_PER_MINUTE
from edgeface.access.second_factor import MAX_WAITING, SecondFactors
from edgeface.core.events import LIFETIME, SEND_WITHIN
from edgeface.core.types import ChallengeRequest, Claim, ExpectedPerson
from edgeface.gallery.gallery import Gallery
from edgeface.security import signing_keys
from edgeface.security.sealing_keys import SEALING, SealingKeys
from edgeface.security.signing_keys import Signer
from edgeface.security.vault import open_vault
from tests.access.test_second_factor import DURESS, MODEL, PIN, RIGHT, UID, WRONG, face
from tests.support.broker import until
from tests.support.clock import FixedClock

ONE = (LevelLimit("low", 0.3, 1), LevelLimit("normal", 0.4, 1), LevelLimit("high", 0.5, 1))
LIMITS = DoorLimits(1, ONE, ONE)
CODE = "40819273"


@dataclass
class Site:
    """A device with two doors at its porch, and what it has done."""

    folder: Path
    clock: FixedClock
    policies: list[AccessPolicy]
    expected: list[ExpectedPerson] = field(default_factory=list)
    visit: int = 0
    asked: list[ChallengeRequest] = field(default_factory=list)

    def __post_init__(self) -> None:
        vault = open_vault(self.folder)
        self.factors = SecondFactors(lambda: Gallery.open(self.folder, MODEL), self.clock)
        self.issuer = GrantIssuer(
            "front",
            "b007",
            self.clock,
            signer=Signer(self.folder, vault, self.clock),
            policy=lambda: self.policies[-1],
            synced=lambda: True,
            keys=SealingKeys(self.folder, vault, self.clock),
            factors=self.factors,
            expect=self.expected.append,
            challenge=self.asked.append,
        )
        self.issuer.reload()
        self.issuer.review()
        (record,) = signing_keys.read(self.folder, SEALING)
        self.key = SealingKey("front", record.kid, *signing_keys.public_keys([record]))
        self.rows: list[tuple[str, dict[str, Any]]] = []

    def nonce(self, door: str = "main") -> str:
        """A new nonce, which the door has published."""
        nonce = secrets.token_urlsafe(18)
        challenge = json.dumps({"nonce": nonce, "boot": "d00r", "reads": [1, 2]}).encode()
        assert self.issuer.on_message(door, "challenge", challenge, retained=False)
        return nonce

    def send(self, payload: bytes, door: str = "main", *, retained: bool = False) -> bool:
        return self.issuer.on_message(door, "factor", payload, retained=retained)

    def show(self, factor: ShownFactor, door: str = "main", nonce: str | None = None) -> None:
        """Have a door send a factor, and wait until it has been verified."""
        before = self.counted(door)
        assert self.send(seal_factor(factor, self.key, door, nonce or self.nonce(door)), door)
        until(lambda: self.review() or self.counted(door) > before)

    def review(self) -> bool:
        """Have the issuer review, and keep its rows; False, to be used in a condition."""
        self.issuer.review()
        self.rows += self.issuer.take_records()
        return False

    def counted(self, door: str = "main") -> int:
        facts = self.issuer.facts()[door]["factors"]
        return int(facts["right"] + sum(facts["refused"].values()))

    def look(self, person: str = "alice", score: float = 0.8, **changes: Any) -> IssuedGrant | None:
        """A face is compared with the person who is expected; gives the grant, if there is one."""
        expected = self.expected[-1] if "expected" not in changes else changes["expected"]
        kind = "none" if expected is None else expected.kind
        claim = Claim("porch", self.visit, self.clock.now, person, score, score, False, 4, 1, None, "measured", kind)
        self.issuer.claim(replace(claim, **{"expected": expected, **changes}))
        self.review()
        pending = self.issuer.first()
        grant = None if pending is None else self.issuer.grant(pending)
        self.rows += self.issuer.take_records()
        return grant

    def pass_by(self, person: str = "alice") -> IssuedGrant | None:
        """A face is matched among all people."""
        return self.look(person, expected=None)

    def reasons(self, kind: str) -> list[str]:
        return [facts["reason"] for name, facts in self.rows if name == kind]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [facts for name, facts in self.rows if name == kind]


def door(**changes: Any) -> Door:
    allow = [{"person": "alice"}, {"person": "bob"}]
    factor = ["pin", "code", "card", "pass", "reader"]
    return Door.model_validate({"camera": "porch", "allow": allow, "factor": factor, "cooldown": 0, **changes})


def policy(**changes: Any) -> AccessPolicy:
    doors = {"main": door(**changes), "side": door()}
    return AccessPolicy(doors, limits=dict.fromkeys(doors, LIMITS), readers=frozenset({"main"}))


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With keys, and two people and their factors; a code takes its time."""
    folder = tmp_path_factory.mktemp("data")
    vault = open_vault(folder)
    signing_keys.write(folder, signing_keys.new((), "first", vault, 0.0))
    signing_keys.write(folder, signing_keys.new((), "seal-1", vault, 0.0, SEALING), SEALING)
    with closing(Gallery.open(folder, MODEL)) as gallery:
        for seed, person in enumerate(("alice", "bob")):
            gallery.enroll(person, None, [face(seed)], 1.0)
        gallery.set_pin("alice", "1042", PIN, 1.0)
        gallery.set_code("alice", CODE, 1.0)
        gallery.add_card("bob", UID, 1.0)
    return folder


@pytest.fixture(name="site")
def _site(folder: Path, tmp_path: Path) -> Iterator[Site]:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    site = Site(tmp_path, FixedClock(1000.0), [policy()])
    site.factors.start()
    yield site
    site.factors.close()


@pytest.mark.parametrize(
    ("factor", "person"),
    [(RIGHT, "alice"), (CodeFactor(CODE), "alice"), (CardFactor(UID), "bob"), (ReaderFactor("bob"), "bob")],
)
def test_a_factor_and_the_face_of_its_person_open_once(site: Site, factor: ShownFactor, person: str) -> None:
    site.show(factor)
    assert site.expected == [ExpectedPerson(1, "main", "porch", person, factor.kind, 1010.0)]
    site.nonce()
    assert site.look(person) is not None
    assert site.of("granted")[0]["person"] == person
    # The factor is used up: the vision thread stops expecting the person, and another visit gets no grant from it.
    assert site.expected[-1].until < site.clock.now
    site.visit, site.expected[-1:] = 2, []
    site.nonce()
    assert site.look(person) is None
    assert site.issuer.facts()["main"]["factors"] == {"right": 1, "refused": {}}


def test_neither_the_factor_nor_the_face_opens_alone(site: Site) -> None:
    site.nonce()
    assert site.pass_by() is None
    site.clock.sleep(SEND_WITHIN + 0.1)
    site.review()
    assert site.reasons("refused") == ["factor", "factor"], "at each of the two doors"
    site.show(RIGHT)
    site.nonce()
    site.review()
    assert site.issuer.first() is None
    site.clock.sleep(10.0 + SEND_WITHIN + 0.1)
    site.review()
    assert site.of("factor") == [{"door": "main", "kind": "pin", "person": "alice", "reason": "expired"}]
    assert site.expected[-1].until < site.clock.now


def test_a_code_typed_while_someone_else_stands_before_the_camera_opens_nothing(site: Site) -> None:
    site.show(CodeFactor(CODE))
    site.nonce()
    assert site.look("alice", 0.29) is None
    assert site.pass_by("bob") is None
    site.clock.sleep(SEND_WITHIN + 0.1)
    site.review()
    assert [
        (one["person"], one["reason"], one.get("factor")) for one in site.of("refused") if one["door"] == "main"
    ] == [
        ("alice", "level", "code"),
        ("bob", "factor", None),
    ]
    assert not site.of("granted")


def test_a_factor_of_one_person_does_not_serve_another_door_or_another_person(site: Site) -> None:
    site.show(RIGHT)
    site.nonce("side")
    site.nonce()
    assert site.look("bob") is None
    assert site.look("alice", expected=replace(site.expected[-1], door="side")) is None
    assert site.look("alice", expected=replace(site.expected[-1], number=7)) is None
    grant = site.look("alice")
    assert grant is not None
    assert grant.door == "main"


def test_a_wrong_unknown_or_locked_factor_is_counted_and_recorded_but_not_told(site: Site) -> None:
    factors: list[ShownFactor] = [*[WRONG] * 5, RIGHT, PinFactor("7777", "4711"), CardFactor("04a2b3c4")]
    for factor in factors:
        site.show(factor)
    assert site.expected == []
    assert [(one["kind"], one["person"], one["reason"]) for one in site.of("factor")] == [
        *[("pin", "alice", "wrong")] * 5,
        ("pin", "alice", "locked"),
        ("pin", None, "unknown"),
        ("card", None, "unknown"),
    ]
    refused = {"wrong": 5, "locked": 1, "unknown": 2}
    assert site.issuer.facts()["main"]["factors"] == {"right": 0, "refused": refused}
    assert "4711" not in str(site.rows) + str(site.issuer.facts())


def test_only_ten_refused_factors_a_minute_are_recorded_and_every_duress_is(site: Site) -> None:
    for n in range(MAX_RESULTS_PER_MINUTE + 5):
        site.show(CardFactor(f"04a2b3{n:02x}"))
    assert len(site.of("factor")) == MAX_RESULTS_PER_MINUTE
    assert site.issuer.facts()["main"]["factors"]["refused"] == {"unknown": 10, "paused": 5}
    site.clock.sleep(3600.0)
    site.show(DURESS)
    assert site.of("duress") == [{"door": "main", "person": "alice"}]


def test_a_duress_pin_opens_as_the_pin_does_and_only_its_own_row_shows_it(site: Site) -> None:
    seen = []
    for factor in (RIGHT, DURESS):
        site.rows.clear()
        site.show(factor)
        site.nonce()
        site.visit += 1
        assert site.look("alice") is not None
        duress, rest = site.of("duress"), [row for row in site.rows if row[0] != "duress"]
        for _, facts in rest:
            facts["visit"] = facts["grant_seq"] = 0
        state = site.issuer.facts()["main"]["factors"]
        seen.append((rest, state["refused"]))
        assert bool(duress) == (factor is DURESS)
    assert seen[0] == seen[1]


REPLAYS = ("replayed", "old", "foreign nonce", "retained", "another door's", "another device's", "another key's")


@pytest.mark.parametrize("way", REPLAYS)
def test_a_message_that_is_not_fresh_or_not_for_this_door_names_no_one(site: Site, way: str) -> None:
    nonce = site.nonce()
    key = site.key
    if way == "foreign nonce":
        nonce = secrets.token_urlsafe(18)
    if way == "another device's":
        key = key._replace(device="yard")
    if way == "another key's":
        key = key._replace(kid="seal-0")
    payload = seal_factor(RIGHT, key, "side" if way == "another door's" else "main", nonce)
    if way == "old":
        site.clock.sleep(LIFETIME + 0.1)
    if way == "replayed":
        assert site.send(payload)
        until(lambda: site.review() or site.expected)
    before = list(site.expected)
    taken = site.send(payload, retained=way == "retained")
    assert taken == (way in {"another door's", "another device's", "another key's"})
    site.review()
    assert site.expected == before
    refused = {"another door's": {"sealed": 1}, "another key's": {"sealed": 1}}.get(way, {})
    assert site.issuer.facts()["main"]["factors"]["refused"] == refused


@settings(max_examples=60)
@given(st.binary(max_size=1200))
def test_garbage_raises_nothing_and_is_ignored(payload: bytes) -> None:
    issuer = GrantIssuer("front", "b007", FixedClock(), policy=policy)
    issuer.reload()
    assert not issuer.on_message("main", "factor", payload, retained=False)
    issuer.review()
    assert issuer.facts()["main"]["factors"] == {"right": 0, "refused": {}}


def test_a_kind_that_the_door_does_not_take_is_not_verified(site: Site) -> None:
    site.policies.append(policy(factor="card"))
    site.issuer.reload()
    for _ in range(7):
        site.show(WRONG)
    assert site.issuer.facts()["main"]["factors"]["refused"] == {"kind": 7}
    with closing(Gallery.open(site.folder, MODEL)) as gallery:
        assert gallery.all_attempts() == {}
    site.show(ReaderFactor("alice"), "side")
    assert site.issuer.facts()["side"]["factors"]["refused"] == {"kind": 1}, "readers does not list this door"
    assert site.issuer.on_message("main", "factor", b"{}", retained=False) is False


def test_a_second_factor_replaces_the_first_and_the_first_opens_nothing_any_more(site: Site) -> None:
    site.show(RIGHT)
    first = site.expected[-1]
    site.show(CardFactor(UID))
    assert site.reasons("factor") == ["replaced"]
    site.nonce()
    assert site.look("alice", expected=first) is None
    assert site.look("bob") is not None


def test_a_grant_that_was_not_delivered_gives_the_factor_back(site: Site) -> None:
    site.show(RIGHT)
    expected = site.expected[-1]
    site.nonce()
    grant = site.look("alice")
    assert grant is not None
    site.issuer.take_back([grant.id])
    assert site.expected[-1] == expected
    site.nonce()
    assert site.look("alice") is not None
    assert site.look("alice", expected=expected) is None


def test_a_pass_that_stays_in_view_is_shown_once(site: Site) -> None:
    shown = PassShown(None, "porch", "bob", "p1", site.clock.now)
    site.issuer.show_pass(shown)
    until(lambda: site.review() or len(site.expected) == 2)
    assert {(one.door, one.person, one.kind) for one in site.expected} == {
        ("main", "bob", "pass"),
        ("side", "bob", "pass"),
    }
    for _ in range(60):
        site.clock.sleep(0.3)
        site.issuer.show_pass(replace(shown, monotonic=site.clock.now))
        site.review()
    site.issuer.show_pass(replace(shown, camera="yard", id="p2"))
    site.review()
    assert site.issuer.facts()["main"]["factors"] == {"right": 1, "refused": {"expired": 1}}
    site.issuer.show_pass(PassShown("side", "porch", "carol", "p3", site.clock.now))
    until(lambda: site.review() or site.issuer.facts()["side"]["factors"]["refused"].get("unknown"))


def test_more_factors_than_can_be_verified_are_refused_and_nothing_waits(site: Site) -> None:
    site.factors.close()
    for _ in range(MAX_WAITING + 3):
        assert site.send(seal_factor(RIGHT, site.key, "main", site.nonce()))
    site.review()
    assert site.issuer.facts()["main"]["factors"]["refused"] == {"busy": 3}
    # A pass is still in view once there is room.
    shown = PassShown("side", "porch", "bob", "p1", site.clock.now)
    for _ in range(2):
        site.issuer.show_pass(shown)
        site.review()
    assert site.issuer.facts()["side"]["factors"]["refused"] == {"busy": 2}


def test_a_door_that_needs_a_factor_names_what_is_missing(site: Site, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert "main" not in site.issuer.problems
    bare = tmp_path_factory.mktemp("bare")
    signing_keys.write(bare, signing_keys.new((), "first", open_vault(bare), 0.0))
    keys = SealingKeys(bare, open_vault(bare), site.clock)
    signer = Signer(bare, open_vault(bare), site.clock)
    issuer = GrantIssuer("front", "b", site.clock, signer=signer, policy=policy, keys=keys, factors=site.factors)
    issuer.reload()
    issuer.review()
    assert issuer.problems["main"] == "no sealing key (edgeface keys new --seal)"
    assert issuer.factor_doors == ["main", "side"]
