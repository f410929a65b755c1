"""Self-enrollment: a link from an admin, photos from a phone without sign-in, and the admin's decision."""

from __future__ import annotations

import html
import json
import re
import stat
import threading
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

pytest.importorskip("starlette")

from edgeface.core.clock import DAY
from edgeface.core.errors import GalleryError, VaultError
from edgeface.faces.embedder import embedder_name
from edgeface.gallery import proposal_file
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.proposal_file import MAX_FACES, MAX_LINKS, MAX_PROPOSALS, ProposalBook, ProposalFile
from edgeface.gallery.thumbnails import preview
from edgeface.people import retention
from edgeface.people.self_enrollment import DECIDED, LINK_SECONDS, MAX_TRIES, text_version
from edgeface.security import integrity
from edgeface.security.vault import open_vault
from edgeface.web.http.throttle import ADDRESS_TRIES, LinkThrottle
from edgeface.web.texts import self_enrollment_strings as texts
from edgeface.web.texts import strings
from tests.support import hostile
from tests.support.clock import FixedClock
from tests.support.photos import FOLDER
from tests.support.web import Stage, client, context, make_app, stage  # noqa: F401 - fixtures
from tests.web.test_pages import Markup, post, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    from starlette.testclient import TestClient

    Make = Callable[..., TestClient]

# Fixtures of tests/support/web.py are arguments here.
# ruff: noqa: F811

PAGE = "https://localhost"
TLS = "web: {hosts: [localhost], port: 443, tls: {certificate: /none.pem, key: /none.key}}"


@pytest.fixture
def admin(client: Make, stage: Stage) -> TestClient:
    """An admin of a device that is reached as https://localhost."""
    configure(stage, TLS)
    return client("admin")


@pytest.fixture
def phone(stage: Stage) -> TestClient:
    return phone_of(stage)


def phone_of(stage: Stage, base: str = PAGE, **more: Any) -> TestClient:
    """A browser without any access."""
    from starlette.testclient import TestClient

    return TestClient(stage.app, base_url=base, follow_redirects=False, **more)


def configure(stage: Stage, web: str, more: str = "") -> None:
    """Replace the section web of config.yaml, and add to the section privacy."""
    source = stage.folder / "config.yaml"
    text = re.sub(r"(?m)^web: .*$", web, source.read_text())
    source.write_text(re.sub(r"(?m)^privacy: .*$", f"privacy: {{pictures: all{more}}}", text))
    stage.context.reload()


def invited(admin: TestClient, **fields: str) -> str:
    """The path of a new link."""
    answer = post(admin, "/proposals/links", fields or {"name": "Joe Biden"})
    assert answer.status_code == 200, text_of(answer)
    (address,) = [one["value"] for one in Markup(answer.text).all("input") if one.get("id") == "address"]
    assert address.startswith(f"{PAGE}:443/join/")
    return address.removeprefix(f"{PAGE}:443")


def send(phone: TestClient, path: str, *photos: str, **fields: str) -> httpx.Response:
    """Agree to the text as the page has it now, and send photos of tests/data."""
    version = re.search(r'name="text" value="(\w+)"', phone.get(path).text)
    form = {"agree": "1", "text": version[1] if version else "", **fields}
    files = [("photos", (f"{name}.jpg", (FOLDER / f"{name}.jpg").read_bytes(), "image/jpeg")) for name in photos]
    return phone.post(path, data=form, files=files or None)  # type: ignore[no-any-return]


def book(stage: Stage) -> ProposalBook:
    return ProposalFile(stage.data, open_vault(stage.data)).read()


def enrolled(stage: Stage) -> list[str]:
    model = embedder_name(stage.context.configuration().embedder.model)
    with closing(Gallery.open(stage.data, model)) as gallery:
        return [one.id for one in gallery.people()]


def steps(stage: Stage) -> list[str]:
    return [facts["step"] for kind, facts in stage.notes if kind == "proposal"]


def recognised(admin: TestClient) -> list[str | None]:
    """Who the device sees in the photo of Joe Biden."""
    photo = (FOLDER / "biden.jpg").read_bytes()
    answer = admin.post("/api/v1/recognise", content=photo, headers={"content-type": "image/jpeg"})
    assert answer.status_code == 200, answer.text
    return [face.get("person") for face in answer.json()["faces"]]


def test_from_the_link_to_the_match(admin: TestClient, phone: TestClient, stage: Stage) -> None:
    path = invited(admin)
    shown = phone.get(path)
    assert shown.status_code == 200
    page = Markup(shown.text)
    assert (page.wrong, page.open) == ([], [])
    assert "Joe Biden" in shown.text
    assert html.escape(texts.JOIN_CONSENT) in shown.text
    assert [one["capture"] for one in page.all("input") if "capture" in one] == ["user"] * 3
    assert page.all("nav") == []
    sent = send(phone, path, "biden")
    assert sent.status_code == 200
    assert "1 photo arrived" in text_of(sent)
    # Nobody is matched by the photos before someone has looked.
    assert enrolled(stage) == ["barack", "eileen"]
    assert recognised(admin) == [None]
    assert "1 self-enrollment to look at" in text_of(admin.get("/people"))
    waiting = admin.get("/proposals")
    (picture,) = [one["src"] for one in Markup(waiting.text).all("img") if "/faces/" in one["src"]]
    assert admin.get(picture).headers["content-type"] == "image/jpeg"
    done = post(admin, picture.replace("faces/0", "confirm"), {})
    assert done.headers["location"] == "/people/joe-biden?done=enrolled"
    assert enrolled(stage) == ["barack", "eileen", "joe-biden"]
    assert recognised(admin) == ["joe-biden"]
    assert steps(stage) == ["invited", "proposed", "confirmed"]
    (facts,) = [facts for kind, facts in stage.notes if kind == "proposal" and facts["step"] == "confirmed"]
    assert facts["text"] == text_version(texts.JOIN_CONSENT)
    assert facts["person"] == "joe-biden"
    given = facts["agreed"][:10]
    assert ("consent", {"person": "joe-biden", "given": given, "expires": None}) in stage.notes
    assert given in admin.get("/people/joe-biden").text
    assert texts.PROPOSALS_NONE in admin.get("/proposals").text
    assert book(stage) == ProposalBook()


def test_a_link_works_once(admin: TestClient, phone: TestClient, stage: Stage) -> None:
    path = invited(admin)
    assert send(phone, path, "biden").status_code == 200
    for again in (phone.get(path), send(phone, path, "biden")):
        assert (again.status_code, texts.JOIN_GONE in html.unescape(again.text)) == (404, True)
    assert len(book(stage).proposals) == 1


def test_a_link_ends_after_an_hour(stage: Stage) -> None:
    clock = FixedClock(epoch=stage.context.clock.wall())
    context = replace(stage.context, clock=clock)
    token, _ = context.self_enrollments.invite(None, "Joe")
    clock.now = LINK_SECONDS - 1
    assert context.self_enrollments.find(token) is not None
    clock.now = LINK_SECONDS
    assert context.self_enrollments.find(token) is None
    with pytest.raises(GalleryError, match="more than an hour old"):
        context.self_enrollments.propose(token, [("a.jpg", (FOLDER / "biden.jpg").read_bytes())], "x")


def test_a_link_that_is_withdrawn_or_made_again_ends(admin: TestClient, phone: TestClient, stage: Stage) -> None:
    first = invited(admin, id="barack")
    second = invited(admin, id="barack")
    assert phone.get(first).status_code == 404
    assert phone.get(second).status_code == 200
    (link,) = book(stage).links
    assert post(admin, f"/proposals/links/{link.id}/withdraw", {}).status_code == 303
    assert phone.get(second).status_code == 404


def test_two_links_for_one_name_are_for_two_people(admin: TestClient, stage: Stage) -> None:
    invited(admin)
    invited(admin)
    assert sorted(book(stage).people) == ["joe-biden", "joe-biden-2"]


def test_an_id_that_waits_is_not_made_again_for_someone_else(
    admin: TestClient, phone: TestClient, stage: Stage
) -> None:
    path = invited(admin, name="Joe Biden")
    assert admin.get("/enroll/id", params={"name": "Joe Biden"}).json() == {"id": "joe-biden-2"}
    send(phone, path, "biden")
    assert admin.get("/enroll/id", params={"name": "Joe Biden"}).json() == {"id": "joe-biden-2"}
    post(admin, f"/proposals/{book(stage).proposals[0].id}/refuse", {})
    assert admin.get("/enroll/id", params={"name": "Joe Biden"}).json() == {"id": "joe-biden"}


def test_nothing_is_taken_without_consent_to_the_text_as_it_is(
    admin: TestClient, phone: TestClient, stage: Stage
) -> None:
    path = invited(admin)
    refused = send(phone, path, "biden", agree="")
    assert (refused.status_code, texts.JOIN_AGREE_FIRST in text_of(refused)) == (409, True)
    old = text_version(texts.JOIN_CONSENT)
    configure(stage, TLS, ", consent_text: I agree to something else.")
    assert "I agree to something else." in phone.get(path).text
    changed = send(phone, path, "biden", text=old)
    assert (changed.status_code, texts.JOIN_TEXT_CHANGED in text_of(changed)) == (409, True)
    assert book(stage).proposals == ()
    assert send(phone, path, "biden").status_code == 200
    assert book(stage).proposals[0].text == text_version("I agree to something else.")


def test_the_answer_does_not_say_whose_face_it_is_and_the_admin_is_told(
    admin: TestClient, phone: TestClient, stage: Stage
) -> None:
    sent = send(phone, invited(admin), "obama2")
    assert sent.status_code == 200
    assert "barack" not in sent.text.lower()
    (one,) = book(stage).proposals
    refused = post(admin, f"/proposals/{one.id}/confirm", {})
    assert refused.status_code == 409
    assert "already enrolled as barack" in text_of(refused)
    assert enrolled(stage) == ["barack", "eileen"]
    assert len(book(stage).proposals) == 1, "it stays until someone decides"
    done = post(admin, f"/proposals/{one.id}/confirm", {"different_people": "1"})
    assert done.headers["location"] == "/people/joe-biden?done=enrolled"
    assert ("enrolled", {"person": "joe-biden", "different_people": True}) in stage.notes


def test_photos_of_another_face_raise_the_question(admin: TestClient, phone: TestClient, stage: Stage) -> None:
    send(phone, invited(admin, id="barack"), "biden")
    (one,) = book(stage).proposals
    asked = post(admin, f"/proposals/{one.id}/confirm", {})
    assert (asked.status_code, strings.DOUBT in asked.text) == (409, True)
    hidden = {f["name"]: f["value"] for f in Markup(asked.text).all("input") if f["type"] == "hidden"}
    assert steps(stage) == ["invited", "proposed"]
    assert post(admin, f"/proposals/{one.id}/confirm", hidden).headers["location"] == "/people/barack?done=enrolled"
    assert ("enrolled", {"person": "barack", "anyway": True}) in stage.notes


def test_photos_of_two_people_raise_the_question(admin: TestClient, phone: TestClient, stage: Stage) -> None:
    path = invited(admin)
    post(admin, "/people/barack/forget", {"confirm": "barack"})
    send(phone, path, "obama", "biden")
    (one,) = book(stage).proposals
    assert strings.DOUBT in post(admin, f"/proposals/{one.id}/confirm", {}).text


def test_a_refusal_erases_the_photos(admin: TestClient, phone: TestClient, stage: Stage) -> None:
    send(phone, invited(admin), "biden")
    (one,) = book(stage).proposals
    assert post(admin, f"/proposals/{one.id}/refuse", {}).headers["location"] == "/proposals?done=proposal_refused"
    assert book(stage) == ProposalBook()
    assert steps(stage) == ["invited", "proposed", "refused"]
    again = post(admin, f"/proposals/{one.id}/confirm", {})
    assert (again.status_code, DECIDED[1:] in text_of(again)) == (409, True)
    assert enrolled(stage) == ["barack", "eileen"]


def test_without_an_https_address_there_is_no_link_and_the_page_says_what_to_set(
    client: Make, stage: Stage, phone: TestClient
) -> None:
    admin = client("admin")
    shown = text_of(admin.get("/proposals"))
    for key in ("web.tls", "web.hosts", "notify.page", "web.trusted_proxies"):
        assert key in shown
    made = post(admin, "/proposals/links", {"name": "Joe"})
    assert "/join/" not in made.text
    assert book(stage).links == ()
    token, _ = stage.context.self_enrollments.invite(None, "Joe")
    assert phone.get(f"/join/{token}").status_code == 421


@pytest.mark.parametrize(
    "base", ["http://localhost", "https://127.0.0.1", "https://localhost:8443", "http://localhost:443", "https://[::1]"]
)
def test_a_link_works_at_its_address_only(admin: TestClient, stage: Stage, base: str) -> None:
    path = invited(admin)
    assert phone_of(stage, base).get(path).status_code == 421
    assert phone_of(stage, base).post(path, data={"agree": "1"}).status_code == 421
    assert phone_of(stage).get(path, headers={"host": "evil.example"}).status_code == 421
    assert phone_of(stage).get(path).status_code == 200


def test_a_proxy_that_is_trusted_may_end_tls(admin: TestClient, stage: Stage) -> None:
    path = invited(admin)
    settings = stage.context.configuration().web
    assert settings is not None
    app = make_app(stage.context, settings.model_copy(update={"trusted_proxies": ("10.0.0.9",)}))
    behind = replace(stage, app=app)
    assert phone_of(behind, "http://localhost:443", client=("10.0.0.9", 1)).get(path).status_code == 200
    assert phone_of(behind, "http://localhost:443", client=("10.0.0.8", 1)).get(path).status_code == 421


def test_photos_arrive_through_a_proxy_that_ends_tls(admin: TestClient, stage: Stage) -> None:
    path = invited(admin)
    settings = stage.context.configuration().web
    assert settings is not None
    app = make_app(stage.context, settings.model_copy(update={"trusted_proxies": ("10.0.0.9",)}))
    # As a browser sends it to https://localhost; the proxy passes it on over http.
    sent = {"host": "localhost", "origin": "https://localhost", "sec-fetch-site": "same-origin"}
    phone = phone_of(replace(stage, app=app), "http://localhost:443", client=("10.0.0.9", 1), headers=sent)
    answer = send(phone, path, "biden")
    assert answer.status_code == 200, text_of(answer)
    assert [one.person for one in book(stage).proposals] == ["joe-biden"]
    assert phone.post(path, headers={"origin": "https://evil.example"}).status_code == 403


def test_guesses_are_limited_by_address_and_a_right_token_does_not_help(
    admin: TestClient, phone: TestClient, stage: Stage
) -> None:
    path = invited(admin)
    answers = [phone.get(f"/join/{number:032}").status_code for number in range(ADDRESS_TRIES + 2)]
    assert answers == [404] * ADDRESS_TRIES + [429] * 2
    right = phone.get(path)
    assert (right.status_code, int(right.headers["retry-after"]) >= 1) == (429, True)
    assert phone.post(path, data={"agree": "1"}).status_code == 429
    other = phone_of(stage, client=("192.0.2.7", 1))
    assert other.get(path).status_code == 200


def test_wrong_tokens_of_any_number_of_addresses_do_not_delay_a_right_one(
    admin: TestClient, phone: TestClient, stage: Stage
) -> None:
    path = invited(admin)
    throttle: LinkThrottle = stage.app.state.joining.throttle
    for number in range(5000):
        throttle.failed(f"198.51.{number // 250}.{number % 250}")
    for number in range(12):
        others = phone_of(stage, client=(f"192.0.2.{number}", 1))
        for guess in range(10):
            assert others.get(f"/join/{number:02}{guess:030}").status_code == 404
    assert phone.get(path).status_code == 200


def test_a_token_with_another_method_or_from_another_site_is_refused(
    admin: TestClient, phone: TestClient, stage: Stage
) -> None:
    path = invited(admin)
    for method in ("PUT", "DELETE", "PATCH"):
        assert phone.request(method, path).status_code == 405
    foreign = phone.post(path, data={"agree": "1"}, headers={"origin": "https://evil.example"})
    assert foreign.status_code == 403
    assert phone.get(path + "x").status_code == 404
    assert phone.get("/join/").status_code == 404
    assert len(book(stage).links) == 1


def test_a_link_gives_no_other_access(admin: TestClient, phone: TestClient, client: Make, stage: Stage) -> None:
    path = invited(admin)
    token = path.rpartition("/")[2]
    assert phone.get("/people", headers={"authorization": f"Bearer {token}"}).status_code == 401
    assert phone.post("/login", data={"secret": token}).headers["location"] == "/login?wrong=1"
    send(phone, path, "biden")
    (one,) = book(stage).proposals
    face = f"/proposals/{one.id}/faces/0"
    assert phone.get(face).headers["location"].startswith("/login")
    viewer = client("viewer")
    assert viewer.get(face).status_code == 403
    assert viewer.get("/proposals").status_code == 403
    assert "/proposals" not in viewer.get("/people").text
    for verb in ("confirm", "refuse"):
        assert post(viewer, f"/proposals/{one.id}/{verb}", {}).status_code == 403
    assert admin.get(f"/proposals/{one.id}/faces/9").status_code == 404


@pytest.mark.parametrize("name", ["bomb.png", "polyglot-html.bmp", "two.jpg"])
def test_hostile_files_are_named_and_the_link_stays(
    admin: TestClient, phone: TestClient, stage: Stage, name: str
) -> None:
    path = invited(admin)
    data = hostile.corpus().get(name, b"\x89PNG\r\n\x1a\n" + bytes(100))
    form = {"agree": "1", "text": text_version(texts.JOIN_CONSENT)}
    answer = phone.post(path, data=form, files=[("photos", ("<b>x</b>.jpg", data, "image/jpeg"))])
    assert answer.status_code in {200, 409}
    assert "<b>" not in answer.text
    assert len(book(stage).links) + len(book(stage).proposals) == 1


def test_uploads_without_a_usable_photo_use_the_link_up(admin: TestClient, phone: TestClient, stage: Stage) -> None:
    path = invited(admin)
    form = {"agree": "1", "text": text_version(texts.JOIN_CONSENT)}
    for number in range(MAX_TRIES):
        assert phone.get(path).status_code == 200
        answer = phone.post(path, data=form, files=[("photos", (f"{number}.jpg", b"x", "image/jpeg"))])
        assert answer.status_code == 409
        assert f"{number}.jpg: not a photo" in text_of(answer)
    assert phone.get(path).status_code == 404
    assert book(stage) == ProposalBook()
    assert "proposed" not in steps(stage)


def test_what_one_link_may_send_is_bounded(admin: TestClient, phone: TestClient, stage: Stage) -> None:
    path = invited(admin)
    assert send(phone, path, *["biden"] * 11).status_code == 400
    large = phone.post(path, data={"agree": "1"}, files=[("photos", ("a.jpg", bytes(11_000_000), "image/jpeg"))])
    assert large.status_code == 413
    assert send(phone, path, *["biden"] * 8).status_code == 200
    (one,) = book(stage).proposals
    assert len(one.faces) == MAX_FACES


def test_one_link_sends_one_request_at_a_time(admin: TestClient, phone: TestClient, stage: Stage) -> None:
    path = invited(admin)
    joining = stage.app.state.joining
    with joining.only(book(stage).links[0].id):
        assert send(phone, path, "biden").status_code == 429
    assert send(phone, path, "biden").status_code == 200


def test_of_two_at_the_same_moment_one_is_stored(admin: TestClient, stage: Stage) -> None:
    token = invited(admin).rpartition("/")[2]
    photo = [("a.jpg", (FOLDER / "biden.jpg").read_bytes())]
    outcomes: list[str] = []

    def propose() -> None:
        try:
            stage.context.self_enrollments.propose(token, photo, "x")
            outcomes.append("stored")
        except GalleryError as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=propose) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert outcomes.count("stored") == 1
    assert len(book(stage).proposals) == 1


def test_of_two_who_decide_at_the_same_moment_one_does_and_the_other_is_told(
    admin: TestClient, phone: TestClient, client: Make, stage: Stage
) -> None:
    send(phone, invited(admin), "biden")
    (one,) = book(stage).proposals
    other = client("admin")
    answers: list[httpx.Response] = []
    refusing = threading.Thread(
        target=lambda: answers.append(post(other, f"/proposals/{one.id}/refuse", {})), daemon=True
    )
    record = stage.context.record

    def refuse_meanwhile(kind: str, facts: Any) -> None:
        """The other admin refuses after the person was enrolled, and before the proposal is erased."""
        record(kind, facts)
        if kind == "enrolled":
            refusing.start()
            refusing.join(1.0)

    stage.app.state.context = replace(stage.context, record=refuse_meanwhile)
    confirmed = post(admin, f"/proposals/{one.id}/confirm", {})
    refusing.join(20.0)
    assert (confirmed.status_code, confirmed.headers["location"]) == (303, "/people/joe-biden?done=enrolled")
    (refused,) = answers
    assert (refused.status_code, DECIDED[1:] in text_of(refused)) == (409, True)
    assert steps(stage)[-1] == "confirmed"
    assert "refused" not in steps(stage)
    again = post(admin, f"/proposals/{one.id}/confirm", {})
    assert (again.status_code, DECIDED[1:] in text_of(again)) == (409, True)


def test_links_and_proposals_are_bounded(admin: TestClient, phone: TestClient, stage: Stage) -> None:
    file = ProposalFile(stage.data, open_vault(stage.data))
    last = invited(admin)
    send(phone, last, "biden")
    (one,) = book(stage).proposals
    more = tuple(one.model_copy(update={"id": f"{number:012x}"}) for number in range(MAX_PROPOSALS))
    file.change(lambda _: ProposalBook(proposals=more))
    full = send(phone, invited(admin), "biden")
    assert (full.status_code, "too many photos wait" in full.text) == (409, True)
    for number in range(MAX_LINKS - 1):
        stage.context.self_enrollments.invite(None, f"Person {number}")
    refused = post(admin, "/proposals/links", {"name": "One more"})
    assert (refused.status_code, "there are 16 links already" in text_of(refused).lower()) == (409, True)


def test_forgetting_a_person_erases_their_links_and_every_proposal_of_their_face(
    admin: TestClient, phone: TestClient, stage: Stage
) -> None:
    send(phone, invited(admin, name="Other"), "obama2")
    send(phone, invited(admin, name="Joe"), "biden")
    invited(admin, id="barack")
    proof = post(admin, "/people/barack/forget", {"confirm": "barack"})
    assert "No trace was found" in text_of(proof)
    left = book(stage)
    assert [one.person for one in left.proposals] == ["joe"]
    assert left.links == ()


def about(stage: Stage, who: str) -> list[str]:
    """The kinds of the rows of the journal about someone."""
    return [entry.row.kind for entry in stage.context.journal.rows(who=who)]


def test_who_was_refused_can_be_forgotten(admin: TestClient, phone: TestClient, stage: Stage) -> None:
    send(phone, invited(admin), "biden")
    post(admin, f"/proposals/{book(stage).proposals[0].id}/refuse", {})
    invited(admin, id="late")
    assert about(stage, "joe-biden") == ["proposal"] * 3
    proof = stage.context.people.erase("joe-biden", "late", "eileen")
    assert proof.traces == ()
    assert [about(stage, who) for who in ("joe-biden", "late", "eileen")] == [[], [], []]
    assert book(stage) == ProposalBook()
    assert enrolled(stage) == ["barack"]
    with pytest.raises(GalleryError, match="joe-biden: no one is enrolled"):
        stage.context.people.erase("joe-biden")


def test_forgetting_a_person_empties_what_was_written_about_a_proposal_of_their_face(
    admin: TestClient, phone: TestClient, stage: Stage
) -> None:
    send(phone, invited(admin, name="Other"), "obama2")
    send(phone, invited(admin, id="eileen"), "obama2")
    send(phone, invited(admin, name="Joe"), "biden")
    stage.context.people.erase("barack")
    assert about(stage, "other") == []
    assert about(stage, "eileen").count("proposal") == 2, "the rows of someone enrolled are about them"
    assert about(stage, "joe") == ["proposal"] * 2


def test_what_nobody_looks_at_is_erased_after_days(admin: TestClient, phone: TestClient, stage: Stage) -> None:
    configure(stage, TLS, ", proposal_days: 3")
    send(phone, invited(admin), "biden")
    invited(admin, name="Late")
    configuration, wall = stage.context.configuration(), stage.context.clock.wall()
    with stage.context.gallery() as gallery:
        retention.expire(gallery, configuration, wall + 2.9 * DAY, synced=True, alike=0.9)
        assert len(book(stage).proposals) == 1
        assert book(stage).links == ()
        retention.expire(gallery, configuration, wall + 3.1 * DAY, synced=False, alike=0.9)
        assert len(book(stage).proposals) == 1, "not with a clock that may be wrong"
        retention.expire(gallery, configuration, wall + 3.1 * DAY, synced=True, alike=0.9)
    assert book(stage) == ProposalBook()


def test_the_file_is_sealed_and_has_no_token(admin: TestClient, phone: TestClient, stage: Stage) -> None:
    path = invited(admin)
    token = path.rpartition("/")[2]
    link = (stage.data / proposal_file.FILE).read_bytes()
    plain = book(stage).model_dump_json()
    assert token not in plain
    send(phone, path, "biden")
    (one,) = book(stage).proposals
    stored = (stage.data / proposal_file.FILE).read_bytes()
    for data in (link, stored):
        assert b"joe-biden" not in data
        assert b"Joe Biden" not in data
        assert token.encode() not in data
    assert one.faces[0].vector.astype("<f4").tobytes()[:16] not in stored
    assert one.faces[0].jpeg[100:140] not in stored
    assert stat.S_IMODE((stage.data / proposal_file.FILE).stat().st_mode) == 0o600
    everything = json.dumps([facts for _, facts in stage.notes])
    assert token not in everything
    assert "Joe" not in everything
    assert "/join/" not in admin.get("/proposals").text


def test_a_file_that_was_put_back_or_altered_is_named(admin: TestClient, phone: TestClient, stage: Stage) -> None:
    path = invited(admin)
    file = stage.data / proposal_file.FILE
    old = file.read_bytes()
    send(phone, path, "biden")
    assert integrity.check(stage.data, open_vault(stage.data)) == []
    file.write_bytes(old)
    (found,) = integrity.check(stage.data, open_vault(stage.data))
    assert (found.alarm.subject, found.alarm.kind) == (proposal_file.FILE, "put back")
    file.write_bytes(old[:-1] + bytes([old[-1] ^ 1]))
    with pytest.raises(VaultError):
        book(stage)
    assert phone.get(path).status_code == 503


def test_a_file_that_cannot_be_read_keeps_no_one_from_the_people(
    admin: TestClient, phone: TestClient, client: Make, stage: Stage
) -> None:
    send(phone, invited(admin), "biden")
    file = stage.data / proposal_file.FILE
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    shown = admin.get("/people")
    assert (shown.status_code, "move it out of the data folder" in text_of(shown)) == (200, True)
    assert "data folder" not in text_of(client("viewer").get("/people"))
    assert admin.get("/enroll/id", params={"name": "Anna"}).json() == {"id": "anna"}
    refused = post(admin, "/people/barack/forget", {"confirm": "barack"})
    assert (refused.status_code, "move it out of the data folder" in text_of(refused)) == (503, True)
    assert enrolled(stage) == ["barack", "eileen"], "a proposal may be of them: not half forgotten"
    file.unlink()
    assert "No trace was found" in text_of(post(admin, "/people/barack/forget", {"confirm": "barack"}))


def test_photos_read_with_another_model_are_not_enrolled(admin: TestClient, phone: TestClient, stage: Stage) -> None:
    send(phone, invited(admin), "biden")
    file = ProposalFile(stage.data, open_vault(stage.data))
    file.change(
        lambda one: ProposalBook(
            proposals=tuple(each.model_copy(update={"model": "other:00000000"}) for each in one.proposals)
        )
    )
    answer = post(admin, f"/proposals/{book(stage).proposals[0].id}/confirm", {})
    assert "another model" in text_of(answer)
    assert enrolled(stage) == ["barack", "eileen"]


def test_a_picture_of_noise_fits() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (240, 240, 3), np.uint8)
    shown = proposal_file.ProposedFace.of(np.ones(192, np.float32) / np.sqrt(np.float32(192)), preview(noise))
    assert len(shown.jpeg) > 20_000
