"""The texts of the doors page about what a door reports."""

from __future__ import annotations

from edgeface.web.languages.catalogues import translate

DOOR_CONTACT = "Contact"
DOOR_CONTACTS = {
    "open": "open",
    "shut": "shut",
    "held": "open for too long",
    "forced": "forced open",
    "unknown": "not known",
}
DOOR_ALARMS = "Reported"
DOOR_UNPROVEN = "Reports not counted"
FACTS = {"number": "number {}", "proven": "signed by the door"}
"""Facts of a row about a door, in words."""

translate(__name__)
