"""edgeface centre search: real workers over a real database and keyring; who is found, and who no longer is."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest

from edgeface.centre.records import Entry
from edgeface.centre.search.client import SearchClient
from edgeface.centre.search.following import Following
from edgeface.centre.search.messages import PATH, STATE_PATH, Question, to_text
from edgeface.centre.search.service import SearchService
from edgeface.centre.settings import Search
from edgeface.core.errors import FleetError
from edgeface.faces.embedder import embedder_name
from edgeface.gallery.snapshot import day
from tests.support.centre import embedding
from tests.support.centre_search import Searching
from tests.support.centre_server import SITE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edgeface.centre.context import CentreContext
    from edgeface.core.types import Embedding
    from tests.support.centre_server import Running

MODEL = embedder_name()


def enroll(context: CentreContext, number: int, site: str = SITE, *, person_id: str = "", ends: str = "") -> bytes:
    """Put person `number` into a site; gives their random number."""
    name = person_id or f"p{number}"
    given = Entry(id=name, name=name, embeddings={MODEL: embedding(number)}, expires=ends or None)
    context.store.put(site, given, "test")
    return next(one.person for one in context.store.people(site) if one.id == name)


def people(searching: Searching, face: Embedding, sites: list[str] | None = None, most: int = 10) -> list[str]:
    """The numbers of the candidates."""
    return [one.person for one in searching.client.search(MODEL, face, most, sites)]


def asked(searching: Searching, body: bytes, kind: str = "application/json", path: str = PATH) -> int:
    """The status of an answer to any bytes."""
    with closing(http.client.HTTPConnection("localhost", timeout=10)) as connection:
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(10)
        connection.sock.connect(str(next(searching.settings.sockets.glob("worker-*.sock"))))
        with suppress(BrokenPipeError):  # a refusal may come before all is sent
            connection.request("POST", path, body, {"Content-Type": kind})
        return connection.getresponse().status


@pytest.fixture(scope="module", name="searching")
def _searching(shared: Running) -> Iterator[Searching]:
    """Two workers over the centre of this file."""
    shared.context.store.add_site("annex")
    made = Searching(shared.context, workers=2)
    made.wait(lambda state: state.ready == 2)
    yield made
    made.close()


def test_without_workers_the_reason_is_one_line(tmp_path: Path) -> None:
    for settings in (Search(sockets=tmp_path), Search(balancer=tmp_path / "nothing.sock")):
        with pytest.raises(FleetError, match="no search worker runs: edgeface centre search"):
            SearchClient(settings).search(MODEL, embedding(1), 10, None)


@pytest.mark.slow(seconds=8)
def test_in_an_empty_centre_no_one_is_found_and_whoever_comes_is(shared: Running, searching: Searching) -> None:
    assert people(searching, embedding(1)) == []
    first = enroll(shared.context, 1)
    searching.wait(lambda state: state.people == 1)
    assert people(searching, embedding(1)) == [first.hex()]
    (found,) = searching.client.search(MODEL, embedding(1), 10, [SITE])
    assert (found.site, round(found.score, 3)) == (SITE, 1.0)
    shared.context.store.forget(SITE, first, "test")
    searching.wait(lambda state: state.people == 0)
    assert people(searching, embedding(1)) == []


@pytest.mark.slow(seconds=2)
def test_who_is_forgotten_is_gone_from_all_workers_within_two_seconds(shared: Running, searching: Searching) -> None:
    kept, gone = enroll(shared.context, 2), enroll(shared.context, 3)
    searching.wait(lambda state: state.people == 2)
    assert people(searching, embedding(3)) == [gone.hex(), kept.hex()]
    shared.context.store.forget(SITE, gone, "test")
    time.sleep(2)
    assert {tuple(people(searching, embedding(3))) for _ in range(8)} == {(kept.hex(),)}
    shared.context.store.forget(SITE, kept, "test")
    searching.wait(lambda state: state.people == 0)


@pytest.mark.slow(seconds=2)
def test_people_of_other_sites_never_appear_not_even_as_the_second_best(shared: Running, searching: Searching) -> None:
    here = enroll(shared.context, 4)
    there = [enroll(shared.context, 4, "annex"), enroll(shared.context, 5, "annex")]
    searching.wait(lambda state: state.people == 3)
    assert people(searching, embedding(4), [SITE], 50) == [here.hex()]
    assert set(people(searching, embedding(4), ["annex"], 50)) == {one.hex() for one in there}
    assert people(searching, embedding(4), ["nowhere"]) == []
    assert people(searching, embedding(4), []) == []
    # Two with one face: both are named, and the third after them.
    assert people(searching, embedding(4))[2] == there[1].hex()
    assert len(people(searching, embedding(4), most=1)) == 1
    for site, person in ((SITE, here), *(("annex", one) for one in there)):
        shared.context.store.forget(site, person, "test")
    searching.wait(lambda state: state.people == 0)


@pytest.mark.slow(seconds=2)
def test_a_key_that_is_destroyed_suffices(shared: Running, searching: Searching) -> None:
    """As after a crash between keyring and database: the row still says that the person is there."""
    shared.context.store.add_site("crashed")
    gone = enroll(shared.context, 6, "crashed")
    searching.wait(lambda state: state.people == 1)
    keyring = shared.context.store.templates._keyring
    keyring.destroy([gone])
    searching.wait(lambda state: state.people == 0)
    assert people(searching, embedding(6)) == []


@pytest.mark.slow(seconds=2)
def test_whose_consent_has_ended_is_not_found(shared: Running, searching: Searching) -> None:
    today = day(time.time())
    enroll(shared.context, 7, ends=today)
    later = enroll(shared.context, 8, ends="2999-01-01")
    searching.wait(lambda state: state.people == 2)
    assert people(searching, embedding(7)) == [later.hex()]
    for one in shared.context.store.people(SITE):
        shared.context.store.forget(SITE, one.person, "test")
    searching.wait(lambda state: state.people == 0)


def test_hostile_bodies_are_refused_and_the_next_question_is_answered(searching: Searching) -> None:
    face = to_text(embedding(1))
    good = {"model": MODEL, "embedding": face, "sites": None, "most": 10}
    given = Question(**good)  # type: ignore[arg-type]  # of one dictionary
    assert asked(searching, given.model_dump_json().encode()) == 200
    for wrong in (
        {"most": 0}, {"most": 51}, {"most": "10"}, {"embedding": face[:100]}, {"embedding": "!" * 100},
        {"embedding": to_text(embedding(1) * 2)}, {"embedding": to_text(embedding(1) * float("nan"))},
        {"sites": ["../x"]}, {"sites": ["a"] * 501}, {"model": "x" * 121}, {"photo": "x"},
    ):  # fmt: skip
        text = given.model_dump() | wrong
        assert asked(searching, json.dumps(text).encode()) == 422, wrong
    for body, status in ((b"", 400), (b"{", 400), (b"[" * 10_000, 400), (b"\xff", 400), (bytes(70_000), 413)):
        assert asked(searching, body) == status
    assert asked(searching, given.model_dump_json().encode(), "text/plain") == 415
    assert asked(searching, b"", path="/nothing") == 404
    assert asked(searching, b"{}", path=STATE_PATH) == 405
    assert people(searching, embedding(1)) == []
    assert "Traceback" not in searching.log


def test_a_worker_gets_no_password_and_no_key(context: CentreContext) -> None:
    with closing(Following(context.store.templates, MODEL, 192)) as following:
        given = json.loads(SearchService(context.settings, following, MODEL).handover(replacement=False))
    assert given == {"replacement": False, "model": MODEL, "log": {"level": "info", "format": "text"}}


def test_templates_of_another_model_are_not_compared(searching: Searching) -> None:
    with pytest.raises(FleetError, match="those of another model"):
        searching.client.search("large:89abcdef", embedding(1), 10, None)
    with pytest.raises(FleetError, match="192 numbers here, not 64"):
        searching.client.search(MODEL, embedding(1, 64), 10, None)


@pytest.mark.slow(seconds=4)
def test_a_worker_that_is_killed_is_replaced_and_meanwhile_the_other_answers(searching: Searching) -> None:
    killed = searching.workers()[0]
    os.kill(killed, signal.SIGKILL)
    for _ in range(20):
        assert people(searching, embedding(1)) == []
    searching.wait(lambda state: state.ready == 2 and state.restarts == 1)
    assert killed not in searching.workers()


@pytest.mark.slow(seconds=3)
@pytest.mark.parametrize("away", ["keyring", "process"])
def test_no_one_is_found_while_the_people_cannot_be_followed(context: CentreContext, tmp_path: Path, away: str) -> None:
    enroll(context, 1)
    with closing(Searching(context)) as searching:
        searching.wait(lambda state: state.people == 1)
        assert len(people(searching, embedding(1))) == 1
        folder = tmp_path / "data" / "keyring"
        if away == "keyring":
            folder.rename(tmp_path / "away")
        else:
            searching.process.send_signal(signal.SIGSTOP)
        time.sleep(10.5)
        with pytest.raises(FleetError, match="the people cannot be followed"):
            people(searching, embedding(1))
        if away == "keyring":
            assert "the people cannot be followed, so no one will be found" in searching.log
            (tmp_path / "away").rename(folder)
        else:
            searching.process.send_signal(signal.SIGCONT)
        searching.wait()
        assert len(people(searching, embedding(1))) == 1
        assert searching.stop() == 0
