"""Corrections through PeopleService: what they change, record and refuse."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeface.config.configuration import Configuration, Privacy
from edgeface.core.errors import GalleryError
from edgeface.core.types import Embedding, Probe
from edgeface.gallery.gallery import FILE
from edgeface.gallery.rows import Change
from edgeface.gallery.snapshot import Template
from edgeface.gallery.unknowns import Unknown
from edgeface.people import corrections, trace_search
from edgeface.people.enrollment import DoubtError, EnrollOptions, Plan
from edgeface.people.service import PeopleService
from tests.support.clock import FixedClock

ANYWAY = EnrollOptions(anyway=True)
DAY = 86_400.0
EVENT, UNSEEN = "01JDPZ6M8W3V5Q7R9T1X2Y4Z6A", "01JDPZ6M8W3V5Q7R9T1X2Y4Z6B"
AXES = np.asarray(np.linalg.qr(np.random.default_rng(1).standard_normal((192, 192)))[0], np.float32).T


def mixed(one: Embedding, other: Embedding, cosine: float) -> Embedding:
    """A unit vector with this cosine to `one`; the other must be orthogonal."""
    return np.asarray(cosine * one + np.sqrt(1 - cosine**2) * other, np.float32)


ALICE, BOB = AXES[0], AXES[1]
STRANGER = mixed(ALICE, AXES[2], 0.58)
"""A face that is taken for Alice."""


@pytest.fixture(name="changes")
def _changes() -> list[Change]:
    return []


@pytest.fixture(name="service")
def _service(tmp_path: Path, changes: list[Change]) -> PeopleService:
    return made(tmp_path, changes, Privacy())


def made(folder: Path, changes: list[Change], privacy: Privacy) -> PeopleService:
    """A service with Alice and Bob, and two events: a false match, and an unknown."""

    def record(new: Iterable[Change]) -> None:
        changes.extend(new)

    configuration = Configuration.model_construct(cameras={}, data=folder / "data", privacy=privacy)
    service = PeopleService(configuration, record, FixedClock(epoch=200.0))
    with service.gallery(create=True) as gallery:
        for person, face in (("alice", ALICE), ("bob", BOB)):
            near = [mixed(face, AXES[n], 0.95) for n in (10, 11, 12)]
            gallery.enroll(person, person.title(), [Template(one, gallery.model, "photo", 1.0) for one in near], 1.0)
        gallery.store_probes(
            [
                Probe(EVENT, "porch", 100.0, "alice", None, STRANGER),
                Probe("UNKNOWN", "porch", 100.0, None, "u-7f3a", mixed(BOB, AXES[3], 0.45)),
                Probe("OWN", "porch", 100.0, "alice", None, mixed(ALICE, AXES[4], 0.9)),
                Probe("BOBS", "porch", 100.0, "bob", None, mixed(BOB, AXES[5], 0.55)),
            ]
        )
    return service


def matched(service: PeopleService, face: Embedding) -> tuple[str, float] | None:
    with service.gallery() as gallery:
        found = gallery.snapshot().match(face)
    return None if found is None else (found.person, round(found.score, 2))


def content(service: PeopleService) -> tuple[object, ...]:
    """Everything that a correction could change."""
    with service.gallery() as gallery:
        people = gallery.people()
        return (people, [[one.event for one in gallery.negatives(person.id)] for person in people])


def test_not_alice_ends_the_match_and_leaves_alice_hers(service: PeopleService, changes: list[Change]) -> None:
    own = mixed(ALICE, AXES[20], 0.7)
    assert matched(service, STRANGER) == ("alice", 0.57)
    before = matched(service, own)
    service.deny(EVENT, "alice")
    assert matched(service, STRANGER) == ("bob", 0.0)
    # Another frame of the same visit.
    again = mixed(STRANGER, AXES[30], 0.85)
    assert matched(service, again) == ("bob", 0.0)
    assert matched(service, own) == before
    assert [(change.kind, change.facts) for change in changes] == [("corrected", {"person": "alice", "event": EVENT})]
    with service.gallery() as gallery:
        ((negative, score),) = corrections.negatives(gallery, "alice")
    assert (negative.event, negative.camera) == (EVENT, "porch")
    assert score == pytest.approx(0.57, abs=0.01)


def test_a_correction_can_be_removed(service: PeopleService, changes: list[Change]) -> None:
    service.deny(EVENT, "alice")
    service.restore("alice", EVENT)
    assert matched(service, STRANGER) == ("alice", 0.57)
    assert [change.kind for change in changes] == ["corrected", "restored"]
    service.deny(EVENT, "alice")


def test_this_is_bob_adds_the_face_to_bob_and_denies_alice(service: PeopleService, changes: list[Change]) -> None:
    before = content(service)
    with pytest.raises(DoubtError, match="bob: the face differs from the enrolled one"):
        service.identify(EVENT, "bob", None)
    assert (content(service), changes) == (before, [])
    done = service.identify(EVENT, "bob", None, ANYWAY)
    assert [(one.id, one.name, one.templates) for one in done.people] == [("bob", "Bob", 4)]
    with service.gallery() as gallery:
        assert gallery.templates("bob")[-1].source == "correction"
        assert gallery.snapshot().denied(STRANGER) == {"alice"}
    assert [(change.kind, change.facts) for change in changes] == [
        ("corrected", {"person": "alice", "event": EVENT}),
        ("enrolled", {"person": "bob", "anyway": True, "event": EVENT}),
    ]


def test_this_is_a_new_person_enrolls_one(service: PeopleService) -> None:
    done = service.identify(EVENT, "carol", "Carol C.")
    assert [(one.id, one.name, one.templates) for one in done.people] == [("carol", "Carol C.", 1)]
    assert matched(service, STRANGER) == ("carol", 1.0)


def test_an_unknown_can_be_identified_and_denies_no_one(service: PeopleService, changes: list[Change]) -> None:
    service.identify("UNKNOWN", "bob", None, ANYWAY)
    assert [change.kind for change in changes] == ["enrolled"]


def test_who_was_denied_can_still_be_identified_later(service: PeopleService) -> None:
    service.deny(EVENT, "alice")
    service.identify(EVENT, "carol", None)
    assert matched(service, STRANGER) == ("carol", 1.0)


REFUSED = {
    "expired": (UNSEEN, "alice", "no event of this device that can be corrected"),
    "hostile": ("../../etc/passwd\x1b[2J", "alice", "no event of this device that can be corrected"),
    "names no one": ("UNKNOWN", "bob", "names no one"),
    "another": (EVENT, "bob", "names alice, not bob"),
    "her own": ("OWN", "alice", r"too like alice's own template [0-9a-f]{12} \(cosine 0.8\d, the others have 0.93\)"),
}


@pytest.mark.parametrize(("event", "person", "line"), REFUSED.values(), ids=REFUSED)
def test_not_is_refused_with_one_line_and_changes_nothing(
    service: PeopleService, changes: list[Change], event: str, person: str, line: str
) -> None:
    before = content(service)
    with pytest.raises(GalleryError, match=line) as caught:
        service.deny(event, person)
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert (content(service), changes) == (before, [])


IS_REFUSED = {
    "expired": (UNSEEN, "bob", "no event of this device that can be corrected"),
    "hers already": (EVENT, "alice", "names alice already"),
    "no id": (EVENT, "Not an ID", "not an id"),
    "an unknown": (EVENT, "u-7f3a", "reserved for unknowns"),
    "someone else": ("BOBS", "bob", "names bob already"),
    "hers": ("OWN", "bob", "too like alice's own template"),
}


@pytest.mark.parametrize(("event", "person", "line"), IS_REFUSED.values(), ids=IS_REFUSED)
def test_is_is_refused_with_one_line_and_changes_nothing(
    service: PeopleService, changes: list[Change], event: str, person: str, line: str
) -> None:
    before = content(service)
    with pytest.raises(GalleryError, match=line):
        service.identify(event, person, None)
    assert (content(service), changes) == (before, [])


def test_the_same_correction_twice_is_refused(service: PeopleService) -> None:
    service.deny(EVENT, "alice")
    with pytest.raises(GalleryError, match="already corrected as not alice"):
        service.deny(EVENT, "alice")


def test_a_face_that_is_denied_to_a_person_is_not_added_to_them(service: PeopleService) -> None:
    service.deny("BOBS", "bob")
    with service.gallery() as gallery:
        gallery.store_probes([Probe("LATER", "porch", 101.0, None, None, mixed(BOB, AXES[5], 0.55))])
    with pytest.raises(
        GalleryError, match="a correction says that this is not bob; remove its negative template first"
    ):
        service.identify("LATER", "bob", None)


def test_a_covered_face_is_added_to_no_one_and_can_still_be_denied(service: PeopleService) -> None:
    with service.gallery() as gallery:
        gallery.store_probes([Probe("COVERED", "porch", 100.0, "alice", None, STRANGER, covered=True)])
    before = content(service)
    with pytest.raises(GalleryError, match="COVERED: a part of the face may be covered"):
        service.identify("COVERED", "bob", None)
    assert content(service) == before
    service.deny("COVERED", "alice")
    assert matched(service, STRANGER) != matched(service, ALICE)


def test_a_person_who_is_gone_is_refused(service: PeopleService) -> None:
    service.erase("alice")
    with pytest.raises(GalleryError, match="no event of this device"):
        service.deny(EVENT, "alice")
    with pytest.raises(GalleryError, match="no one is enrolled with this id"):
        corrections_of(service, "alice")


def corrections_of(service: PeopleService, person: str) -> None:
    with service.gallery() as gallery:
        corrections.negatives(gallery, person)


def test_an_only_template_asks_for_more_photos(service: PeopleService) -> None:
    service.identify("UNKNOWN", "carol", None)
    with service.gallery() as gallery:
        gallery.store_probes([Probe("HERS", "porch", 101.0, "carol", None, mixed(BOB, AXES[3], 0.45))])
    with pytest.raises(GalleryError, match=r"only template \(cosine 1.00\); enroll more photos of carol first"):
        service.deny("HERS", "carol")


def test_an_event_that_has_expired_cannot_be_corrected(service: PeopleService) -> None:
    before = content(service)
    last = 100.0 + service.configuration.privacy.correction_days * DAY
    late = replace(service, clock=FixedClock(epoch=last))
    with pytest.raises(GalleryError, match=f"{EVENT}: no event of this device that can be corrected"):
        late.deny(EVENT, "alice")
    with pytest.raises(GalleryError, match=f"{EVENT}: no event of this device that can be corrected"):
        late.identify(EVENT, "bob", None)
    assert content(service) == before
    replace(service, clock=FixedClock(epoch=last - 1.0)).deny(EVENT, "alice")


def test_without_correction_days_no_event_can_be_corrected(tmp_path: Path, changes: list[Change]) -> None:
    service = made(tmp_path, changes, Privacy(correction_days=0))
    for correct in (lambda: service.deny(EVENT, "alice"), lambda: service.identify(EVENT, "carol", None)):
        with pytest.raises(GalleryError, match=r"privacy\.correction_days: 0"):
            correct()


def test_without_negative_days_not_is_refused(tmp_path: Path, changes: list[Change]) -> None:
    service = made(tmp_path, changes, Privacy(negative_days=0))
    with pytest.raises(GalleryError, match=r"no negative templates may be kept \(privacy\.negative_days: 0\)"):
        service.deny(EVENT, "alice")
    with pytest.raises(GalleryError, match="already enrolled as alice"):
        service.identify("OWN", "carol", None)
    service.identify("UNKNOWN", "carol", None)


def test_forget_erases_what_corrections_keep_and_finds_no_trace(service: PeopleService) -> None:
    service.deny(EVENT, "alice")
    with service.gallery() as gallery:
        sought = trace_search.terms(gallery, ["alice"], 0.412)
        assert any(np.array_equal(one, STRANGER) for one in sought.embeddings)
        assert len(sought.tags) == 3
    proof = service.erase("alice")
    assert (proof.traces, proof.files > 0) == ((), True)
    with service.gallery() as gallery:
        assert [event for event in (EVENT, "OWN", "UNKNOWN", "BOBS") if gallery.probe(event)] == ["UNKNOWN", "BOBS"]


def test_the_search_finds_a_negative_template_that_was_left(service: PeopleService) -> None:
    service.deny(EVENT, "alice")
    with service.gallery() as gallery:
        # Her own, however unlike her it is, and without its probe.
        gallery.expire(0.0, 0.0, 1e9, 0.0)
        sought = trace_search.terms(gallery, ["alice"], 0.9)
    left = service.configuration.data / "left"
    left.write_bytes(STRANGER.astype("<f4").tobytes()[:64])
    assert left in trace_search.search(service.configuration.data, sought)[1]


def test_a_stranger_who_is_forgotten_takes_the_negative_template_along(service: PeopleService) -> None:
    service.deny(EVENT, "alice")
    with service.gallery() as gallery:
        gallery.store_unknowns([Unknown("u-7f3a", STRANGER, (STRANGER,), 2, 1, 1.0, 1.0, "porch")])
    assert service.erase("u-7f3a").traces == ()
    with service.gallery() as gallery:
        assert (gallery.negatives("alice"), gallery.probe(EVENT), gallery.probe("UNKNOWN")) == ([], None, None)


def test_a_merge_keeps_the_negative_templates_of_both(service: PeopleService) -> None:
    service.deny(EVENT, "alice")
    with service.gallery() as gallery:
        own = Template(mixed(ALICE, AXES[13], 0.95), gallery.model, "photo", 1.0)
        gallery.enroll("alice2", None, [own], 1.0)
    assert service.merge("alice2", "alice").traces == ()
    with service.gallery() as gallery:
        assert [one.event for one in gallery.negatives("alice")] == [EVENT]
        gallery.enroll("alice3", None, [own], 1.0)
    assert service.merge("alice", "alice3").traces == ()
    with service.gallery() as gallery:
        assert [one.event for one in gallery.negatives("alice3")] == [EVENT]
        assert gallery.snapshot().denied(STRANGER) == {"alice3"}


def test_a_merge_keeps_the_negative_templates_of_others_that_show_the_merged_face(service: PeopleService) -> None:
    service.identify(EVENT, "carol", None)
    with service.gallery() as gallery:
        twice = Template(mixed(STRANGER, AXES[13], 0.95), gallery.model, "photo", 1.0)
        gallery.enroll("carol2", None, [twice], 1.0)
    assert service.merge("carol", "carol2").traces == ()
    with service.gallery() as gallery:
        assert [one.event for one in gallery.negatives("alice")] == [EVENT]
        assert gallery.snapshot().denied(STRANGER) == {"alice"}


def test_a_face_that_a_correction_denies_to_a_person_is_added_to_them_only_with_anyway(
    service: PeopleService, changes: list[Change]
) -> None:
    service.deny(EVENT, "alice")
    with service.gallery() as gallery:
        gallery.store_unknowns([Unknown("u-7f3a", STRANGER, (STRANGER,), 2, 1, 1.0, 1.0, "porch")])
    before = content(service)
    with pytest.raises(DoubtError, match="alice: a correction says that this face is not alice"):
        service.enroll_unknown("u-7f3a", "alice", None)
    assert content(service) == before
    service.enroll_unknown("u-7f3a", "alice", None, ANYWAY)
    assert changes[-1].facts == {"person": "alice", "anyway": True, "unknown": "u-7f3a"}


@pytest.mark.parametrize(("who", "into"), [("alice", "carol"), ("carol", "alice")])
def test_two_ids_that_a_correction_tells_apart_are_merged_only_with_anyway(
    service: PeopleService, who: str, into: str
) -> None:
    service.identify(EVENT, "carol", None)
    before = content(service)
    with pytest.raises(DoubtError, match=rf"{into}: a correction says that this face is not alice$"):
        service.merge(who, into)
    assert content(service) == before
    service.merge(who, into, anyway=True)


def test_who_is_told_apart_by_a_correction_alone_is_a_look_alike(service: PeopleService, changes: list[Change]) -> None:
    twin = mixed(ALICE, AXES[2], 0.78)
    with service.gallery() as gallery:
        gallery.store_probes([Probe("TWIN", "porch", 100.0, "alice", None, twin)])
    service.identify("TWIN", "alicia", None)
    with service.gallery() as gallery:
        found = gallery.snapshot().match(twin)
        assert [(one.id, one.look_alikes) for one in gallery.people() if one.look_alikes] == [
            ("alice", ("alicia",)),
            ("alicia", ("alice",)),
        ]
    assert found is not None
    assert (found.person, found.look_alike) == ("alicia", True)
    assert changes[-1].facts == {"person": "alicia", "event": "TWIN", "different_people": True}


def test_a_correction_compares_again_without_the_person_that_it_denies(
    service: PeopleService, monkeypatch: pytest.MonkeyPatch
) -> None:
    twin, made = mixed(ALICE, AXES[2], 0.78), corrections.identification
    with service.gallery() as gallery:
        gallery.store_probes([Probe("TWIN", "porch", 100.0, "alice", None, twin)])

    def slow(*known: Any) -> Plan:
        plan = made(*known)
        service.change("bob", name="Bobby")
        return plan

    monkeypatch.setattr(corrections, "identification", slow)
    service.identify("TWIN", "alicia", None)
    with service.gallery() as gallery:
        assert gallery.person("alicia").look_alikes == ("alice",)


def test_no_change_names_more_than_the_person_and_the_event(service: PeopleService, changes: list[Change]) -> None:
    service.identify(EVENT, "bob", None, ANYWAY)
    service.restore("alice", EVENT)
    assert {key for change in changes for key in change.facts} == {"person", "event", "anyway"}
    assert (service.configuration.data / FILE).exists()
