"""Decides for each door whether it may open, and signs the grants."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from edgeface.access.challenges import CHALLENGE_SECONDS, Challenges
from edgeface.access.door_factors import DoorFactors
from edgeface.access.door_state import DoorState
from edgeface.access.liveness import required_checks
from edgeface.access.policy import (
    AccessPolicy,
    DoorContext,
    check,
    kinds_of,
    required_level,
    unguaranteed,
)
from edgeface.access.protocol import GrantStamp, payload
from edgeface.access.reports.desk import DoorReports
from edgeface.core.clock import synchronised
from edgeface.core.events import LIFETIME, SEND_WITHIN
from edgeface.security.signing_keys import sign

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from edgeface.access.door_state import VisitKey
    from edgeface.access.factor_messages import PassShown
    from edgeface.access.policy import Refusal
    from edgeface.access.reports.desk import ProvenResult
    from edgeface.access.second_factor import SecondFactors
    from edgeface.core.clock import Clock
    from edgeface.core.types import ChallengeReport, ChallengeRequest, Claim, ExpectedPerson, GrantFactor
    from edgeface.security.sealing_keys import SealingKeys
    from edgeface.security.signing_keys import Signer

# Claims come with frames: this is more than a second of four cameras.
_MAX_CLAIMS = 256
_MAX_PASSES = 16
# Grants that a result may still refer to.
_MAX_GRANTS = 64

ClaimKey = tuple[str, "VisitKey", "ExpectedPerson | None"]
"""A door, a visit in front of it, and who is expected there if the claim is about them."""
Record = tuple[str, dict[str, Any]]
"""Kind and facts of a row of the journal."""


class IssuedGrant(NamedTuple):
    """A grant to be published."""

    id: str
    door: str
    envelope: bytes
    expiry: int
    """Seconds for which the broker may hold it."""
    until: float
    """Monotonic seconds by which the broker must have answered."""


@dataclass(frozen=True, slots=True)
class PendingClaim:
    """A claim that may still open a door."""

    at: float
    """When it arrived, in monotonic seconds."""
    door: str
    claim: Claim
    reason: Refusal | None = "stale"
    """Why it has not opened the door yet."""
    nonce: str = ""
    """The nonce of its grant, once there is one."""
    opened: bool = False
    """Whether the door has proven that the grant opened it."""

    @property
    def visit(self) -> VisitKey:
        """The visit that it belongs to."""
        return self.claim.camera, self.claim.visit, self.claim.person

    @property
    def key(self) -> ClaimKey:
        """A newer claim with the same key replaces it."""
        return self.door, self.visit, self.claim.expected


class GrantIssuer:
    """Holds each claim until its doors may open or it is too old; a visit gets one grant per door.

    Any thread may call `claim`, `report` and `show_pass`; everything else, `policy` included, belongs to the
    publisher's thread.
    """

    def __init__(
        self,
        device: str,
        boot: str,
        clock: Clock,
        *,
        signer: Signer | None = None,
        policy: Callable[[], AccessPolicy] = AccessPolicy,
        synced: Callable[[], bool] = synchronised,
        keys: SealingKeys | None = None,
        factors: SecondFactors | None = None,
        expect: Callable[[ExpectedPerson], None] = lambda _: None,
        challenge: Callable[[ChallengeRequest], None] = lambda _: None,
        alarms: Iterable[Record] = (),
    ) -> None:
        """`keys` open the second factors that doors seal; `expect` gets everyone that one of them names.

        `challenge` gets the head turns that a door asks for; `alarms` are those that an earlier run has recorded.
        """
        self._device = device
        self._boot = boot
        self._clock = clock
        self._signer = signer
        self._synced = synced
        self._current_policy = policy
        self._policy = AccessPolicy()
        self._claims: deque[tuple[float, Claim]] = deque(maxlen=_MAX_CLAIMS)
        self._states: dict[str, DoorState] = {}
        self._pending: dict[ClaimKey, PendingClaim] = {}
        self._granted: OrderedDict[int, PendingClaim] = OrderedDict()
        self._alarms = tuple(alarms)
        self._records: list[Record] = []
        self._seq = 0
        self._factors = DoorFactors(device, clock, keys, factors, expect)
        self._passes: deque[PassShown] = deque(maxlen=_MAX_PASSES)
        self._challenges = Challenges(clock, challenge)
        self._reports: deque[ChallengeReport] = deque(maxlen=_MAX_CLAIMS)

    @property
    def doors(self) -> list[str]:
        """The names of the doors."""
        return list(self._policy.doors)

    @property
    def factor_doors(self) -> list[str]:
        """The names of the doors that take second factors."""
        return [name for name, door in self._policy.doors.items() if kinds_of(door)]

    def claim(self, claim: Claim) -> bool:
        """Queue a claim for review; False if no door is at its camera. Returns at once."""
        wanted = any(door.camera == claim.camera for door in self._policy.doors.values())
        if wanted:
            self._claims.append((self._clock.monotonic(), claim))
        return wanted

    def show_pass(self, shown: PassShown) -> None:
        """Queue a valid pass that a camera has read. Returns at once."""
        self._passes.append(shown)

    def report(self, report: ChallengeReport) -> None:
        """Queue what has become of a challenge. Returns at once."""
        self._reports.append(report)

    def reload(self) -> bool:
        """Apply the policy as it is now; True if it has changed. To be called before anything else."""
        policy = self._current_policy()
        if policy == self._policy:
            return False
        self._policy = policy
        for name in policy.doors:
            if name not in self._states:
                reports = DoorReports(name, self._device, self._boot, self._clock)
                self._states[name] = DoorState(reports)
                reports.remember(self._alarms)
        return True

    def on_message(self, door: str, kind: str, text: bytes, *, retained: bool) -> bool:
        """Process a door's `challenge`, `result`, `state` or `factor`; False if it is of no use."""
        if door not in self._policy.doors or kind not in {"challenge", "result", "factor", "state"}:
            return True  # the broker still delivers messages of doors that are no longer configured
        if retained:
            return False
        state = self._states[door]
        if kind == "challenge":
            return state.nonces.on_message(text, self._clock.monotonic())
        if kind == "factor":
            return self._factors.on_message(self._policy, door, state, text)
        key = self._policy.doors[door].key_of_results
        if kind == "state":
            records = state.reports.on_state(text, key, state.nonces)
            self._records += records or ()
            return records is not None
        report = state.reports.on_result(text, key, state.nonces, lambda seq: self._nonce_of(door, seq))
        if report is not None and report.result.device in {None, self._device}:
            self._on_result(door, report)
        return report is not None

    def _nonce_of(self, door: str, seq: int) -> str | None:
        """The nonce of a grant of this run for a door."""
        found = self._granted.get(seq)
        return None if found is None or found.door != door else found.nonce

    def review(self) -> None:
        """Decide on all claims; drop those that are too old or whose visit has been granted."""
        if self._signer is not None and self._policy.doors:
            self._signer.refresh()
        self._review_factors()
        while self._reports:
            self._on_report(self._reports.popleft())
        while self._claims:
            at, claim = self._claims.popleft()
            for name, door in self._policy.doors.items():
                if door.camera == claim.camera and (claim.expected is None or claim.expected.door == name):
                    pending = PendingClaim(at, name, claim)
                    self._pending[pending.key] = pending
        for pending in list(self._pending.values()):
            self._decide(pending)

    def _review_factors(self) -> None:
        while self._passes:
            shown = self._passes.popleft()
            for name, door in self._policy.doors.items():
                if door.camera == shown.camera and shown.door in {None, name}:
                    self._factors.on_pass(self._policy, name, self._states[name], shown)
        self._factors.review(self._policy, self._states)

    def first(self) -> PendingClaim | None:
        """The oldest claim that opens a door, as of the last `review`."""
        return next((pending for pending in self._pending.values() if pending.reason is None), None)

    def grant(self, pending: PendingClaim) -> IssuedGrant | None:
        """Sign a grant, to be published at once; None if the door may no longer open."""
        pending = self._decide(pending)
        if pending.reason is not None or self._signer is None or self._signer.key is None:
            return None
        claim, key, now = self._stated(pending), self._signer.key, self._clock.monotonic()
        state = self._states[pending.door]
        self._seq += 1
        age = now - claim.monotonic
        nonce, age_ms, version = state.nonces.take(), round(age * 1000), state.nonces.version
        stamp = GrantStamp(pending.door, self._device, self._boot, self._seq, nonce, age_ms, version)
        envelope = sign(payload(stamp, claim), key.kid, key.private)
        del self._pending[pending.key]
        self._granted[self._seq] = replace(pending, nonce=nonce)
        if len(self._granted) > _MAX_GRANTS:
            self._granted.popitem(last=False)
        state.grant(pending.visit, now, self._clock.wall())
        if claim.expected is not None:
            self._factors.use_up(state)
        self._records.append(("granted", _granted(stamp, claim)))
        id_ = f"{pending.door}#{self._seq}"
        return IssuedGrant(id_, pending.door, envelope, max(1, int(LIFETIME - age)), claim.monotonic + LIFETIME)

    def take_back(self, ids: Iterable[str]) -> None:
        """Take back grants that the broker may not have: each visit may get another one."""
        now = self._clock.monotonic()
        for id_ in ids:
            pending = self._granted.get(int(id_.rpartition("#")[2]))
            if pending is None:
                continue
            state = self._states[pending.door]
            state.take_back(pending.visit)
            if pending.claim.expected is not None:
                self._factors.give_back(state, pending.claim.expected)
            if now - pending.claim.monotonic <= SEND_WITHIN:
                # A newer claim of the same visit has priority.
                self._pending.setdefault(pending.key, replace(pending, at=now, reason="stale"))

    def take_records(self) -> list[Record]:
        """The rows for the journal since the last call."""
        records, self._records = [*self._factors.take_records(), *self._records], []
        return records

    @property
    def problems(self) -> dict[str, str]:
        """Why a door cannot open for anyone, or for a person with a stricter level, by door."""
        missing = "no signing key (edgeface keys new)" if self._signer is None else self._signer.problem
        problems = dict.fromkeys(self._policy.doors, missing) if missing is not None else {}
        factors = {name: self._factors.problem(self._policy, name) for name in self._policy.doors}
        sealing = {name: problem for name, problem in factors.items() if problem is not None}
        return {**unguaranteed(self._policy), **sealing, **problems}

    def lines(self) -> list[str]:
        """The problems, and reports that do not count, one line each."""
        reports = [(name, self._states[name].reports.problem) for name in self._policy.doors]
        return [f"door {name}: {text}" for name, text in (*self.problems.items(), *reports) if text is not None]

    def facts(self) -> dict[str, Any]:
        """The doors in the state message; docs/events.md names the keys."""
        now, problems, policy = self._clock.monotonic(), self.problems, self._policy
        limits = {name: policy.limits_of(name) for name in policy.doors}
        return {
            name: self._states[name].facts(now, problems.get(name), limits[name].people, limits[name].of(door.level))
            for name, door in policy.doors.items()
        }

    def _decide(self, pending: PendingClaim) -> PendingClaim:
        """The claim with the decision as of now; it stays pending only if it may still open the door."""
        state, door, claim = self._states[pending.door], self._policy.doors.get(pending.door), pending.claim
        if door is None or door.camera != claim.camera:
            del self._pending[pending.key]
            return replace(pending, reason="person")
        now = self._context(state, pending)
        required = required_level(self._policy, door, claim.person, now)
        claim = self._policy.limits_of(pending.door).judged(claim, required)
        pending = replace(pending, claim=claim)
        reason = check(self._policy, door, claim, now)
        # With someone else in view, also where the door allows that, the turns would fail at once.
        alone = claim.faces_in_view == 1
        if reason == "liveness" and alone and check(self._policy, door, _turned(claim), now) is None:
            self._ask(state, claim)
        if reason == "known" or (reason == "factor" and now.known):
            del self._pending[pending.key]
        elif self._clock.monotonic() - claim.monotonic > SEND_WITHIN:
            del self._pending[pending.key]
            # Whoever is asked for head turns is not refused yet. What kept the door shut tells more than "stale".
            if not self._challenges.asks(pending.visit):
                self._refuse(pending.door, pending.visit, pending.reason or "stale", claim.factor)
        else:
            self._pending[pending.key] = pending = replace(pending, reason=reason)
            return pending
        return replace(pending, reason="stale")

    def _stated(self, pending: PendingClaim) -> Claim:
        """The claim as a grant states it: a door without liveness requires no check, so none is stated."""
        door = self._policy.doors[pending.door]
        return replace(pending.claim, passed="off") if door.liveness == "off" else pending.claim

    def _ask(self, state: DoorState, claim: Claim) -> None:
        """Ask for the head turns that alone are lacking; a second factor is held until they are over."""
        if self._challenges.ask(claim) and claim.expected is not None:
            self._factors.hold(state, CHALLENGE_SECONDS)

    def _on_report(self, report: ChallengeReport) -> None:
        """Take note of a challenge; after its last failure, a face is refused at each door that asks for one."""
        failed, request = self._challenges.on_report(report), report.request
        for name, door in self._policy.doors.items() if failed else ():
            required = required_checks(door.liveness, looks=self._policy.looks)
            if door.camera == request.camera and "challenge" in required:
                self._refuse(name, (request.camera, request.visit, request.person), "challenge")

    def _context(self, state: DoorState, pending: PendingClaim) -> DoorContext:
        now = self._clock.monotonic()
        return DoorContext(
            monotonic=now,
            wall=self._clock.wall(),
            synced=self._synced(),
            key=self._signer is not None and self._signer.key is not None,
            nonce=state.nonces.fresh(now),
            version=state.nonces.version,
            known=pending.visit in state.granted_visits,
            opened=state.granted_at.get(pending.claim.person),
            failed=self._challenges.failed_at(pending.claim.camera, pending.claim.person),
            expected=state.expected,
        )

    def _refuse(self, door: str, visit: VisitKey, reason: Refusal, factor: GrantFactor = "none") -> None:
        if self._states[door].refuse(visit, reason, self._clock.wall()):
            shown = {} if factor == "none" else {"factor": factor}
            self._records.append(("refused", {"door": door, "person": visit[2], "reason": reason, **shown}))

    def _on_result(self, door: str, report: ProvenResult) -> None:
        """Record what a door did with a grant; a visit that it rejected may try again after the cooldown."""
        state, result = self._states[door], report.result
        ours = self._granted.get(result.seq or 0) if result.boot == self._boot else None
        granted = ours if ours is not None and ours.door == door else None
        if granted is not None and report.proven and result.accepted:
            if granted.opened:
                return  # a grant opens a door once: someone repeats the answer
            self._granted[result.seq or 0] = replace(granted, opened=True)
        if granted is not None and not result.accepted:
            state.granted_visits.pop(granted.visit, None)
        if state.count_result(self._clock.monotonic(), accepted=result.accepted):
            person = granted.claim.person if granted is not None else None
            facts = {"door": door, "person": person, "grant_seq": result.seq, "proven": report.proven}
            self._records.append(
                ("opened", facts) if result.accepted else ("rejected", {**facts, "reason": result.reason})
            )


def _turned(claim: Claim) -> Claim:
    """The claim as if its visit had passed a challenge."""
    return replace(claim, passed="challenge" if claim.passed in {"off", "challenge"} else "both")


def _granted(stamp: GrantStamp, claim: Claim) -> dict[str, Any]:
    return {
        "door": stamp.door,
        "person": claim.person,
        "visit": claim.visit,
        "grant_seq": stamp.seq,
        "score": round(claim.score, 4),
        "level": claim.level,
        "factor": claim.factor,
        "liveness": claim.passed,
        "age_ms": stamp.age_ms,
    }
