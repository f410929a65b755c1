"""Decides for each door whether it is to open, and makes the grants; it belongs to the publisher's thread."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from edgeface.access.door_state import DoorState
from edgeface.access.policy import AccessPolicy, DoorContext, check, never_open
from edgeface.access.protocol import DoorTopics, Stamp, payload, read_result
from edgeface.core.clock import synchronised
from edgeface.core.events import LIFETIME, SAYABLE
from edgeface.security.signing_keys import sign

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from edgeface.access.door_state import Visit
    from edgeface.access.policy import Refusal
    from edgeface.access.protocol import DoorResult
    from edgeface.core.clock import Clock
    from edgeface.core.types import Claim
    from edgeface.security.signing_keys import Signer

# Claims come with frames: this is more than a second of four cameras.
_CLAIMS = 256
# Grants of which a result may still come.
_GRANTS = 64

Key = tuple[str, "Visit"]
"""A door, and who stands before it."""
Note = tuple[str, dict[str, Any]]
"""Kind and facts of a row of the journal."""


class IssuedGrant(NamedTuple):
    """What is to be published."""

    id: str
    topic: str
    envelope: bytes
    expiry: int
    """Seconds that the broker may hold it."""
    until: float
    """Monotonic seconds by which the broker must have answered."""


@dataclass(frozen=True, slots=True)
class PendingClaim:
    """A claim that may still open a door."""

    at: float
    """When it came in, monotonic seconds."""
    door: str
    claim: Claim
    reason: Refusal | None = "stale"
    """Why it has not opened it yet."""

    @property
    def visit(self) -> Visit:
        """Whose claim it is."""
        return self.claim.camera, self.claim.visit, self.claim.person

    @property
    def key(self) -> Key:
        """What a newer claim of the same visit takes the place of."""
        return self.door, self.visit


class GrantIssuer:
    """Waits with each claim for what its doors still lack, until it is too old; a visit is let in once a door.

    `claim` and `go_by` may be called by any thread; the rest belongs to the publisher's.
    """

    def __init__(
        self,
        prefix: str,
        device: str,
        boot: str,
        clock: Clock,
        *,
        signer: Signer | None = None,
        policy: AccessPolicy | None = None,
        synced: Callable[[], bool] = synchronised,
    ) -> None:
        self._topics = partial(DoorTopics, prefix)
        self._device = device
        self._boot = boot
        self._clock = clock
        self._signer = signer
        self._synced = synced
        self._policy = self._wanted = policy or AccessPolicy()
        self._claims: deque[tuple[float, Claim]] = deque(maxlen=_CLAIMS)
        self._posts: dict[str, DoorState] = {}
        self._waiting: dict[Key, PendingClaim] = {}
        self._sent: OrderedDict[int, PendingClaim] = OrderedDict()
        self._notes: list[Note] = []
        self._seq = 0
        self._take_up()

    def claim(self, claim: Claim) -> bool:
        """Have a claim considered; False when no door is at its camera. Returns at once."""
        asked = any(door.camera == claim.camera for door in self._policy.doors.values())
        if asked:
            self._claims.append((self._clock.monotonic(), claim))
        return asked

    def apply(self, policy: AccessPolicy) -> None:
        """Go by other doors from the next look on."""
        self._wanted = policy

    def changed(self) -> bool:
        """Take up other doors, if there are; True says that `subscriptions` are others now."""
        if self._wanted is self._policy:
            return False
        self._policy = self._wanted
        self._take_up()
        return True

    def subscriptions(self) -> list[str]:
        """The topics on which doors speak."""
        doors = [self._topics(name) for name in self._policy.doors]
        return [topic for door in doors for topic in (door.challenge, door.result)]

    def on_message(self, topic: str, text: bytes, *, retained: bool) -> bool:
        """Take in what a door says; False when it is of no use, or no door says it."""
        name, kind = self._said_by.get(topic, ("", ""))
        if not name:
            # The broker still sends what a door says that the configuration has no more.
            return topic.startswith(self._topics("").root)
        if retained:
            return False
        if kind == "challenge":
            return self._posts[name].nonces.on_message(text, self._clock.monotonic())
        result = read_result(text, name)
        if result is None:
            return False
        if result.device in {None, self._device}:
            self._judged(name, result)
        return True

    def review(self) -> None:
        """Look at all that waits: let go of what is too old, and of what has been let in."""
        if self._signer is not None and self._policy.doors:
            self._signer.refresh()
        while self._claims:
            at, claim = self._claims.popleft()
            for name, door in self._policy.doors.items():
                if door.camera == claim.camera:
                    waiting = PendingClaim(at, name, claim)
                    self._waiting[waiting.key] = waiting
        for waiting in list(self._waiting.values()):
            self._look(waiting)

    def first(self) -> PendingClaim | None:
        """The oldest claim that opens a door, if one does; `consider` comes before it."""
        return next((one for one in self._waiting.values() if one.reason is None), None)

    def grant(self, waiting: PendingClaim) -> IssuedGrant | None:
        """Sign and write down a grant, which is to be published at once; None when it may not be any more."""
        waiting = self._look(waiting)
        if waiting.reason is not None or self._signer is None or self._signer.key is None:
            return None
        claim, key, now = waiting.claim, self._signer.key, self._clock.monotonic()
        post = self._posts[waiting.door]
        self._seq += 1
        age_ms = round((now - claim.monotonic) * 1000)
        stamp = Stamp(waiting.door, self._device, self._boot, self._seq, post.nonces.take(), age_ms)
        envelope = sign(payload(stamp, claim), key.kid, key.private)
        del self._waiting[waiting.key]
        self._sent[self._seq] = waiting
        if len(self._sent) > _GRANTS:
            self._sent.popitem(last=False)
        post.let_in(waiting.visit, now)
        self._notes.append(("granted", _granted(stamp, claim)))
        left = max(1, int(LIFETIME - (now - claim.monotonic)))
        until = claim.monotonic + LIFETIME
        return IssuedGrant(f"{waiting.door}#{self._seq}", self._topics(waiting.door).grant, envelope, left, until)

    def unsent(self, ids: Iterable[str]) -> None:
        """Take back grants of which nobody knows whether the broker has them: each visit may be let in again."""
        now = self._clock.monotonic()
        for id_ in ids:
            waiting = self._sent.get(int(id_.rpartition("#")[2]))
            if waiting is None:
                continue
            self._posts[waiting.door].take_back(waiting.visit)
            if now - waiting.claim.monotonic <= SAYABLE:
                # A newer claim of the same visit goes before.
                self._waiting.setdefault(waiting.key, replace(waiting, at=now, reason="stale"))

    def notes(self) -> list[Note]:
        """Give the rows for the journal that have come up since the last call."""
        notes, self._notes = self._notes, []
        return notes

    @property
    def problems(self) -> dict[str, str]:
        """Why a door cannot open for anybody, by door."""
        missing = "no signing key (edgeface keys new)" if self._signer is None else self._signer.problem
        problems = dict.fromkeys(self._policy.doors, missing) if missing is not None else {}
        return {**problems, **never_open(self._policy)}

    def lines(self) -> list[str]:
        """The problems, one line each."""
        return [f"door {name}: {problem}" for name, problem in self.problems.items()]

    def facts(self) -> dict[str, Any]:
        """What the state says of each door; docs/events.md names the keys."""
        now, problems = self._clock.monotonic(), self.problems
        return {name: self._posts[name].facts(now, problems.get(name)) for name in self._policy.doors}

    def _take_up(self) -> None:
        self._said_by: dict[str, tuple[str, str]] = {}
        for name in self._policy.doors:
            self._posts.setdefault(name, DoorState())
            topics = self._topics(name)
            self._said_by.update({topics.challenge: (name, "challenge"), topics.result: (name, "result")})

    def _look(self, waiting: PendingClaim) -> PendingClaim:
        """Decide on one claim as things stand."""
        post, door, claim = self._posts[waiting.door], self._policy.doors.get(waiting.door), waiting.claim
        if door is None or door.camera != claim.camera:
            del self._waiting[waiting.key]
            return replace(waiting, reason="person")
        reason = check(self._policy, door, claim, self._now(post, waiting))
        if reason == "known":
            del self._waiting[waiting.key]
        elif self._clock.monotonic() - claim.monotonic > SAYABLE:
            # What has kept it from the door for so long says more than that it is too old now.
            del self._waiting[waiting.key]
            self._refuse(post, waiting, waiting.reason or "stale")
        else:
            self._waiting[waiting.key] = waiting = replace(waiting, reason=reason)
            return waiting
        return replace(waiting, reason="stale")

    def _now(self, post: DoorState, waiting: PendingClaim) -> DoorContext:
        now = self._clock.monotonic()
        return DoorContext(
            monotonic=now,
            wall=self._clock.wall(),
            synced=self._synced(),
            key=self._signer is not None and self._signer.key is not None,
            nonce=post.nonces.fresh(now),
            known=waiting.visit in post.visits,
            opened=post.opened_at.get(waiting.claim.person),
        )

    def _refuse(self, post: DoorState, waiting: PendingClaim, reason: Refusal) -> None:
        if post.refuse(waiting.visit, reason):
            facts = {"door": waiting.door, "person": waiting.claim.person, "reason": reason}
            self._notes.append(("refused", facts))

    def _judged(self, name: str, result: DoorResult) -> None:
        """Note what a door made of a grant; a visit that it turned away may try again after the cooldown."""
        post = self._posts[name]
        ours = self._sent.get(result.seq or 0) if result.boot == self._boot else None
        waiting = ours if ours is not None and ours.door == name else None
        if waiting is not None and not result.accepted:
            post.visits.pop(waiting.visit, None)
        if post.judged(self._clock.monotonic(), accepted=result.accepted):
            person = waiting.claim.person if waiting is not None else None
            facts = {"door": name, "person": person, "grant_seq": result.seq}
            self._notes.append(
                ("opened", facts) if result.accepted else ("rejected", {**facts, "reason": result.reason})
            )


def _granted(stamp: Stamp, claim: Claim) -> dict[str, Any]:
    return {
        "door": stamp.door,
        "person": claim.person,
        "visit": claim.visit,
        "grant_seq": stamp.seq,
        "score": round(claim.score, 4),
        "level": claim.level,
        "age_ms": stamp.age_ms,
    }
