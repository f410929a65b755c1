from collections.abc import Iterator
from typing import Any

import pyotp
import pytest
from starlette.testclient import TestClient

from edgeface.centre.admins import rights
from edgeface.centre.admins.app import application
from edgeface.centre.admins.guard import FailedSignIns
from edgeface.centre.context import CentreContext
from edgeface.centre.records import JournalQuery
from edgeface.core.errors import UsageError
from edgeface.web.auth import accounts
from tests.support.centre_server import SITE, Running, admin

PASSWORD = "correct horse battery staple"  # noqa: S105 - a test's
API = "/api/v1"


@pytest.fixture
def client(context: CentreContext) -> Iterator[TestClient]:
    with TestClient(application(context), base_url="https://localhost") as made:
        yield made


def totp_of(context: CentreContext, name: str = "anna", role: Any = "admin", sites: Any = None) -> pyotp.TOTP:
    """The authenticator of a new account."""
    address = rights.make_password(context.settings.data, name, role, sites, PASSWORD, context.clock.wall())
    totp = pyotp.parse_uri(address)
    assert isinstance(totp, pyotp.TOTP)
    assert (totp.name, totp.issuer) == (name, "edgeface centre")
    return totp


def signed_in(client: TestClient, code: str, name: str = "anna", password: str = PASSWORD) -> int:
    status: int = client.post(f"{API}/sign-in", json={"name": name, "password": password, "code": code}).status_code
    return status


def test_password_and_code_together_sign_in(client: TestClient, context: CentreContext) -> None:
    totp = totp_of(context)
    assert signed_in(client, totp.at(int(context.clock.wall()))) == 204
    session = client.get(f"{API}/session").json()
    assert (session["name"], session["role"], session["sites"]) == ("anna", "admin", None)
    assert client.post(f"{API}/sites", json={"site": "annex"}).status_code == 403
    token = {"X-CSRF-Token": session["csrf"]}
    assert client.post(f"{API}/sites", json={"site": "annex"}, headers=token).status_code == 201
    assert client.post(f"{API}/sign-out", headers=token).status_code == 204
    assert client.get(f"{API}/session").status_code == 401


def test_neither_the_password_nor_the_code_alone_signs_in(client: TestClient, context: CentreContext) -> None:
    totp, now = totp_of(context), int(context.clock.wall())
    wrong = pyotp.TOTP(pyotp.random_base32()).at(now)
    answers = [
        client.post(f"{API}/sign-in", json={"name": name, "password": password, "code": code})
        for name, password, code in (
            ("anna", PASSWORD, wrong),
            ("anna", PASSWORD, ""),
            ("anna", "another password", totp.at(now)),
            ("nobody", PASSWORD, totp.at(now)),
        )
    ]
    assert [one.status_code for one in answers] == [401] * 4
    assert len({one.text for one in answers}) == 1
    assert client.get(f"{API}/session").status_code == 401
    # A wrong password has not used the code up.
    assert signed_in(client, totp.at(now)) == 204


def test_a_code_works_once_and_an_earlier_one_not_after_it(client: TestClient, context: CentreContext) -> None:
    totp, now = totp_of(context), int(context.clock.wall())
    assert signed_in(client, totp.at(now)) == 204
    assert signed_in(client, totp.at(now)) == 401
    assert signed_in(client, totp.at(now - 30)) == 401
    context.clock.sleep(30)
    assert signed_in(client, totp.at(now + 30)) == 204


@pytest.mark.parametrize(("seconds", "status"), [(-60, 401), (-30, 204), (30, 204), (60, 401)])
def test_a_phone_may_be_half_a_minute_off(
    client: TestClient, context: CentreContext, seconds: int, status: int
) -> None:
    totp, now = totp_of(context), int(context.clock.wall())
    assert signed_in(client, totp.at(now + seconds)) == status


def test_a_code_is_used_up_in_another_process_as_well(client: TestClient, context: CentreContext) -> None:
    totp, now = totp_of(context), int(context.clock.wall())
    assert signed_in(client, totp.at(now)) == 204
    with TestClient(application(context), base_url="https://localhost") as other:
        assert signed_in(other, totp.at(now)) == 401


def test_wrong_codes_are_throttled_as_wrong_passwords_are(client: TestClient, context: CentreContext) -> None:
    totp, now = totp_of(context), int(context.clock.wall())
    statuses = [signed_in(client, "000000") for _ in range(6)]
    assert statuses == [401] * 5 + [429]
    assert signed_in(client, totp.at(now)) == 429
    context.clock.sleep(60)
    assert signed_in(client, totp.at(now + 60)) == 204


def failures(context: CentreContext) -> list[dict[str, Any]]:
    rows = context.store.journal.query(JournalQuery(what=("sign-in",)))
    return [dict(one.facts) for one in reversed(rows) if "failed" in one.facts]


def test_a_failed_sign_in_is_in_the_journal_once_a_minute(client: TestClient, context: CentreContext) -> None:
    totp, wrong = totp_of(context), {"failed": "wrong password or code", "account": "anna"}
    assert [signed_in(client, "000000") for _ in range(3)] == [401] * 3
    assert failures(context) == [wrong]
    form = {"name": "anna", "password": "another password", "code": "000000"}
    client.post("/login", data=form)
    assert failures(context) == [wrong], "the form and the REST interface count together"
    context.clock.sleep(60)
    client.post("/login", data=form)
    assert failures(context) == [wrong] * 2
    assert signed_in(client, totp.at(int(context.clock.wall()))) == 204
    assert failures(context) == [wrong] * 2
    latest = context.store.journal.query(JournalQuery(what=("sign-in",)))[0]
    assert (latest.by, latest.facts) == ("anna", {})


def test_a_name_without_an_account_is_not_in_the_journal(client: TestClient, context: CentreContext) -> None:
    totp_of(context)
    names = [f"{PASSWORD} {number}" for number in range(9)]
    assert {signed_in(client, "000000", name, PASSWORD) for name in names} == {401}
    assert failures(context) == [{"failed": "no such account"}] * 5
    rows = context.store.journal.query(JournalQuery())
    assert not any("horse" in str(one) or "000000" in str(one) for one in rows)


def test_many_addresses_together_cannot_flood_the_journal(context: CentreContext) -> None:
    noted = FailedSignIns(context.clock)
    assert sum(noted.due("anna", f"10.0.{n}.1") for n in range(200)) == 60
    context.clock.sleep(60)
    assert sum(noted.due("anna", f"10.1.{n}.1") for n in range(200)) == 6


def test_an_account_without_a_second_factor_cannot_sign_in(client: TestClient, context: CentreContext) -> None:
    accounts.set_password(context.settings.data, "otto", "admin", PASSWORD, context.clock.wall())
    assert signed_in(client, "000000", "otto") == 401
    assert signed_in(client, "", "otto") == 401


def test_a_token_that_was_made_without_rights_may_nothing(client: TestClient, context: CentreContext) -> None:
    token = accounts.make_token(context.settings.data, "otto", "admin", context.clock.wall())
    client.headers["authorization"] = f"Bearer {token}"
    assert client.get(f"{API}/sites").json() == {"sites": []}
    assert client.get(f"{API}/sites/{SITE}").status_code == 403
    assert client.post(f"{API}/sites", json={"site": "annex"}).status_code == 403


def test_a_revoked_account_is_out_at_once(client: TestClient, context: CentreContext) -> None:
    totp = totp_of(context)
    assert signed_in(client, totp.at(int(context.clock.wall()))) == 204
    rights.revoke(context.settings.data, "anna")
    assert client.get(f"{API}/session").status_code == 401
    assert rights.RightsFile(context.settings.data, context.clock).all() == ()


def test_a_short_password_is_refused_and_gives_no_rights(context: CentreContext) -> None:
    with pytest.raises(UsageError):
        rights.make_password(context.settings.data, "anna", "admin", None, "short", 0.0)
    assert rights.RightsFile(context.settings.data, context.clock).all() == ()


def test_no_file_shows_the_second_factor(context: CentreContext) -> None:
    secret = totp_of(context).secret
    for path in context.settings.data.rglob("*"):
        assert path.is_dir() or secret.encode() not in path.read_bytes()


def test_sign_in_from_another_site_is_refused(client: TestClient, context: CentreContext) -> None:
    totp = totp_of(context)
    body = {"name": "anna", "password": PASSWORD, "code": totp.at(int(context.clock.wall()))}
    assert client.post(f"{API}/sign-in", json=body, headers={"Origin": "https://elsewhere"}).status_code == 403
    assert client.post(f"{API}/sign-in", data=body).status_code == 415


def test_admins_are_served_over_tls_with_the_certificate_of_the_centre(running: Running) -> None:
    token = rights.make_token(running.context.settings.data, "hr", "viewer", (SITE,), 0.0, None)
    status, headers, body = admin(running, "GET", "/sites", Authorization=f"Bearer {token}")
    assert (status, [one["site"] for one in body["sites"]]) == (200, [SITE])
    assert headers["cache-control"] == "no-store"
    status, _, body = admin(running, "GET", "/sites")
    assert status == 401
    status, _, _ = admin(running, "GET", "/sites", Host="elsewhere.example")
    assert status == 421
