"""The texts of the pages about second factors."""

from __future__ import annotations

from edgeface.web.languages.catalogues import translate

FACTORS = "Second factors"
FACTORS_TEXT = (
    "What {name} shows at a door in addition to the face. A door asks for it with doors.NAME.factor in config.yaml."
)
FACTORS_NONE = "None."
FACTORS_KINDS = {
    "pin": "PIN, person number {label}",
    "code": "Code of {label} digits",
    "card": "Card, UID …{label}",
}
FACTORS_DURESS = "with a duress PIN"
FACTORS_WRONG = "{pins} in a row at {door}"
WRONG_PIN = ("wrong PIN",)
FACTORS_UNLOCK = "Unlock"
FACTORS_CODE = "The new code is {code}. It is not stored and cannot be shown again."
FACTORS_SET_PIN = "Set PIN"
FACTORS_PIN = "PIN, 4 to 12 digits"
FACTORS_NUMBER = "Person number (optional)"
FACTORS_NUMBER_HINT = "1 to 10 digits, typed before the PIN. It is not secret. If you leave it empty, one is chosen."
FACTORS_SET_DURESS = "Set duress PIN"
FACTORS_DURESS_PIN = "Duress PIN, 4 to 12 digits"
FACTORS_DURESS_HINT = "Opens doors like the PIN. The audit topic reports it; nothing at the door does."
FACTORS_DRAW = "Draw a code"
FACTORS_DRAW_TEXT = "Eight digits that name the person by themselves. A new code replaces the old one."
FACTORS_ADD_CARD = "Add a card"
FACTORS_UID = "UID of the card"
FACTORS_UID_HINT = "4 to 10 bytes in hexadecimal, such as 04:a2:b3:c4. Anyone near the card can read and copy it."
FACTORS_REMOVE = "Remove"

DONE_FACTORS = {
    "pin": "The PIN was set.",
    "duress": "The duress PIN was set.",
    "card": "The card was added.",
    "unfactored": "The second factor was removed.",
    "unlocked": "Unlocked at every door.",
}

DOOR_FACTOR = "Second factor"
DOOR_FACTOR_KINDS = {"pin": "PIN", "code": "code", "card": "card", "pass": "pass", "reader": "reader"}
DOOR_FACTOR_RIGHT = "Accepted factors"
DOOR_FACTOR_REFUSED = "Refused factors"
FACTOR_REFUSALS = {
    "factor": "no second factor was shown",
    "version": "the door reads only version 1 of grants",
}
FACTOR_REASONS = {
    "sealed": "cannot be opened: is the key in door.yaml current?",
    "kind": "a kind that the door does not take",
    "busy": "too many at a time",
    "paused": "too many wrong factors at the door",
    "locked": "too many wrong PINs of the person",
    "unknown": "belongs to no one",
    "wrong": "wrong PIN",
    "unavailable": "the gallery cannot be used",
    "replaced": "replaced by another one",
    "expired": "not used in time",
    "pass_signature": "a pass with a wrong signature",
    "pass_site": "a pass of another device",
    "pass_revoked": "a pass that was revoked",
    "pass_clock": "a pass, and the clock is not synchronised",
    "pass_not_yet": "a pass that is not valid yet",
    "pass_expired": "a pass that has expired",
    "pass_door": "a pass for another door",
}

translate(__name__)
