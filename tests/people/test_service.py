"""PeopleService without a command line or a page: what it returns, records and refuses."""

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from edgeface.access.policy import Door
from edgeface.config.configuration import Configuration
from edgeface.core.errors import GalleryError, PhotoError
from edgeface.gallery.agreement import Limits
from edgeface.gallery.rows import Change
from edgeface.gallery.snapshot import Person, Template, unit_mean
from edgeface.gallery.unknowns import Unknown
from edgeface.journal.journal import Journal
from edgeface.people.enrollment import (
    Candidate,
    DoubtError,
    EnrollOptions,
    KnownFaces,
    LimitError,
    Plan,
    RejectedError,
)
from edgeface.people.guided import Guide
from edgeface.people.rules import limits
from edgeface.people.service import PeopleService
from tests.support.doors import SHORT, ship
from tests.support.embeddings import unit

DATA = Path(__file__).parents[1] / "data"
BIDEN = DATA / "biden.jpg"


@pytest.fixture(name="changes")
def _changes() -> list[Change]:
    """What was recorded."""
    return []


@pytest.fixture(name="erased")
def _erased() -> list[str]:
    """Who was reported as erased."""
    return []


@pytest.fixture(name="service")
def _service(tmp_path: Path, changes: list[Change], erased: list[str]) -> PeopleService:
    def record(new: Iterable[Change]) -> None:
        changes.extend(new)

    configuration = Configuration.model_construct(cameras={}, data=tmp_path / "data")
    return PeopleService(configuration, record, erased=erased.append)


def put(service: PeopleService, person: str, *seeds: int) -> None:
    with service.gallery(create=True) as gallery:
        gallery.enroll(person, None, [Template(unit(seed), gallery.model, "photo", 1.0) for seed in seeds], 1.0)


def people(service: PeopleService) -> list[str]:
    with service.gallery() as gallery:
        return [person.id for person in gallery.people()]


def test_photos_enroll_from_files_and_from_memory(service: PeopleService, changes: list[Change]) -> None:
    bad = ("bad\x1b.jpg", b"GIF89a")
    with pytest.raises(RejectedError, match="1 photo was rejected") as caught:
        service.enroll("joe", "Joe", [BIDEN, bad])
    assert caught.value.skippable
    (line,) = caught.value.lines
    assert line.startswith("bad .jpg: a GIF")
    assert (people(service), changes) == ([], [])
    options = EnrollOptions(skip_bad=True, given="2026-11-22")
    done = service.enroll("joe", "Joe", [("joe.jpg", BIDEN.read_bytes()), bad], options)
    assert done.rejected == (line,)
    assert [(one.id, one.name, one.templates, one.consent) for one in done.people] == [("joe", "Joe", 1, "2026-11-22")]
    assert [change.kind for change in changes] == ["enrolled", "consent"]


def test_a_folder_is_enrolled_and_recorded_in_the_journal(tmp_path: Path) -> None:
    (tmp_path / "people" / "Joe").mkdir(parents=True)
    shutil.copy(BIDEN, tmp_path / "people" / "Joe")
    configuration = Configuration.model_construct(cameras={}, data=tmp_path / "data")
    (joe,) = PeopleService(configuration).enroll_folder(tmp_path / "people").people
    assert (joe.id, joe.name, joe.templates) == ("joe", "Joe", 1)
    with closing(Journal(configuration.journal_path)) as journal:
        rows = [(row.kind, json.loads(row.payload)) for row in journal.about("joe")]
    assert rows == [("enrolled", {"person": "joe"})]


def test_the_same_photo_twice_is_said_and_counted_once(service: PeopleService, tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        shutil.copy(BIDEN, tmp_path / name)
    done = service.enroll("joe", "Joe", [tmp_path / "a.jpg", tmp_path / "b.jpg"])
    assert done.people[0].templates == 1
    assert f"{tmp_path / 'b.jpg'}: the same photo as {tmp_path / 'a.jpg'}, and counted once" in done.notes
    again = service.enroll("joe", "Joe", [BIDEN])
    assert again.people[0].templates == 1
    assert "joe: 1 photo is enrolled already, and counted once" in again.notes
    assert not any("already" in line for line in service.enroll("joe", None, [BIDEN], EnrollOptions(again=True)).notes)


def test_a_name_that_is_cut_is_said(service: PeopleService) -> None:
    done = service.enroll("joe", "J" * 101, [BIDEN])
    assert done.people[0].name == "J" * 100
    assert "the name is too long, and cut to 100 characters" in done.notes


def test_a_folder_gets_no_id_of_someone_who_was_forgotten(service: PeopleService, tmp_path: Path) -> None:
    (tmp_path / "people" / "Joe Biden").mkdir(parents=True)
    shutil.copy(BIDEN, tmp_path / "people" / "Joe Biden")
    for made in ("joe-biden", "joe-biden-2"):
        for options in (EnrollOptions(), EnrollOptions(again=True)):
            (joe,) = service.enroll_folder(tmp_path / "people", options).people
            assert (joe.id, joe.templates) == (made, 1)
        service.erase(made)


def test_no_one_new_has_a_reserved_id(service: PeopleService) -> None:
    for act in (lambda: service.enroll("unknown", "Bob", [BIDEN]), lambda: service.guide("nobody")):
        with pytest.raises(GalleryError, match="reserved"):
            act()


def test_no_photos_enroll_no_one(service: PeopleService) -> None:
    with pytest.raises(RejectedError, match="no photo can be used") as caught:
        service.enroll("joe", None, [])
    assert (caught.value.lines, caught.value.skippable) == ((), False)
    assert people(service) == []


@pytest.mark.parametrize("days", [{"given": "22.11.2026"}, {"given": "never"}, {"expires": "soon"}])
def test_options_refuse_what_is_not_a_day(days: dict[str, str]) -> None:
    with pytest.raises(GalleryError, match="not a day"):
        EnrollOptions(**days)  # type: ignore[arg-type]  # both are text


def test_shots_of_a_guide_are_refused_if_the_face_was_enrolled_in_the_meantime(service: PeopleService) -> None:
    shots = [("straight ahead", unit(1))] * 5
    guide = Guide(None, KnownFaces(Limits(0.45, 0.40, 0.57, 0.60, 0.65)), "joe", shots)  # type: ignore[arg-type]  # enrolling reads shots only
    put(service, "barack", 1)
    with pytest.raises(PhotoError, match="already enrolled as barack"):
        service.enroll_guided(guide, "Joe")
    service.erase("barack")
    (joe,) = service.enroll_guided(guide, "Joe").people
    assert (joe.id, joe.templates) == ("joe", 1)


def test_a_face_that_is_enrolled_under_another_id_meanwhile_is_refused(
    service: PeopleService, changes: list[Change]
) -> None:
    def slow() -> Iterator[Path]:
        yield BIDEN
        service.enroll("joseph", None, [BIDEN])

    with pytest.raises(RejectedError, match="no one was enrolled: this face is already enrolled as joseph") as caught:
        service.enroll("joe", None, slow())
    assert caught.value.others == ("joseph",)
    assert people(service) == ["joseph"]

    def twice() -> Iterator[Path]:
        yield BIDEN
        service.change("joseph", name="Joseph")

    service.enroll("joe", None, twice(), EnrollOptions(different_people=True))
    assert changes[-1].facts == {"person": "joe", "different_people": True}


def test_a_change_is_made_as_a_whole(service: PeopleService, changes: list[Change]) -> None:
    put(service, "joe", 1)
    joe = service.change("joe", name="Joe B.", given="2026-11-22", expires="2027-11-22")
    assert (joe.name, joe.consent, joe.expires) == ("Joe B.", "2026-11-22", "2027-11-22")
    assert [change.kind for change in changes] == ["renamed", "consent"]
    with pytest.raises(GalleryError, match="cannot end on"):
        service.change("joe", name="X", expires="2020-01-01")

    def check(before: Person) -> None:
        assert before == joe
        raise LookupError("seen")

    with pytest.raises(LookupError, match="seen"):
        service.change("joe", name="X", check=check)
    with service.gallery() as gallery:
        assert gallery.person("joe") == joe
    assert len(changes) == 2


def test_only_the_same_face_is_merged(service: PeopleService, changes: list[Change], erased: list[str]) -> None:
    put(service, "joe", 1)
    with service.gallery() as gallery:
        other = unit_mean([unit(1) + np.float32(0.6) * unit(2)])
        gallery.enroll("joseph", None, [Template(other, gallery.model, "photo", 1.0)], 1.0)
        gallery.link("joe", ["joseph"])
    put(service, "eve", 3)
    with service.gallery() as gallery:
        gallery.link("joe", ["eve"])
    for who, into, why in (
        ("joe", "eve", "eve: the face differs from the enrolled one"),
        ("joe", "joe", "into themselves"),
        ("x", "joe", "no one is"),
    ):
        with pytest.raises(GalleryError, match=why):
            service.merge(who, into)
    assert (people(service), erased) == (["eve", "joe", "joseph"], [])
    proof = service.merge("joe", "joseph")
    assert (proof.traces, proof.still_named) == ((), ())
    assert (people(service), erased) == (["eve", "joseph"], ["joe"])
    assert [(change.kind, change.facts) for change in changes] == [("enrolled", {"person": "joseph"})]
    with service.gallery() as gallery:
        # The look-alikes of the first id are those of the second now.
        assert [one.look_alikes for one in gallery.people()] == [("joseph",), ("eve",)]


def test_two_people_are_merged_only_if_someone_insists(service: PeopleService, changes: list[Change]) -> None:
    put(service, "joe", 1)
    put(service, "eve", 3)
    with pytest.raises(DoubtError, match=r"eve: the face differs from the enrolled one: cosine .*, needs 0\.45"):
        service.merge("joe", "eve")
    service.merge("joe", "eve", anyway=True)
    assert [change.facts for change in changes] == [{"person": "eve", "anyway": True}]


def test_an_import_asks_before_it_replaces_a_face(
    service: PeopleService, changes: list[Change], tmp_path: Path
) -> None:
    file = tmp_path / "people.json"
    put(service, "joe", 1)
    service.export_people(file)
    service.erase("joe")
    put(service, "joe", 2)
    with pytest.raises(DoubtError, match="joe: the face differs from the enrolled one"):
        service.import_people(file, replace=True)
    assert service.import_people(file, replace=True, anyway=True) == 1
    assert [change.facts for change in changes] == [{"person": "joe", "anyway": True}]
    with service.gallery() as gallery:
        gallery.enroll("joe", None, [Template(unit(3), gallery.model, "photo", 1.0)], 1.0)
    service.export_people(file)
    with pytest.raises(DoubtError, match="joe: the photos show two people"):
        service.import_people(file, replace=True)


def test_an_unknown_and_shots_are_added_to_another_person_only_if_someone_insists(
    service: PeopleService, changes: list[Change]
) -> None:
    put(service, "joe", 1)
    with service.gallery() as gallery:
        gallery.store_unknowns([Unknown("u-0001", unit(2), (unit(2),), 2, 1, 1.0, 1.0, "porch")])
        known = service.known_faces(gallery)
    guide = Guide(None, known, "joe", [("straight ahead", unit(3))] * 5)  # type: ignore[arg-type]  # enrolling reads shots only
    enrollments = [
        (partial(service.enroll_unknown, "u-0001", "joe", None), {"unknown": "u-0001"}),
        (partial(service.enroll_guided, guide, None), {}),
    ]
    for enroll, more in enrollments:
        with pytest.raises(DoubtError, match="joe: the face differs from the enrolled one"):
            enroll(EnrollOptions())
        assert changes == []
        enroll(EnrollOptions(anyway=True))
        assert [change.facts for change in changes] == [{"person": "joe", "anyway": True, **more}]
        changes.clear()


def test_a_face_has_one_id_unless_someone_decides_otherwise(service: PeopleService) -> None:
    put(service, "joe", 1)
    with service.gallery() as gallery:
        gallery.store_unknowns([Unknown("u-0001", unit(1), (unit(1),), 2, 1, 1.0, 1.0, "porch")])
    with pytest.raises(GalleryError, match="already enrolled as joe"):
        service.enroll_unknown("u-0001", "jim", None)
    assert people(service) == ["joe"]
    service.enroll_unknown("u-0001", "jim", None, EnrollOptions(different_people=True))
    assert people(service) == ["jim", "joe"]


def test_look_alikes_survive_a_file_and_are_gone_with_the_other(service: PeopleService, tmp_path: Path) -> None:
    file = tmp_path / "people.json"
    for seed, person in enumerate(("alice", "anna", "bob")):
        put(service, person, seed)
    with service.gallery() as gallery:
        gallery.link("alice", ["anna", "nobody"])
    service.export_people(file)
    service.export_people(tmp_path / "anna.json", "anna")
    assert service.erase("anna").traces == ()
    with service.gallery() as gallery:
        assert [one.look_alikes for one in gallery.people()] == [(), ()]
    service.import_people(file, replace=True)
    service.import_people(tmp_path / "anna.json", replace=True)
    with service.gallery() as gallery:
        assert [one.look_alikes for one in gallery.people()] == [("anna",), ("alice",), ()]


def test_an_unknown_becomes_a_person_or_is_erased(service: PeopleService, erased: list[str]) -> None:
    with service.gallery(create=True) as gallery:
        gallery.store_unknowns(Unknown(f"u-000{n}", unit(n), (unit(n),), 2, 1, 1.0, 1.0, "porch") for n in (1, 2))
    (dave,) = service.enroll_unknown("u-0001", "dave", "Dave", EnrollOptions(ignored=True)).people
    assert (dave.id, dave.ignored) == ("dave", True)
    assert service.erase("u-0002").traces == ()
    assert erased == ["u-0002"]
    with pytest.raises(GalleryError, match="no such unknown"):
        service.enroll_unknown("u-0002", "eve", None)


def test_what_needs_a_gallery_does_not_create_one(service: PeopleService, tmp_path: Path) -> None:
    for work in (lambda: service.erase("joe"), lambda: service.change("joe", name="J"), lambda: people(service)):
        with pytest.raises(GalleryError, match="no gallery here yet"):
            work()
    with pytest.raises(GalleryError, match="no gallery here yet"):
        service.export_people(tmp_path / "people.json")
    assert not (tmp_path / "data").exists()


def test_people_are_exported_and_imported(service: PeopleService, changes: list[Change], tmp_path: Path) -> None:
    put(service, "joe", 1)
    put(service, "eve", 3)
    file = tmp_path / "people.json"
    assert service.export_people(file) == 2
    with pytest.raises(GalleryError, match="already enrolled: eve, joe"):
        service.import_people(file)
    assert service.import_people(file, replace=True) == 2
    assert [change.kind for change in changes] == ["enrolled", "enrolled"]
    assert service.export_people(tmp_path / "joe.json", "joe") == 1
    assert b"eve" not in (tmp_path / "joe.json").read_bytes()


@pytest.fixture(name="guarded")
def _guarded(service: PeopleService, monkeypatch: pytest.MonkeyPatch) -> PeopleService:
    """With a door of level high, which two people of its group may pass at most, and both are enrolled."""
    ship(SHORT, monkeypatch)
    put(service, "p1", 1)
    put(service, "p2", 2)
    door = Door.model_validate({"camera": "porch", "allow": [{"group": "staff"}]})
    more = {"groups": {"staff": ("p1", "p2", "p3", "gone")}, "doors": {"front": door}}
    return replace(service, configuration=service.configuration.model_copy(update=more))


def plan_of(service: PeopleService, person: str, seed: int) -> Plan:
    new = Candidate(person, None, (unit(seed),), "photo")
    return Plan(limits(service.configuration), (new,))


def test_an_enrollment_that_ends_the_level_of_a_door_is_refused_unless_that_is_accepted(
    guarded: PeopleService, changes: list[Change]
) -> None:
    plan = plan_of(guarded, "p3", 3)
    with pytest.raises(LimitError) as caught:
        guarded.enroll_plan(plan, EnrollOptions(anyway=True))
    ways = "a smaller allow-list, another level, a second factor, a better embedder"
    says = f"with this person, door front can no longer guarantee 'high': 3 of 2 people (ways out: {ways})"
    assert (str(caught.value), caught.value.lines, caught.value.plan is None) == (says, (says,), False)
    assert (people(guarded), changes) == (["p1", "p2"], [])
    done = guarded.enroll_plan(plan, EnrollOptions(accept_limits=True))
    assert says in done.notes
    assert [change.facts for change in changes] == [{"person": "p3", "accept_limits": True}]
    # The level has ended already: nothing more is lost.
    with guarded.gallery() as gallery:
        assert "p3" in [person.id for person in gallery.people()]
    guarded.enroll_plan(plan_of(guarded, "p4", 4), EnrollOptions())
    assert changes[-1].facts == {"person": "p4"}


def test_who_may_not_pass_or_is_ignored_ends_no_level_of_a_door(guarded: PeopleService) -> None:
    guarded.enroll_plan(plan_of(guarded, "other", 5), EnrollOptions())
    guarded.enroll_plan(plan_of(guarded, "p3", 3), EnrollOptions(ignored=True))
    guarded.enroll_plan(plan_of(guarded, "p1", 1), EnrollOptions(anyway=True))
    assert people(guarded) == ["other", "p1", "p2", "p3"]


def test_an_import_that_ends_the_level_of_a_door_enrolls_no_one(
    guarded: PeopleService, changes: list[Change], tmp_path: Path
) -> None:
    other = replace(guarded, configuration=Configuration.model_construct(cameras={}, data=tmp_path / "other"))
    put(other, "p3", 3)
    put(other, "p5", 5)
    file = tmp_path / "people.json"
    other.export_people(file)
    with pytest.raises(LimitError, match="with these 2 people, door front can no longer guarantee 'high': 3 of 2"):
        guarded.import_people(file)
    assert (people(guarded), changes) == (["p1", "p2"], [])
    assert guarded.import_people(file, accept_limits=True) == 2
    assert {change.person: change.accept_limits for change in changes} == {"p3": True, "p5": True}


def test_a_laxer_level_at_the_cameras_is_a_note_and_none_at_all_is_refused(
    service: PeopleService, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = ship(replace(SHORT, rows=SHORT.rows[:4]), monkeypatch)
    assert (table.most("normal"), table.most("low")) == (2, 28)
    with service.gallery(create=True) as gallery, gallery.transaction():
        for seed in range(2):
            gallery.enroll(f"p{seed}", None, [Template(unit(seed), gallery.model, "photo", 1.0)], 1.0)
    done = service.enroll_plan(plan_of(service, "p2", 2), EnrollOptions())
    why = "level 'normal' cannot be guaranteed for 3 people, only for 2"
    assert done.notes == (f"with this person, events: {why}: people are matched at level 'low'",)
    with service.gallery() as gallery, gallery.transaction():
        for seed in range(3, 28):
            gallery.enroll(f"p{seed}", None, [Template(unit(seed), gallery.model, "photo", 1.0)], 1.0)
    with pytest.raises(LimitError, match="with this person, events: no one can be matched: "):
        service.enroll_plan(plan_of(service, "p28", 28), EnrollOptions())


def test_an_id_made_from_a_name_is_never_one_that_was_forgotten(service: PeopleService) -> None:
    put(service, "joe-biden", 1)
    put(service, "bob", 2)
    service.erase("joe-biden")
    assert service.id_of(None, "Joe Biden") == "joe-biden-2"
    assert service.id_of("joe-biden", "Joe Biden") == "joe-biden", "someone chose it"
    assert service.id_of(None, "Anna") == "anna"


def test_an_id_made_from_a_name_gives_no_right_that_the_configuration_gives_to_someone_else(
    service: PeopleService,
) -> None:
    door = Door.model_validate({"camera": "porch", "allow": [{"person": "joe"}, {"group": "family"}]}, strict=False)
    named = service.configuration.model_copy(update={"doors": {"front": door}, "groups": {"family": ("anna",)}})
    service = replace(service, configuration=named)
    assert service.id_of(None, "Joe") == "joe-2", "also without a gallery"
    put(service, "bob", 2)
    assert service.id_of(None, "Joe") == "joe-2"
    assert service.id_of(None, "Anna") == "anna-2"
    assert service.id_of("joe", "Joe") == "joe"
