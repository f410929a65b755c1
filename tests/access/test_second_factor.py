"""Second factors against a real gallery: who is named, what is counted, what a thief of time or power gains."""

import shutil
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeface.access.factor_messages import CardFactor, CodeFactor, PassShown, PinFactor, ReaderFactor, ShownFactor
from edgeface.access.second_factor import MAX_WAITING, Checked, FactorVerifier, Presented, SecondFactors
from edgeface.core.errors import GalleryError
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import Template
from edgeface.security.attempts import LOCK, MAX_LOCK, AttemptKey
from edgeface.security.pins import COST, Cost, StoredPin, slow_hash
from tests.support.broker import until
from tests.support.clock import FixedClock

MODEL = "test-model:01234567"
CHEAP = Cost(memory=8, passes=1, lanes=1)
SALT = b"s" * 16
PIN = StoredPin(SALT, slow_hash("4711", SALT, CHEAP), slow_hash("8315", SALT, CHEAP), CHEAP)
RIGHT, DURESS, WRONG = PinFactor("1042", "4711"), PinFactor("1042", "8315"), PinFactor("1042", "0815")
UID = "04a2b3c4d5e6f7"


def face(seed: int) -> Template:
    vector = np.random.default_rng(seed).standard_normal(192).astype(np.float32)
    return Template(np.asarray(vector / np.linalg.norm(vector), np.float32), MODEL, "photo", 1.0)


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With two people and their factors; a code takes its time."""
    folder = tmp_path_factory.mktemp("data")
    with closing(Gallery.open(folder, MODEL)) as gallery:
        for seed, person in enumerate(("alice", "bob")):
            gallery.enroll(person, person.title(), [face(seed)], 1.0)
        gallery.set_pin("alice", "1042", PIN, 1.0)
        gallery.set_code("alice", "40819273", 1.0)
        gallery.add_card("bob", UID, 1.0)
    return folder


@pytest.fixture(name="gallery")
def _gallery(folder: Path, tmp_path: Path) -> Iterator[Gallery]:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    with closing(Gallery.open(tmp_path, MODEL)) as opened:
        yield opened


@pytest.fixture(name="clock")
def _clock() -> FixedClock:
    return FixedClock(1000.0)


@pytest.fixture(name="verifier")
def _verifier(gallery: Gallery, clock: FixedClock) -> FactorVerifier:
    made = FactorVerifier(gallery, clock)
    # An unknown number takes no slow hash here.
    made._no_one = StoredPin(SALT, bytes(32), None, CHEAP)
    return made


def shown(factor: ShownFactor | PassShown, door: str = "front") -> Presented:
    return Presented(door, factor, 1000.0)


def answer(
    verifier: FactorVerifier, factor: ShownFactor | PassShown, door: str = "front"
) -> tuple[str | None, str | None]:
    checked = verifier.check(shown(factor, door))
    return checked.person, checked.reason


@pytest.mark.parametrize(
    ("factor", "person", "reason"),
    [
        (RIGHT, "alice", None),
        (DURESS, "alice", None),
        (WRONG, "alice", "wrong"),
        (PinFactor("1043", "4711"), None, "unknown"),
        (CodeFactor("40819273"), "alice", None),
        (CodeFactor("40819274"), None, "unknown"),
        (CardFactor(UID), "bob", None),
        (CardFactor("04a2b3c4"), None, "unknown"),
        (ReaderFactor("bob"), "bob", None),
        (ReaderFactor("carol"), None, "unknown"),
        (PassShown("front", "porch", "bob", "p1", 1000.0), "bob", None),
        (PassShown(None, "porch", "carol", "p1", 1000.0), None, "unknown"),
    ],
)
def test_a_factor_names_its_person_or_no_one(
    verifier: FactorVerifier, factor: ShownFactor | PassShown, person: str | None, reason: str | None
) -> None:
    checked = verifier.check(shown(factor))
    assert (checked.door, checked.kind, checked.at) == ("front", factor.kind, 1000.0)
    assert (checked.person, checked.reason) == (person, reason)


def test_an_unknown_number_takes_a_hash_too(
    gallery: Gallery, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the parameters of a PIN, so that the time shows neither whether a number exists nor which PIN was typed."""
    hashed: list[Cost] = []

    def slow(secret: str, salt: bytes, cost: Cost = COST) -> bytes:
        hashed.append(cost)
        return slow_hash(secret, salt, CHEAP)

    monkeypatch.setattr("edgeface.security.pins.slow_hash", slow)
    monkeypatch.setattr("edgeface.gallery.factors.slow_hash", slow)
    gallery.set_pin("alice", "1042", StoredPin.of("4711"), 1.0)
    verifier = FactorVerifier(gallery, clock)
    for factor in (RIGHT, WRONG, PinFactor("7777", "4711"), CodeFactor("11111111")):
        hashed.clear()
        verifier.check(shown(factor))
        assert hashed == [COST]


def test_a_duress_pin_differs_in_nothing_but_its_mark(verifier: FactorVerifier, gallery: Gallery) -> None:
    right = verifier.check(shown(RIGHT))
    attempts = gallery.all_attempts()
    duress = verifier.check(shown(DURESS))
    assert (right.duress, duress.duress) == (False, True)
    assert duress == Checked("front", "pin", 1000.0, "alice", None, duress=True)
    assert gallery.all_attempts() == attempts


def test_five_wrong_pins_in_a_row_lock_the_person_at_that_door_even_for_the_right_one(
    verifier: FactorVerifier, clock: FixedClock
) -> None:
    assert [answer(verifier, WRONG) for _ in range(5)] == [("alice", "wrong")] * 5
    for factor in (RIGHT, DURESS, WRONG):
        assert answer(verifier, factor) == ("alice", "locked")
    assert answer(verifier, RIGHT, "back") == ("alice", None)
    assert answer(verifier, CodeFactor("40819273")) == ("alice", None)
    clock.sleep(LOCK)
    assert answer(verifier, RIGHT) == ("alice", None)
    assert [answer(verifier, WRONG)[1] for _ in range(4)] == ["wrong"] * 4
    assert answer(verifier, RIGHT) == ("alice", None)


def test_a_lock_does_not_keep_the_owner_out_for_ever(
    verifier: FactorVerifier, gallery: Gallery, clock: FixedClock
) -> None:
    for _ in range(20):
        assert answer(verifier, WRONG)[1] in {"wrong", "locked"}
        clock.sleep(MAX_LOCK)
    assert answer(verifier, RIGHT) == ("alice", None)
    for _ in range(5):
        answer(verifier, WRONG)
    assert answer(verifier, RIGHT) == ("alice", "locked")
    gallery.unlock("alice", 1.0)
    assert answer(verifier, RIGHT) == ("alice", None)


def test_a_restart_or_a_power_cut_during_a_check_resets_nothing(gallery: Gallery, clock: FixedClock) -> None:
    for _ in range(3):
        answer(FactorVerifier(gallery, clock), WRONG)

    class Cut:
        """The gallery, until the power goes while the hash is computed."""

        armed = False

        def __getattr__(self, name: str) -> Any:
            return getattr(gallery, name)

        def put_attempts(self, attempts: Mapping[AttemptKey, Any]) -> None:
            gallery.put_attempts(attempts)
            if self.armed:
                raise KeyboardInterrupt

    for _ in range(2):
        store = Cut()
        verifier = FactorVerifier(store, clock)
        store.armed = True
        with pytest.raises(KeyboardInterrupt):
            verifier.check(shown(RIGHT))
    again = FactorVerifier(gallery, FixedClock(2.0))
    assert answer(again, RIGHT) == ("alice", "locked")


class Memory:
    """A store of many people in memory: person n has the number n and the PIN 4711."""

    def __init__(self) -> None:
        self.kept: dict[AttemptKey, Mapping[str, Any]] = {}

    def pin_of(self, number: str) -> tuple[str, StoredPin] | None:
        return f"p{number}", PIN

    def person_of_code(self, code: str) -> str | None:
        return None if code else ""

    def person_of_card(self, uid: str) -> str | None:
        return None if uid else ""

    def is_person(self, person: str) -> bool:
        return bool(person)

    def attempts(self, key: AttemptKey) -> Mapping[str, Any] | None:
        return self.kept.get(key)

    def all_attempts(self) -> Mapping[AttemptKey, Mapping[str, Any]]:
        return dict(self.kept)

    def put_attempts(self, attempts: Mapping[AttemptKey, Mapping[str, Any] | None]) -> None:
        for key, facts in attempts.items():
            self.kept.pop(key, None)
            if facts is not None:
                self.kept[key] = facts

    def close(self) -> None:
        self.kept.clear()


def guesses(numbers: int, days: int, *, restarts: bool = False) -> Counter[str | None]:
    """What becomes of guesses at one door, made over so many people as fast as the door takes them."""
    clock, store = FixedClock(), Memory()
    verifier, made, results = FactorVerifier(store, clock), 0, Counter[str | None]()
    for minute in range(days * 1440):
        if restarts and minute % 10 == 0:
            verifier = FactorVerifier(store, clock)
        for _ in range(12 if minute == 0 else 3):
            results[answer(verifier, PinFactor(str(made % numbers), "0815"))[1]] += 1
            made += 1
        clock.sleep(60.0)
    return results


def test_10000_guesses_over_many_people_take_a_door_a_week() -> None:
    assert guesses(numbers=2000, days=7)["wrong"] == 10 + 7 * 1440 - 1


def test_guesses_at_one_person_are_a_few_a_day() -> None:
    found = guesses(numbers=1, days=7)
    # Five, then one after each lock: of 15 and 30 minutes, 1 and 2 hours, and 41 times of four hours.
    assert found["wrong"] == 5 + 4 + 41


def test_a_restart_every_ten_minutes_gains_nothing() -> None:
    assert guesses(numbers=2000, days=1, restarts=True)["wrong"] <= 10 + 1440
    assert guesses(numbers=1, days=1, restarts=True)["wrong"] <= 10


def test_right_factors_cost_a_door_nothing_and_a_paused_door_refuses_them_too(
    verifier: FactorVerifier, clock: FixedClock
) -> None:
    assert [answer(verifier, RIGHT) for _ in range(30)] == [("alice", None)] * 30
    for n in range(10):
        assert answer(verifier, CardFactor(f"04a2b3c{n}")) == (None, "unknown")
    for factor in (RIGHT, CardFactor(UID), CodeFactor("40819273")):
        assert answer(verifier, factor) == (None, "paused")
    assert answer(verifier, CardFactor(UID), "back") == ("bob", None)
    clock.sleep(60.0)
    assert answer(verifier, RIGHT) == ("alice", None)


def test_a_card_or_a_code_of_a_person_who_was_forgotten_is_unknown(verifier: FactorVerifier, gallery: Gallery) -> None:
    gallery.remove(["bob", "alice"])
    for factor in (CardFactor(UID), RIGHT, CodeFactor("40819273")):
        assert answer(verifier, factor) == (None, "unknown")


@pytest.fixture(name="service")
def _service(gallery: Gallery, clock: FixedClock) -> Iterator[SecondFactors]:
    folder = gallery.path.parent
    service = SecondFactors(lambda: Gallery.open(folder, MODEL), clock)
    yield service
    service.close()
    assert not service.alive


def results(service: SecondFactors, count: int) -> list[Checked]:
    found: list[Checked] = []

    def complete() -> bool:
        found.extend(service.results())
        return len(found) >= count

    until(complete)
    return found


def test_the_thread_answers_in_order_and_wakes(service: SecondFactors) -> None:
    woken = threading.Event()
    service.wake = woken.set
    assert service.submit(shown(RIGHT))
    assert service.submit(shown(CardFactor(UID)))
    service.start()
    found = results(service, 2)
    assert woken.is_set()
    assert [(one.person, one.reason) for one in found] == [("alice", None), ("bob", None)]
    assert "4711" not in repr(found)


def test_a_full_queue_refuses(service: SecondFactors) -> None:
    assert [service.submit(shown(CardFactor(UID))) for _ in range(MAX_WAITING + 2)] == [True] * MAX_WAITING + [
        False
    ] * 2


def test_a_store_that_cannot_be_used_verifies_nothing_until_it_can(gallery: Gallery, clock: FixedClock) -> None:
    folder, broken = gallery.path.parent, [True]

    def open_store() -> Gallery:
        if broken[0]:
            raise GalleryError("gallery.db: cannot be written: is the disk full?")
        return Gallery.open(folder, MODEL)

    service = SecondFactors(open_store, clock)
    with closing(service):
        service.start()
        service.submit(shown(RIGHT))
        assert [(one.person, one.reason) for one in results(service, 1)] == [(None, "unavailable")]
        broken.clear()
        broken.append(False)
        service.submit(shown(RIGHT))
        assert [(one.person, one.reason) for one in results(service, 1)] == [("alice", None)]
        with gallery.transaction():
            gallery._db.execute("DROP TABLE attempts")
        for _ in range(2):
            service.submit(shown(RIGHT))
        assert [one.reason for one in results(service, 2)] == ["unavailable"] * 2
        assert service.alive
