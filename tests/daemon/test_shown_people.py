"""The people of `mqtt.people`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edgeface.config import loader
from edgeface.core.errors import ConfigError
from edgeface.daemon.shown_people import MAX_PEOPLE, ShownPeople
from edgeface.gallery.snapshot import GallerySnapshot, Person, make_snapshot
from tests.support.embeddings import unit

if TYPE_CHECKING:
    from edgeface.config.configuration import Configuration


def configured(people: str, groups: str = "{family: [alice, bob, gone]}") -> Configuration:
    text = f"cameras: {{porch: {{type: replay, path: clip.mp4}}}}\nmqtt: {{{people}}}\ngroups: {groups}\n"
    return loader.parse(text.encode(), "config.yaml")


def gallery(*ids: str, ignored: tuple[str, ...] = ()) -> GallerySnapshot:
    people = [Person(one, one.title(), one in ignored, 0.0, 1, 0) for one in (*ids, *ignored)]
    return make_snapshot(people, {one.id: [unit(number)] for number, one in enumerate(people)})


@pytest.mark.parametrize(
    ("people", "shown"),
    [
        ("", {}),
        ("people: family", {"alice": "Alice", "bob": "Bob"}),
        ("people: everyone", {"alice": "Alice", "bob": "Bob", "carol": "Carol"}),
    ],
)
def test_those_who_are_named_enrolled_and_not_ignored(people: str, shown: dict[str, str]) -> None:
    configuration, view = configured(people), gallery("alice", "bob", "carol", ignored=("ignored-7f3a", "gone"))
    made = ShownPeople(lambda: configuration, lambda: view)
    assert made() == shown
    assert made.problem is None


def test_a_change_of_anyone_else_gives_the_same_object_and_a_new_name_another() -> None:
    views = [gallery("alice")]
    made = ShownPeople(lambda: configured("people: family"), lambda: views[-1])
    before = made()
    views.append(gallery("alice", "carol"))
    assert made() is before
    views.append(make_snapshot([Person("alice", "Al", False, 0.0, 1, 0)], {"alice": [unit(1)]}))
    assert made() == {"alice": "Al"}


def test_more_people_than_home_assistant_should_show_are_left_out_and_named_as_a_problem() -> None:
    configuration, view = configured("people: everyone"), gallery(*(f"p{n:04}" for n in range(MAX_PEOPLE + 3)))
    made = ShownPeople(lambda: configuration, lambda: view)
    assert len(made() or ()) == MAX_PEOPLE
    assert (
        made.problem == f"mqtt.people: {MAX_PEOPLE + 3} people; the first {MAX_PEOPLE} by id have sensors, 3 have none"
    )


def test_before_the_gallery_is_open_no_one_knows() -> None:
    configuration = configured("people: everyone")
    assert ShownPeople(lambda: configuration, lambda: None)() is None


def test_a_group_that_there_is_not_is_a_mistake_of_the_configuration() -> None:
    with pytest.raises(ConfigError, match=r"mqtt\.people: no such group; there are family, everyone"):
        configured("people: friends")
