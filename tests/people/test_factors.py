"""FactorService: what it sets, draws, refuses and records."""

import pytest

from edgeface.core.errors import GalleryError
from edgeface.gallery.rows import Change
from edgeface.people.factors import FactorService
from edgeface.people.service import PeopleService
from edgeface.security.attempts import AttemptKey
from tests.people.test_service import _changes, _erased, _service, put  # noqa: F401 - fixtures


@pytest.fixture(name="factors")
def _factors(service: PeopleService) -> FactorService:
    put(service, "alice", 1)
    put(service, "bob", 2)
    return FactorService(service)


def test_a_pin_gets_a_number_that_stays(factors: FactorService) -> None:
    number = factors.set_pin("alice", "4711")
    assert len(number) == 4
    assert factors.set_pin("alice", "8315") == number
    assert factors.set_pin("alice", "8315", "0042") == "0042"
    with factors.people.gallery() as gallery:
        assert gallery.pin_of(number) is None
        person, stored = gallery.pin_of("0042") or ("", None)
    assert person == "alice"
    assert stored is not None
    assert (stored.is_duress("8315"), stored.is_duress("4711")) == (False, None)


def test_a_duress_pin_is_a_second_one_and_goes_with_a_new_pin(factors: FactorService) -> None:
    with pytest.raises(GalleryError, match="alice: no PIN yet"):
        factors.set_duress("alice", "8315")
    number = factors.set_pin("alice", "4711")
    with pytest.raises(GalleryError, match="must differ"):
        factors.set_duress("alice", "4711")
    factors.set_duress("alice", "8315")
    factors.set_duress("alice", "9042")
    with factors.people.gallery() as gallery:
        _, stored = gallery.pin_of(number) or ("", None)
    assert stored is not None
    assert [stored.is_duress(pin) for pin in ("4711", "9042", "8315")] == [False, True, None]
    assert [one.duress for one in factors.of("alice").factors] == [True]
    factors.set_pin("alice", "4711")
    assert [one.duress for one in factors.of("alice").factors] == [False]


def test_a_code_is_drawn_and_never_stored_in_a_readable_form(factors: FactorService) -> None:
    code = factors.draw_code("alice", 6)
    with factors.people.gallery() as gallery:
        assert gallery.person_of_code(code) == "alice"
    assert code not in str(factors.of("alice"))
    again = factors.draw_code("alice")
    assert len(again) == 8
    assert len(factors.of("alice").factors) == 1


def test_what_is_refused_changes_and_records_nothing(factors: FactorService, changes: list[Change]) -> None:
    factors.set_pin("alice", "4711", "1042")
    factors.add_card("alice", "04:A2:B3:C4")
    before = (factors.of("alice"), factors.of("bob"), len(changes))
    refused = (
        lambda: factors.set_pin("bob", "1234"),
        lambda: factors.set_pin("bob", "4711", "1042"),
        lambda: factors.set_pin("bob", "4711", "12a"),
        lambda: factors.set_pin("carol", "4711"),
        lambda: factors.set_duress("alice", "0000"),
        lambda: factors.draw_code("bob", 5),
        lambda: factors.draw_code("carol"),
        lambda: factors.add_card("bob", "04a2b3c4"),
        lambda: factors.add_card("bob", "04a2"),
        lambda: factors.remove("bob", "0123456789ab"),
        lambda: factors.unlock("carol"),
    )
    for attempt in refused:
        with pytest.raises(GalleryError):
            attempt()
    assert (factors.of("alice"), factors.of("bob"), len(changes)) == before


def test_every_change_is_recorded_without_a_secret(factors: FactorService, changes: list[Change]) -> None:
    number = factors.set_pin("alice", "4711")
    factors.set_duress("alice", "8315")
    code = factors.draw_code("bob")
    factors.add_card("bob", "04a2b3c4")
    factors.remove("bob", next(one.id for one in factors.of("bob").factors if one.kind == "card"))
    factors.unlock("alice")
    assert [(one.person, one.factor, one.removed) for one in changes] == [
        ("alice", "pin", False),
        ("alice", "duress", False),
        ("bob", "code", False),
        ("bob", "card", False),
        ("bob", "card", True),
        ("alice", "unlocked", False),
    ]
    said = str([change.facts for change in changes])
    assert not [secret for secret in (number, "4711", "8315", code, "04a2b3c4") if secret in said]


def test_wrong_pins_are_listed_by_door_until_the_person_is_unlocked(factors: FactorService) -> None:
    with factors.people.gallery() as gallery:
        gallery.put_attempts({AttemptKey("front", "alice"): {"wrong": 6}, AttemptKey("front"): {"tokens": 1.0}})
    assert factors.of("alice").wrong == (("front", 6),)
    assert factors.of("bob").wrong == ()
    factors.unlock("alice")
    assert factors.of("alice").wrong == ()


def test_factors_leave_no_trace_of_a_person_who_is_erased_and_are_not_exported(
    factors: FactorService, tmp_path_factory: pytest.TempPathFactory
) -> None:
    number = factors.set_pin("alice", "4711", "5550123456")
    factors.add_card("alice", "04a2b3c4d5e6f7")
    out = tmp_path_factory.mktemp("out") / "people.json"
    factors.people.export_people(out, "alice")
    text = out.read_text()
    assert not [secret for secret in (number, "04a2b3c4d5e6f7", "factor", "number") if secret in text]
    proof = factors.people.erase("alice")
    assert proof.traces == ()
    with factors.people.gallery() as gallery:
        assert (gallery.pin_of(number), gallery.person_of_card("04a2b3c4d5e6f7")) == (None, None)
