"""Logs in over HTTP or RTSP: user name and password in an address, and answers to Basic and Digest challenges."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote
from urllib.request import parse_http_list

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}
"""Algorithms of RFC 7616, weakest first; RFC 7826 (RTSP 2.0) has the same."""


@dataclass(frozen=True, slots=True)
class Login:
    """A user name and a password."""

    username: str
    password: str = field(repr=False)


class Challenge(NamedTuple):
    """How a server asks for a login: basic or digest, with its parameters."""

    scheme: str
    fields: dict[str, str]


def divided(address: str) -> tuple[str, Login | None]:
    """An address without its user name and password, and these two, percent-decoded; None if it has none."""
    scheme, _, rest = address.partition("://")
    end = min((rest.find(mark) for mark in "/?#" if mark in rest), default=len(rest))
    user, at, host = rest[:end].rpartition("@")
    if not at:
        return address, None
    name, _, password = user.partition(":")
    return f"{scheme}://{host}{rest[end:]}", Login(unquote(name), unquote(password))


def joined(address: str, login: Login) -> str:
    """An address, which has no user name yet, with this login, percent-encoded."""
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{quote(login.username, safe='')}:{quote(login.password, safe='')}@{rest}"


def best_challenge(headers: Iterable[str]) -> Challenge | None:
    """The safest challenge of the WWW-Authenticate headers that can be answered; None if there is none."""
    found = {_rank(one): one for header in headers for one in _challenges(header)}
    return found[max(found)] if found and max(found) > 0 else None


def authorization(login: Login, challenge: Challenge, method: str, uri: str, count: int = 1) -> str:
    """The Authorization header of a request (RFC 7617, RFC 7616; without qop, as most cameras ask, RFC 2069).

    `count` is how many requests have used the challenge's nonce, this one included.
    """
    if challenge.scheme == "basic":
        return "Basic " + base64.b64encode(f"{login.username}:{login.password}".encode()).decode()
    fields = challenge.fields
    algorithm = fields.get("algorithm", "MD5")
    name, session = _algorithm(algorithm)
    made = _HASHES[name]

    def hashed(*parts: str) -> str:
        return made(":".join(parts).encode()).hexdigest()

    realm, nonce, own, used = fields.get("realm", ""), fields.get("nonce", ""), secrets.token_hex(8), f"{count:08x}"
    first, second = hashed(login.username, realm, login.password), hashed(method, uri)
    first = hashed(first, nonce, own) if session else first
    given = {"username": _escaped(login.username), "realm": realm, "nonce": nonce, "uri": uri}
    given |= {"opaque": fields["opaque"]} if "opaque" in fields else {}
    bare = {"algorithm": algorithm} if "algorithm" in fields else {}
    if "qop" in fields:
        response = hashed(first, nonce, used, own, "auth", second)
        bare |= {"qop": "auth", "nc": used}
    else:
        response = hashed(first, nonce, second)
    given |= {"cnonce": own} if "qop" in fields or session else {}
    quoted = [f'{key}="{value}"' for key, value in {**given, "response": response}.items()]
    return "Digest " + ", ".join([*quoted, *(f"{key}={value}" for key, value in bare.items())])


def _challenges(header: str) -> Iterator[Challenge]:
    """The challenges of one header, which may have several, each with parameters: Digest realm="a", nonce="b"."""
    current: Challenge | None = None
    for item in parse_http_list(header):
        words = item.split("=", 1)[0].split()
        if len(words) == 2 or (len(words) == 1 and "=" not in item):  # noqa: PLR2004 - a scheme before the first key
            if current is not None:
                yield current
            scheme, _, item = item.partition(" ")  # noqa: PLW2901 - the parameter after it
            current = Challenge(scheme.lower(), {})
        key, equals, value = item.strip().partition("=")
        if current is not None and equals:
            text = value.strip()
            current.fields[key.strip().lower()] = text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text
    if current is not None:
        yield current


def _rank(challenge: Challenge) -> int:
    """How safe a challenge is; 0 for one that cannot be answered."""
    if challenge.scheme == "basic":
        return 1
    name, _ = _algorithm(challenge.fields.get("algorithm", "MD5"))
    qop = challenge.fields.get("qop")
    if challenge.scheme != "digest" or name not in _HASHES or (qop is not None and "auth" not in _words(qop)):
        return 0
    return 2 + list(_HASHES).index(name)


def _algorithm(text: str) -> tuple[str, bool]:
    """The name of an algorithm, and whether it is of the kind -sess."""
    upper = text.upper()
    return upper.removesuffix("-SESS"), upper.endswith("-SESS")


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
