"""PINs and codes: which are accepted, how they are drawn, and the slow hash by which they are compared."""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from edgeface.core.errors import EdgefaceError, GalleryError
from edgeface.core.text import counted

if TYPE_CHECKING:
    from collections.abc import Collection

MIN_CODE, DEFAULT_CODE, MAX_CODE = 6, 8, 12
"""Digits of a code that names the person by itself."""

CODES_PER_PERSON = 1000
"""Least number of possible codes for each code that exists: a guess hits one of them once in so many tries at most."""

SALT_BYTES = 16
_HASH_BYTES = 32
_DIGITS = 10

_NUMBER = re.compile("[0-9]{1,10}")
_PIN = re.compile("[0-9]{4,12}")
_UID = re.compile("(?:[0-9a-f]{2}){4,10}")
_NUMBER_DIGITS = 4
# A guessed number is one that exists once in so many tries at most.
_NUMBERS_PER_PERSON = 100


class Cost(NamedTuple):
    """Parameters of argon2id."""

    memory: int
    """KiB."""
    passes: int
    lanes: int


COST = Cost(memory=65_536, passes=3, lanes=1)
"""The second recommendation of RFC 9106 (4.), with one lane, so that a check uses one core and the cameras the rest."""


def slow_hash(secret: str, salt: bytes, cost: Cost = COST) -> bytes:
    """32 bytes of argon2id; takes as long for any secret (docs/decisions/0020-second-factors.md has the figures).

    Raises EdgefaceError if there is too little memory.
    """
    from argon2.exceptions import HashingError
    from argon2.low_level import Type, hash_secret_raw

    try:
        return hash_secret_raw(secret.encode(), salt, cost.passes, cost.memory, cost.lanes, _HASH_BYTES, Type.ID)
    except HashingError as error:
        raise EdgefaceError(f"a PIN or a code cannot be compared: {error}") from None


@dataclass(frozen=True, slots=True)
class StoredPin:
    """What is stored of a person's PIN and duress PIN; both have one salt, so that one hash decides about both."""

    salt: bytes = field(repr=False)
    pin: bytes = field(repr=False)
    """The hash of the PIN."""
    duress: bytes | None = field(default=None, repr=False)
    """The hash of the duress PIN, if there is one."""
    cost: Cost = COST

    @classmethod
    def of(cls, pin: str) -> StoredPin:
        """A new PIN with a new salt, and without a duress PIN."""
        salt = secrets.token_bytes(SALT_BYTES)
        return cls(salt, slow_hash(pin, salt))

    @classmethod
    def of_no_one(cls) -> StoredPin:
        """What the PIN of an unknown number is compared with, so that it takes as long; no PIN fits."""
        return cls(bytes(SALT_BYTES), secrets.token_bytes(_HASH_BYTES))

    def is_duress(self, pin: str) -> bool | None:
        """False for the PIN, True for the duress PIN, None for any other; always computes one hash."""
        given = slow_hash(pin, self.salt, self.cost)
        right = hmac.compare_digest(given, self.pin)
        duress = hmac.compare_digest(given, self.duress or bytes(_HASH_BYTES))
        return False if right else True if duress else None


def check_pin(pin: str) -> None:
    """Raise GalleryError, which does not quote it, unless `pin` may be a PIN."""
    if _PIN.fullmatch(pin) is None:
        raise GalleryError("a PIN has 4 to 12 digits")
    if is_weak(pin):
        raise GalleryError("this PIN is guessed first: use no repeated digits or groups, and no sequence")


def is_weak(digits: str) -> bool:
    """Whether digits are a sequence with any step (0000, 1234, 9876, 2468) or a repeated group (1212, 123123)."""
    values = [int(digit) for digit in digits]
    steps = {(after - before) % _DIGITS for before, after in pairwise(values)}
    return len(steps) <= 1 or digits in (digits * 2)[1:-1]


def check_number(number: str) -> None:
    """Raise GalleryError unless `number` may be a person number."""
    if _NUMBER.fullmatch(number) is None:
        raise GalleryError("a person number has 1 to 10 digits")


def draw_number(existing: int) -> str:
    """A random person number of four digits, or of more where so many exist that guessing one would be easy."""
    digits = max(_NUMBER_DIGITS, len(str(_NUMBERS_PER_PERSON * existing)))
    return _draw(digits)


def card_uid(text: str) -> str:
    """The UID of a card in lower-case hexadecimal, from text with or without colons, dashes and blanks.

    Raises GalleryError if it is not one.
    """
    uid = re.sub("[:\\s-]", "", text).lower()
    if _UID.fullmatch(uid) is None:
        raise GalleryError("the UID of a card has 4 to 10 bytes, in hexadecimal: 04:a2:b3:c4")
    return uid


def draw_code(existing: Collection[int], digits: int = DEFAULT_CODE) -> str:
    """A random code; `existing` are the lengths of all codes that exist.

    Raises GalleryError if its length is not possible, or if a guess would hit one of the codes too easily.
    """
    if not MIN_CODE <= digits <= MAX_CODE:
        raise GalleryError(f"a code has {MIN_CODE} to {MAX_CODE} digits")
    shortest = min((digits, *existing))
    if (len(existing) + 1) * CODES_PER_PERSON > 10**shortest:
        most = counted(10**shortest // CODES_PER_PERSON, "person", "people")
        exist = counted(len(existing), "code exists", "codes exist")
        raise GalleryError(
            f"codes of {shortest} digits are for {most} at most, and {exist}; draw longer ones for all, or use person "
            "numbers with PINs"
        )
    while is_weak(code := _draw(digits)):
        pass
    return code


def _draw(digits: int) -> str:
    return f"{secrets.randbelow(10**digits):0{digits}}"
