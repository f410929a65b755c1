"""The templates in memory follow the database and the keyring, whatever becomes of either."""

from __future__ import annotations

import datetime as dt
import logging
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg
import pytest

from edgeface.centre.search.following import Following
from edgeface.centre.search.index import Index
from edgeface.centre.tables.templates import Templates
from edgeface.core.errors import FleetError
from tests.support.centre import MODEL, NOW, OTHER_MODEL, SITE, Centre, cut, embedding, entry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TODAY = dt.datetime.fromtimestamp(NOW, dt.timezone.utc).date().toordinal()


@pytest.fixture(name="templates")
def _templates(centre: Centre) -> Templates:
    """Three rows at a time."""
    return Templates(centre.store._database, centre.keyring, page=3)


@pytest.fixture(name="following")
def _following(templates: Templates) -> Iterator[Following]:
    with closing(Following(templates, MODEL, 192, room=5)) as made:
        made.load()
        yield made


def follow(following: Following, calls: int = 1) -> None:
    """Follow until nothing is left, after so many calls."""
    for _ in range(calls - 1):
        assert not following.follow()
    assert following.follow()


def found(following: Following, centre: Centre, site: str = SITE) -> set[str]:
    """The ids of everyone who is found, as a worker finds them."""
    nearest = Index.mapped(following.handle).best(embedding(1), 50, [site], TODAY)
    assert nearest is not None
    ids = {one.person: one.id for one in centre.store.people(site)}
    return {ids.get(one.person, "nobody") for one in nearest}


def ids(*numbers: int) -> set[str]:
    return {f"person-{number}" for number in numbers}


def test_whoever_is_there_is_loaded_and_each_change_is_followed(centre: Centre, templates: Templates) -> None:
    centre.store.add_site("annex")
    centre.store.put_all(SITE, [entry(n) for n in range(7)], "test")
    centre.store.put("annex", entry(20), "test")
    centre.store.put(SITE, entry(8, embeddings={OTHER_MODEL: embedding(8)}), "test")
    with closing(Following(templates, MODEL, 192, room=5)) as following:
        following.load()
        follow(following)
        assert found(following, centre) == ids(*range(7))
        assert found(following, centre, "annex") == ids(20)
        centre.store.put_all(SITE, [entry(n) for n in range(10, 40)], "test")
        # Eight pages of three rows in a call.
        follow(following, calls=2)
        assert found(following, centre) == ids(*range(7), *range(10, 40))
        before, people = following.version, following.people
        centre.store.put(SITE, entry(3, name="Another name"), "test")
        centre.store.put(SITE, entry(8), "test")
        centre.store.forget(SITE, centre.person("person-4"), "test")
        follow(following)
        assert found(following, centre) == ids(*range(4), 5, 6, 8, *range(10, 40))
        assert (following.version, following.people) == (before, people)
        follow(following)


def test_more_people_than_there_is_room_for_move_to_other_memory(centre: Centre, following: Following) -> None:
    assert following.version == 1
    centre.store.put_all(SITE, [entry(n) for n in range(6)], "test")
    follow(following)
    assert following.version == 2
    assert found(following, centre) == ids(*range(6))


def test_a_key_that_is_destroyed_suffices(centre: Centre, following: Following) -> None:
    centre.store.put_all(SITE, [entry(1), entry(2)], "test")
    follow(following)
    with cut(centre) as store:
        store.forget(SITE, centre.person("person-2"), "test")
    follow(following)
    assert following.people == 1
    assert found(following, centre) == ids(1)


def test_who_is_gone_from_the_history_is_gone_here(centre: Centre, following: Following) -> None:
    centre.store.put_all(SITE, [entry(n) for n in range(5)], "test")
    follow(following)
    centre.store.forget(SITE, centre.person("person-0"), "test")
    centre.store.put(SITE, entry(6), "test")
    centre.store.upkeep.raise_floor(SITE, centre.store.site(SITE).seq)
    follow(following)
    assert found(following, centre) == ids(1, 2, 3, 4, 6)


def test_an_older_database_is_read_from_its_beginning(centre: Centre, following: Following) -> None:
    centre.store.put_all(SITE, [entry(n) for n in range(4)], "test")
    follow(following)
    lost = centre.person("person-3")
    with psycopg.connect(centre.conninfo) as connection:
        connection.execute("DELETE FROM templates WHERE person = %s", (lost,))
        connection.execute("DELETE FROM people WHERE person = %s", (lost,))
        connection.execute("UPDATE sites SET seq = 3, count = 3")
    follow(following)
    assert following.people == 3
    assert found(following, centre) == ids(0, 1, 2)


def test_after_a_restore_everyone_is_read_again(centre: Centre, following: Following) -> None:
    centre.store.put_all(SITE, [entry(n) for n in range(4)], "test")
    follow(following)
    centre.store.after_restore()
    follow(following)
    assert found(following, centre) == ids(*range(4))
    assert following.people == 4


def test_templates_that_cannot_be_used_are_left_out(
    centre: Centre, following: Following, caplog: pytest.LogCaptureFixture
) -> None:
    centre.store.put_all(SITE, [entry(n) for n in range(4)], "test")
    follow(following)
    centre.store.put(SITE, entry(1, embeddings={MODEL: embedding(1, 64)}), "test")
    centre.store.put_all(SITE, [entry(2), entry(3)], "test")
    with psycopg.connect(centre.conninfo) as connection:
        connection.execute(
            "UPDATE templates SET sealed = %s WHERE person = %s", (b"x" * 100, centre.person("person-2"))
        )
    with caplog.at_level(logging.ERROR):
        follow(following)
    assert caplog.messages == ["house: 1 templates cannot be opened and are not searched"]
    assert found(following, centre) == ids(0, 3)


def test_a_keyring_that_is_away_or_another_file_is_not_followed(following: Following, tmp_path: Path) -> None:
    follow(following)
    file = tmp_path / "first" / "keyring.db"
    file.rename(tmp_path / "away")
    with pytest.raises(FleetError, match="missing"):
        following.follow()
    file.write_bytes((tmp_path / "away").read_bytes())
    with pytest.raises(FleetError, match="was replaced by another file: start again"):
        following.follow()
    file.unlink()
    (tmp_path / "away").rename(file)
    follow(following)


def test_the_reason_of_a_database_that_is_away_is_one_line(centre: Centre, following: Following) -> None:
    centre.store.close()
    with pytest.raises(FleetError):
        following.follow()
