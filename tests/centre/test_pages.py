"""The centre's pages without a browser: who may see and do what, and what an attacker tries."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

from edgeface.centre import pages
from edgeface.centre.context import CentreContext
from edgeface.centre.records import Entry, JournalQuery
from edgeface.web.http.headers import POLICY
from tests.support.audit_rows import audit_row, match
from tests.support.centre import embedding
from tests.support.centre_pages import PASSWORD, account, browsers, fill, join, model_of, post, propose, sign_in
from tests.support.centre_roles import ADMINS, ADMINS_OF_ALL, EVERYONE, OF_SITE, SITE_ADMINS
from tests.support.centre_server import SITE

Client = Callable[..., TestClient]
PUBLIC = {"/login"}
ROUTES = [
    (method, route.path)
    for route in pages.ROUTES
    if isinstance(route, Route)
    for method in sorted((route.methods or set()) - {"HEAD"})
    if route.path not in PUBLIC
]
EVIL = "<img src=x onerror=alert(1)>\"'"

ROLES = {
    "GET /": EVERYONE, "GET /devices": EVERYONE, "GET /proposals": EVERYONE, "GET /events": EVERYONE,
    "GET /journal": ADMINS, "GET /search": ADMINS, "GET /accounts": ADMINS_OF_ALL, "POST /sites": ADMINS_OF_ALL,
    "POST /logout": EVERYONE, "POST /devices/code": SITE_ADMINS, "POST /search": SITE_ADMINS,
    "GET /devices/{device}/lost": SITE_ADMINS, "POST /devices/{device}/lost": SITE_ADMINS,
    "POST /proposals/{number:int}/accept": SITE_ADMINS, "POST /proposals/{number:int}/decline": SITE_ADMINS,
    "GET /sites/{site}/people": OF_SITE, "GET /sites/{site}/people/{person}": OF_SITE,
    "POST /sites/{site}/people/{person}": SITE_ADMINS, "GET /sites/{site}/forget": SITE_ADMINS,
    "POST /sites/{site}/forget": SITE_ADMINS, "GET /sites/{site}/enroll": SITE_ADMINS,
    "POST /sites/{site}/enroll": SITE_ADMINS, "GET /sites/{site}/changes": OF_SITE,
    "GET /sites/{site}/proof": OF_SITE, "GET /sites/{site}/proof.json": OF_SITE,
    "GET /sites/{site}/duplicates": OF_SITE, "GET /sites/{site}/policy": OF_SITE,
    "POST /sites/{site}/policy": SITE_ADMINS, "POST /sites/{site}/policy/remove": SITE_ADMINS,
    "GET /sites/{site}/models": OF_SITE, "POST /sites/{site}/models": SITE_ADMINS,
}  # fmt: skip
"""Who may see each page and send each form, at the site that it names."""


@pytest.fixture
def client(context: CentreContext) -> Iterator[Client]:
    """Makes browsers that are signed in: client("admin"), client("viewer", SITE); client() is not."""
    with browsers(context) as make:
        yield make


def address(path: str) -> str:
    return path.replace("{number:int}", "1").format(site=SITE, person="alice", device="front")


def test_nobody_sees_a_page_without_signing_in(client: Client, context: CentreContext) -> None:
    before, stranger = context.store.site(SITE), client()
    for method, path in ROUTES:
        answer = stranger.request(method, address(path))
        assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/login"), path
    assert context.store.site(SITE) == before


def test_each_page_is_for_whom_it_is_meant(client: Client, context: CentreContext) -> None:
    """The matrix: each route with a viewer and an admin of this site, of the other one, and of all."""
    fill(context)
    assert ROLES.keys() == {f"{method} {path}" for method, path in ROUTES}, "each page needs a row"
    who = {(role, sites): client(role, *sites) for role, sites in sorted(EVERYONE)}
    for method, path in sorted(ROUTES, key=lambda one: one[1] == "/logout"):
        passed = set()
        for key, browser in who.items():
            # Every form lacks what it needs, so that nothing changes: what counts is who is refused.
            fields = {"device": "new", f"site-{SITE}": "1"} if path in {"/devices/code", "/search"} else {}
            answer = browser.get(address(path)) if method == "GET" else post(browser, address(path), **fields)
            assert answer.status_code < 500, (method, path, answer.text)
            # An account gets 404 for a device that follows none of its sites.
            if answer.status_code not in {403, 404}:
                passed.add(key)
            if path.endswith(("accept", "decline")):
                propose_again(context)
        assert passed == ROLES[f"{method} {path}"], (method, path)


def propose_again(context: CentreContext) -> None:
    """Have proposal number 1 wait again, as it was."""
    with context.store._database.changing() as transaction:
        transaction.execute("UPDATE proposals SET state = 'waiting' WHERE n = 1")


def test_a_viewer_sees_only_their_sites_and_no_button_that_changes_something(
    client: Client, context: CentreContext
) -> None:
    fill(context)
    viewer = client("viewer", "annex")
    texts = {path: viewer.get(path).text for path in ("/", "/devices", "/proposals", "/events", "/sites/annex/people")}
    for path, text in texts.items():
        assert SITE not in text, path
        assert "alice" not in text.casefold(), path
        assert re.findall(r'method="post" action="([^"]+)"', text) == ["/logout"], path
    assert "zoe" in texts["/sites/annex/people"]
    assert "lobby" in texts["/devices"]
    assert "front" not in texts["/devices"]
    everything = client("viewer")
    for path in (f"/sites/{SITE}/people", f"/sites/{SITE}/people/alice", "/proposals", "/devices"):
        assert re.findall(r'method="post" action="([^"]+)"', everything.get(path).text) == ["/logout"], path


def test_a_form_without_the_token_of_the_session_changes_nothing(client: Client, context: CentreContext) -> None:
    admin = client("admin")
    other = re.search(r'name="csrf" value="([^"]+)"', client("admin").get("/").text)
    assert other
    for path in (path for method, path in ROUTES if method == "POST"):
        for token in ({}, {"csrf": ""}, {"csrf": other[1]}):
            answer = admin.post(address(path), data={"site": "new", **token})
            assert answer.status_code == 403, (path, token)
    assert admin.get("/").status_code == 200
    assert [one.site for one in context.store.sites()] == [SITE]


def test_a_form_of_another_site_is_refused_even_with_the_token(client: Client) -> None:
    admin = client("admin")
    token = re.search(r'name="csrf" value="([^"]+)"', admin.get("/").text)
    assert token
    data = {"csrf": token[1], "site": "new"}
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        assert admin.post("/sites", data=data, headers=headers).status_code == 403
        assert client().post("/login", data={"name": "a"}, headers=headers).status_code == 403


def test_signing_in_begins_another_session_and_a_planted_one_gains_nothing(
    client: Client, context: CentreContext
) -> None:
    browser = client()
    browser.cookies.set("__Host-edgeface", "planted-by-someone-else", domain="localhost.local", path="/")
    assert sign_in(browser, context, "anna", "admin").status_code == 303
    assert min(dict(browser.cookies).values()) != "planted-by-someone-else"
    other = client()
    other.cookies.set("__Host-edgeface", "planted-by-someone-else", domain="localhost.local", path="/")
    assert other.get("/").status_code == 303


def test_signing_in_again_ends_the_session_of_before(client: Client, context: CentreContext) -> None:
    browser = client("viewer")
    before = dict(browser.cookies)
    sign_in(browser, context, "anna", "admin")
    assert dict(browser.cookies) != before
    thief = client()
    for name, value in before.items():
        thief.cookies.set(name, value)
    assert thief.get("/").status_code == 303


def test_a_code_signs_in_once(client: Client, context: CentreContext) -> None:
    totp = account(context)
    given = {"name": "anna", "password": PASSWORD, "code": totp.at(int(context.clock.wall()))}
    assert client().post("/login", data=given).headers["location"] == "/"
    again = client().post("/login", data=given)
    assert again.headers["location"] == "/login?wrong=1"
    assert "set-cookie" not in again.headers
    assert "each code works once" in client().get("/login?wrong=1").text.casefold()


def test_guessing_is_slowed_down(client: Client, context: CentreContext) -> None:
    totp = account(context)
    guess = {"name": "anna", "password": "wrong", "code": "000000"}
    places = [client().post("/login", data=guess).headers["location"] for _ in range(12)]
    assert places[0] == "/login?wrong=1"
    assert places[-1].startswith("/login?wait=")
    # Not even the right ones help meanwhile.
    right = {**guess, "password": PASSWORD, "code": totp.at(int(context.clock.wall()))}
    assert client().post("/login", data=right).headers["location"].startswith("/login?wait=")
    assert "Too many tries" in client().get(places[-1]).text


def test_signing_in_leads_nowhere_else(client: Client, context: CentreContext) -> None:
    totp = account(context)
    for wanted in (
        "https://evil.example",
        "//evil.example",
        r"/\evil.example",
        "javascript:alert(1)",
        "/\tevil",
        "evil",
    ):
        code = totp.at(int(context.clock.wall()))
        given = {"name": "anna", "password": PASSWORD, "code": code, "next": wanted}
        assert client().post("/login", data=given).headers["location"] == "/", wanted
        assert client().post("/login", data=given).headers["location"] == "/login?wrong=1", wanted
        assert 'name="next" value="/"' in client().get("/login", params={"next": wanted}).text
        context.clock.sleep(30)


def test_signing_in_leads_back_to_the_page_that_was_asked_for(client: Client, context: CentreContext) -> None:
    place = client().get("/events?door=gate").headers["location"]
    assert place == "/login?next=/events%3Fdoor%3Dgate"
    assert 'name="next" value="/events?door=gate"' in client().get(place).text
    totp = account(context)
    given = {"name": "anna", "password": PASSWORD, "code": totp.at(int(context.clock.wall()))}
    assert (
        client().post("/login", data={**given, "next": "/events?door=gate"}).headers["location"] == "/events?door=gate"
    )


def test_no_page_may_be_framed_or_run_foreign_scripts(client: Client) -> None:
    admin = client("admin")
    for path in ("/", "/login", "/devices", "/nowhere", f"/sites/{SITE}/proof.json"):
        headers = admin.get(path).headers
        assert headers["content-security-policy"] == POLICY, path
        assert headers["x-frame-options"] == "DENY", path
        assert headers["cache-control"] == "no-store", path
        assert headers["x-content-type-options"] == "nosniff", path
    for template in pages.render.TEMPLATES.glob("*.html"):
        text = template.read_text()
        assert "|safe" not in text.replace(" ", ""), template.name
        assert not re.search(r"<script(?![^>]+src=)|\son\w+=|style=|<style", text), template.name


def test_nothing_that_anyone_has_entered_runs(client: Client, context: CentreContext) -> None:
    """Names, facts of events and what a device proposes are the only free text that is stored."""
    store, model, now = context.store, model_of(context), context.clock.wall()
    device = join(context, "front")
    store.put(SITE, Entry(id="alice", name=EVIL, embeddings={model: embedding(1)}, groups=("staff",)), EVIL)
    store.put(SITE, Entry(id="bob", name=EVIL + "2", embeddings={model: embedding(1)}), "anna")
    propose(context, device, "eve", EVIL, 5)
    hostile = {
        "name": EVIL,
        "reason": EVIL,
        "camera": EVIL,
        "score": "not a number",
        "threshold": [],
        "factor": {"a": 1},
    }
    store.add_events([audit_row({**match(1, at=now - 5), **hostile})])
    store.add_events([audit_row({**match(2, at=now - 5), "event_type": EVIL})])
    admin = client("admin")
    for path in (
        "/", "/devices", "/proposals", "/events", "/journal", f"/sites/{SITE}/people", f"/sites/{SITE}/people/alice",
        f"/sites/{SITE}/changes", f"/sites/{SITE}/duplicates", f"/sites/{SITE}/forget?id=alice",
        f"/events?person={EVIL}",
        f"/sites/{SITE}/people?q={EVIL}", f"/journal?by={EVIL}", f"/sites/{EVIL}/people", f"/login?next={EVIL}",
        f"/devices/{EVIL}/lost", f"/sites/{SITE}/people?done={EVIL}", f"/login?wait={EVIL}",
    ):  # fmt: skip
        answer = admin.get(path)
        assert answer.status_code < 500, path
        assert "<img src=x" not in answer.text, path
        assert not re.search(r'="[^"<>]*<', answer.text), path
    for form in (
        post(admin, "/sites", site=EVIL), post(admin, "/devices/code", device=EVIL, **{f"site-{SITE}": "1"}),
        post(admin, f"/sites/{SITE}/people/alice", name=EVIL, groups=EVIL, given=EVIL, expires=EVIL, seq=EVIL),
    ):  # fmt: skip
        assert form.status_code == 409
        assert "<img src=x" not in form.text


def test_a_site_is_added_and_a_code_is_shown_once(client: Client, context: CentreContext) -> None:
    admin = client("admin")
    assert post(admin, "/sites", site="annex").headers["location"] == "/?done=site"
    assert "there is a site annex already" in post(admin, "/sites", site="annex").text.casefold()
    assert post(admin, "/devices/code", device="front").status_code == 409
    shown = post(admin, "/devices/code", device="front", **{f"site-{SITE}": "1"})
    found = re.search(r"data-code>([A-Z2-7-]{39})<", shown.text)
    assert found
    assert "edgeface fleet join https://localhost:" in shown.text
    assert found[1] not in admin.get("/devices").text
    (noted,) = context.store.journal.query(JournalQuery(what=("code",)))
    assert (noted.by, noted.facts, noted.sites) == ("account-1", {"device": "front"}, (SITE,))


def test_a_person_is_changed_unless_someone_else_did_meanwhile(client: Client, context: CentreContext) -> None:
    fill(context)
    admin, path = client("admin"), f"/sites/{SITE}/people/alice"
    seq = re.search(r'name="seq" value="(\d+)"', admin.get(path).text)
    assert seq
    given = {"seq": seq[1], "name": "Alice M", "groups": "staff, day", "given": "2026-01-02", "expires": ""}
    assert post(admin, path, **given).headers["location"] == f"{path}?done=changed"
    (alice,) = (one for one in context.store.people(SITE) if one.id == "alice")
    assert (alice.name, alice.groups, alice.consent, alice.expires) == ("Alice M", ("staff", "day"), "2026-01-02", None)
    late = post(admin, path, **{**given, "name": "Too late"})
    assert late.status_code == 409
    assert "was changed meanwhile" in late.text
    assert 'value="Too late"' in late.text
    assert post(admin, path, **{**given, "given": "2026-13-99"}).status_code == 409


def test_people_are_forgotten_after_a_confirmation_and_the_proof_names_who_is_outstanding(
    client: Client, context: CentreContext
) -> None:
    fill(context)
    admin, path = client("admin"), f"/sites/{SITE}/forget"
    asked = admin.get(path, params={"id": ["alice", "alice-2"]})
    assert "Type 2 to confirm" in asked.text
    assert post(admin, path, ids="alice alice-2", confirm="1").status_code == 409
    assert len(context.store.people(SITE)) == 6
    done = post(admin, path, ids="alice alice-2", confirm="2")
    assert "alice, alice-2" in done.text
    assert "Outstanding: front, garage, lobby" in done.text
    assert [one.id for one in context.store.people(SITE)] == ["benedikt", "carla", "dmitri", "elif"]
    assert post(admin, path, ids="nobody", confirm="nobody").status_code == 404
    journal = admin.get("/journal?what=forget").text
    assert "alice" not in journal.casefold()
    assert journal.count(">forgotten<") == 2
    proof = admin.get(f"/sites/{SITE}/proof.json")
    assert proof.headers["content-disposition"] == f'attachment; filename="proof-{SITE}.json"'
    assert proof.json()["count"] == 4


def test_a_proposal_is_accepted_only_against_its_objections_if_someone_insists(
    client: Client, context: CentreContext
) -> None:
    fill(context)
    admin = client("admin")
    text = admin.get("/proposals").text
    assert "Enroll Felix Haas" in text
    assert "enrolled as benedikt already" in text
    first, second = context.store.proposals()
    assert post(admin, f"/proposals/{first.n}/accept").headers["location"] == "/proposals?done=accepted"
    refused = post(admin, f"/proposals/{second.n}/accept")
    assert refused.status_code == 409
    assert [one.id for one in context.store.people(SITE)].count("benny") == 0
    assert post(admin, f"/proposals/{second.n}/accept", duplicate="1").status_code == 303
    assert [one.id for one in context.store.people(SITE)].count("benny") == 1
    assert post(admin, f"/proposals/{second.n}/decline").status_code == 404


def test_a_lost_device_is_refused_after_its_name_was_typed(client: Client, context: CentreContext) -> None:
    fill(context)
    own = client("admin", SITE)
    # Its other site is not this admin's.
    assert post(own, "/devices/lobby/lost", confirm="lobby").status_code == 403
    assert post(own, "/devices/front/lost", confirm="garage").status_code == 409
    report = post(own, "/devices/front/lost", confirm="front").text
    assert "edgeface keys revoke front" in report
    assert "alice, alice-2, benedikt" in report
    assert [one.device for one in context.store.devices() if one.revoked is not None] == ["front"]


def test_who_looks_at_whose_events_is_in_the_journal(client: Client, context: CentreContext) -> None:
    fill(context)
    viewer = client("viewer", SITE)
    assert "Alice Moreau" in viewer.get("/events?person=alice&door=").text
    assert "No event matches" in viewer.get("/events?person=zoe").text
    viewer.get("/events?door=gate")
    looked = context.store.journal.query(JournalQuery(what=("events",)))
    alice = next(one.person for one in context.store.people(SITE) if one.id == "alice")
    assert [(one.by, one.person, one.facts) for one in looked] == [
        ("account-1", None, {"door": "gate"}), ("account-1", alice, {}),
    ]  # fmt: skip
    shown = client("admin", SITE).get("/journal?person=alice&what=events").text
    assert "account-1" in shown
    assert ">Alice Moreau<" in shown
    assert "events" in client("admin", SITE).get("/journal").text
    # What belongs to no site, such as who signs in, is for admins of all sites.
    assert ">sign-in</span>" not in client("admin", SITE).get("/journal").text
    assert ">sign-in</span>" in client("admin").get("/journal").text


def test_events_are_paged_and_selected_by_time_in_the_zone_of_the_browser(
    client: Client, context: CentreContext
) -> None:
    fill(context)
    viewer = client("viewer", SITE)
    first = viewer.get("/events").text
    older = re.search(r'href="(/events\?[^"]+)" rel="next"', first)
    assert older
    second = viewer.get(older[1].replace("&amp;", "&")).text
    assert (first.count('<td class="at'), second.count('<td class="at')) == (50, 10)
    assert 'rel="next"' not in second
    assert viewer.get("/events?kind=granted").text.count('<td class="at') == 1
    assert "wrong" in viewer.get("/events?person=Not+An+Id").text
    assert viewer.get("/events?cursor=x").status_code == 422
    assert viewer.get(f"/events?site={SITE}").status_code == 200
    assert viewer.get("/events?site=annex").status_code == 403
    store = context.store
    store.add_events([audit_row(match(70, at=1_796_083_200.0, camera="yard"))])  # 2026-12-01 00:00 UTC
    address = "/events?camera=yard&since=2026-12-01T{0}&until=2026-12-01T{0}"
    assert [viewer.get(address.format(at)).text.count('<td class="at') for at in ("00:00", "01:00")] == [1, 0]
    viewer.cookies.set("edgeface_zone", "Europe%2FBerlin")
    found = viewer.get(address.format("01:00")).text
    assert (found.count('<td class="at'), "Europe/Berlin" in found) == (1, True)


def test_photos_enroll_someone_by_the_products_own_chain(client: Client, context: CentreContext) -> None:
    from tests.centre.test_admin_rest import DATA

    admin, path = client("admin"), f"/sites/{SITE}/enroll"
    token = re.search(r'name="csrf" value="([^"]+)"', admin.get(path).text)
    assert token

    def send(*photos: str, **fields: str) -> Any:
        files = [("photos", (f"{one}.jpg", (DATA / f"{one}.jpg").read_bytes(), "image/jpeg")) for one in photos]
        return admin.post(path, data={"csrf": token[1], **fields}, files=files or [("photos", ("", b"", "image/jpeg"))])

    assert "Choose at least one photo" in send(name="Obama").text
    done = send("obama", name="Barack Obama", groups="staff")
    assert "Barack Obama was enrolled" in done.text
    (one,) = context.store.people(SITE)
    assert "/people/barack-obama" in done.text
    assert (one.id, one.groups) == ("barack-obama", ("staff",))
    again = send("obama", name="Someone Else")
    assert again.status_code == 409
    assert "two people who look alike" in again.text
    assert "Someone Else was enrolled" in send("obama", name="Someone Else", different_people="1").text
