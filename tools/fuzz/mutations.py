"""Changes of a message: bytes, JSON, base64, and parts of another good message."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random

Mutation = "Callable[[bytes, bytes, random.Random], bytes]"

_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    2**63,
    1e999,
    "",
    "a",
    [],
    {},
    [[]],
    {"v": 1},
    "\x00",
    "é",
    "💥",
)
_ALGORITHMS = ("none", "ED25519", "Ed25519", "ed25519ph", "ed448", "hs256", "rs256", "ed25519\n", "\u0435d25519", "")
_SIGNS = b'0123456789{}[]":,\\ eEtf-+.\x00\xff='


def bit(good: bytes, _other: bytes, chance: random.Random) -> bytes:
    """One to three bits are flipped."""
    data = bytearray(good)
    for _ in range(chance.randint(1, 3)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


def byte(good: bytes, _other: bytes, chance: random.Random) -> bytes:
    """A byte becomes one that JSON knows."""
    at = chance.randrange(len(good))
    return good[:at] + bytes([chance.choice(_SIGNS)]) + good[at + 1 :]


def cut(good: bytes, _other: bytes, chance: random.Random) -> bytes:
    """The end, the start or a part is missing."""
    start, end = sorted((chance.randrange(len(good)), chance.randrange(len(good) + 1)))
    return chance.choice((good[:start], good[end:], good[:start] + good[end:]))


def repeated(good: bytes, _other: bytes, chance: random.Random) -> bytes:
    """A part occurs twice, there or elsewhere."""
    start, end = sorted((chance.randrange(len(good)), chance.randrange(len(good))))
    at = chance.randrange(len(good))
    return good[:at] + good[start : min(end, start + 64)] + good[at:]


def spliced(good: bytes, other: bytes, chance: random.Random) -> bytes:
    """It begins as one good message and ends as another."""
    at = chance.randrange(min(len(good), len(other)))
    return good[:at] + other[at:]


def exchanged(good: bytes, other: bytes, chance: random.Random) -> bytes:
    """Some values come from another good message."""
    fields, others = _fields(good), _fields(other)
    names = [name for name in fields if fields[name] != others.get(name)]
    if len(names) < 2:  # noqa: PLR2004 - with all of them it would be the other message
        return spliced(good, other, chance)
    taken = chance.sample(names, chance.randint(1, len(names) - 1))
    return _dump({**fields, **{name: others.get(name) for name in taken}}, chance)


def twice(good: bytes, other: bytes, chance: random.Random) -> bytes:
    """A key occurs twice, with the value of another good message first or last."""
    fields, others = _fields(good), _fields(other)
    if not fields:
        return repeated(good, other, chance)
    name = chance.choice([*fields])
    pairs = [*fields.items()]
    pairs.insert(chance.randrange(len(pairs) + 1), (name, chance.choice((others.get(name), fields[name], None))))
    return ("{" + ",".join(f"{json.dumps(key)}:{json.dumps(value)}" for key, value in pairs) + "}").encode()


def retyped(good: bytes, other: bytes, chance: random.Random) -> bytes:
    """A value has another type, is missing, or has a name that no one knows."""
    fields = _fields(good)
    if not fields:
        return byte(good, other, chance)
    name = chance.choice([*fields])
    how = chance.randrange(4)
    if how == 0:
        del fields[name]
    elif how == 1:
        fields[chance.choice(("", "x", name.upper(), f"{name} ", "__proto__"))] = fields.pop(name)
    elif how == 2:  # noqa: PLR2004 - one of four
        fields[name] = [fields[name]]
    else:
        fields[name] = chance.choice(_VALUES)
    return _dump(fields, chance)


def renamed(good: bytes, other: bytes, chance: random.Random) -> bytes:
    """Another kid, another algorithm."""
    fields = _fields(good)
    if "kid" not in fields:
        return retyped(good, other, chance)
    kid = str(fields["kid"])
    if "alg" in fields and chance.random() < 0.5:  # noqa: PLR2004 - half of them
        fields["alg"] = chance.choice(_ALGORITHMS)
    else:
        fields["kid"] = chance.choice(
            (f"{kid} ", kid.upper() + "X", kid[:-1], f"{kid}\u0000", "", "next", kid + "\u200b")
        )
    return _dump(fields, chance)


def respelled(good: bytes, other: bytes, chance: random.Random) -> bytes:
    """The last text of base64 has another spelling: spare bits, padding, alphabets, other widths, white space."""
    fields = _fields(good)
    names = [name for name in ("sig", "box", "epk", "mark") if isinstance(fields.get(name), str)]
    if not names:
        return byte(good, other, chance)
    name = chance.choice(names)
    text = str(fields[name])
    at = chance.randrange(len(text))
    wide = "".join(chr(ord(sign) + 0xFEE0) for sign in text[at])
    fields[name] = chance.choice((
        text.rstrip("="), text + "=", text.replace("+", "-").replace("/", "_") + "\n", f" {text}", f"{text}\n",
        text[:at] + wide + text[at + 1 :], text[:at] + "\u200b" + text[at:], text[:at] + "\n" + text[at:],
        _spare_bits(text), text[:at] + text[at].swapcase() + text[at + 1 :], text[::-1], text * 2,
        f"{text[:at]}={text[at:]}",
    ))  # fmt: skip
    return _dump(fields, chance)


def reworded(good: bytes, other: bytes, chance: random.Random) -> bytes:
    """A value in the signed payload is another one; the signature stays."""
    fields = _fields(good)
    payload = _fields(str(fields.get("payload", "")).encode())
    if not payload:
        return bit(good, other, chance)
    name = chance.choice([*payload])
    value = payload[name]
    if type(value) is int and chance.random() < 0.5:  # noqa: PLR2004 - half of them
        payload[name] = value + chance.choice((-1, 1, 2**20))
    else:
        payload[name] = chance.choice([one for one in _VALUES if one != value])
    fields["payload"] = json.dumps(payload, separators=(",", ":"))
    return _dump(fields, chance)


EVERY: dict[str, Any] = {
    "bits": bit,
    "bytes": byte,
    "cut": cut,
    "repeated": repeated,
    "spliced": spliced,
    "exchanged": exchanged,
    "a key twice": twice,
    "other types": retyped,
    "other kid or alg": renamed,
    "respelled base64": respelled,
    "another payload": reworded,
}
"""The mutations by the names that the table has."""


def _spare_bits(text: str) -> str:
    """The same bytes, with other spare bits in the last letter before the padding."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    body = text.rstrip("=")
    if body == text or body[-1:] not in alphabet or not body:
        return text + "A"
    return body[:-1] + alphabet[alphabet.index(body[-1]) ^ 1] + "=" * (len(text) - len(body))


def _fields(message: bytes) -> dict[str, Any]:
    """The JSON object; empty for anything else."""
    try:
        found = json.loads(message)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _dump(fields: dict[str, Any], chance: random.Random) -> bytes:
    """JSON in one of its spellings."""
    indent, ascii_ = chance.choice((None, None, 1)), chance.random() < 0.5  # noqa: PLR2004 - half of them
    return json.dumps(fields, indent=indent, ensure_ascii=ascii_).encode("utf-8", "surrogatepass")
