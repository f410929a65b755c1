from __future__ import annotations

import hashlib
import re

import pytest

from edgeface.core.http.login import Challenge, Login, authorization, best_challenge, divided, joined

NASTY = Login("ad min", "p@ss:w/rd#1?%41&ü")


def fields_of(header: str) -> dict[str, str]:
    return dict(re.findall(r'(\w+)="?((?:[^",\\]|\\.)*)"?', header.partition(" ")[2]))


def test_a_login_survives_its_address() -> None:
    address = joined("rtsp://[fd00::7]:8554/a?b=c@d", NASTY)
    assert divided(address) == ("rtsp://[fd00::7]:8554/a?b=c@d", NASTY)
    assert divided("http://cam/a@b") == ("http://cam/a@b", None)
    assert divided("rtsp://viewer@cam/x") == ("rtsp://cam/x", Login("viewer", ""))
    assert "p@ss" not in repr(NASTY)


# RFC 7616, 3.9.1: the same request, with both algorithms.
RFC = {"realm": "http-auth@example.org", "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "qop": "auth"}
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_answers_of_the_rfc(algorithm: str, response: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda _: CNONCE)
    challenge = Challenge("digest", {**RFC, "algorithm": algorithm})
    header = authorization(Login("Mufasa", "Circle of Life"), challenge, "GET", "/dir/index.html")
    given = fields_of(header)
    assert given["response"] == response
    assert (given["nc"], given["cnonce"], given["uri"]) == ("00000001", CNONCE, "/dir/index.html")


def test_a_camera_that_knows_no_qop_gets_the_old_answer() -> None:
    challenge = best_challenge(['Digest realm="IP Camera, yard", nonce="n1", stale="FALSE"'])
    assert challenge == Challenge("digest", {"realm": "IP Camera, yard", "nonce": "n1", "stale": "FALSE"})
    given = fields_of(authorization(Login("u", "p"), challenge, "DESCRIBE", "rtsp://cam/1"))

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()  # noqa: S324 - as RFC 2069 says

    assert given["response"] == md5(f"{md5('u:IP Camera, yard:p')}:n1:{md5('DESCRIBE:rtsp://cam/1')}")
    assert "cnonce" not in given


@pytest.mark.parametrize(
    ("headers", "chosen"),
    [
        (['Basic realm="a"', 'Digest realm="a", nonce="n"'], ("digest", None)),
        (['Digest realm="a", nonce="n", Basic realm="b"'], ("digest", None)),
        (['Digest realm="a", nonce="n", algorithm=MD5', 'Digest realm="a", nonce="m", algorithm=SHA-256'],
         ("digest", "SHA-256")),
        (['Digest realm="a", nonce="n", algorithm=SHA-512-256', 'Basic realm="a"'], ("basic", None)),
        (['Digest realm="a", nonce="n", qop="auth-int"', 'Basic realm="a"'], ("basic", None)),
        (['Digest realm="a", nonce="n", qop="auth-int, auth", algorithm=md5-sess'], ("digest", "md5-sess")),
        (["Basic"], ("basic", None)),
        (["Negotiate"], None),
        ([""], None),
        ([',,="\\', "=", "a b c d"], None),
        ([], None),
    ],
)  # fmt: skip
def test_the_safest_challenge_that_can_be_answered_is_chosen(
    headers: list[str], chosen: tuple[str, str | None] | None
) -> None:
    found = best_challenge(headers)
    assert (None if found is None else (found.scheme, found.fields.get("algorithm"))) == chosen
    if found is not None:
        assert "\n" not in authorization(NASTY, found, "GET", "/")
