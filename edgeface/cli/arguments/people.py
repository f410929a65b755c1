"""The arguments of the commands about people."""

from __future__ import annotations

from edgeface.cli.arguments.build import Argument, data, flag, one_of, path, value

_ID, _PHOTOS, _FILE = value("id", "ID"), path("photos", "PHOTO", nargs="*"), path("file", "FILE")
_DATES = (
    value("--given", "DATE", "the day of consent, YYYY-MM-DD"),
    value("--expires", "DATE", "the day when consent ends and the person is erased, or never"),
)
_ANYWAY = flag("--anyway", "also what may be of another person; recorded in the audit trail")
_ACCEPT_LIMITS = flag("--accept-limits", "also if a door can then no longer guarantee its level, and stays shut")
_OVERRIDES = (
    _ANYWAY,
    flag("--different-people", "also a face that someone else has: both are look-alikes, at level normal at most"),
)

PEOPLE: dict[str, tuple[Argument, ...]] = {
    "enroll": (
        data,
        value("id", "NAME", "a new person's name, from which the ID is made; or an ID: a-z, 0-9, - and _", nargs="?"),
        _PHOTOS,
        value("--name", "NAME", "with an ID: display name; default: the ID"),
        one_of(
            path("--folder", "FOLDER", "enroll everyone in FOLDER/PERSON/PHOTO"),
            value("--camera", "CAMERA", "take the photos with this camera of the config, with guidance"),
            value("--unknown", "U-ID", "an unknown named in an event, such as u-7f3a"),
        ),
        flag("--skip-bad", "skip rejected photos and enroll from the rest"),
        *_DATES,
        flag("--again", "replace all templates, for example after a change of the embedder; keeps names"),
        *_OVERRIDES,
        _ACCEPT_LIMITS,
    ),
    "people": (
        data,
        flag("--unknown", "list the unknowns that can be enrolled"),
        value("--limit", "N", "list N of them at most; default: 100, with --json all", type=int),
        value("--after", "ID", "continue after this one"),
        flag("--json", "print one JSON object a line"),
    ),
    "unknowns": (
        data,
        value("action", choices=("alike", "merge", "apart")),
        value("ids", "U-ID", "merge, apart: two ids", nargs="*"),
        _ANYWAY,
    ),
    "templates": (data, _ID, value("--remove", "TEMPLATE", "remove this one, for example because it is marked")),
    "rename": (data, _ID, value("name", "NAME")),
    "consent": (data, _ID, *_DATES),
    "forget": (
        data,
        value("id", "ID", "people and unknowns: all of them are erased, or none", nargs="*"),
        value("--from", "FILE", "read the IDs from FILE, one a line; - is standard input", dest="file"),
    ),
    "ignore": (
        data,
        value("id", "ID", "an id for the face, to list or forget it later"),
        _PHOTOS,
        value("--unknown", "U-ID", "an unknown named in an event"),
        *_OVERRIDES,
    ),
    "correct": (
        data,
        value("event", "EVENT", "the id of a match, unknown or uncertain event", nargs="?"),
        one_of(
            value("--not", "ID", "the face is not this person, although the event names them", dest="denied"),
            value("--is", "ID", "the face is this person, and not the one that the event names", dest="person"),
            value("--undo", "ID", "remove the negative template that this event gave the person"),
            value("--list", "ID", "list the negative templates of this person"),
        ),
        value("--name", "NAME", "with --is and a new id: display name; default: the id"),
        *_OVERRIDES,
        _ACCEPT_LIMITS,
    ),
    "factors": (
        data,
        value("action", choices=("list", "set-pin", "set-duress", "draw-code", "add-card", "remove", "unlock")),
        value("id", "ID", "the person; list: everyone if left out", nargs="?"),
        value("value", "VALUE", "add-card: the UID of the card; remove: the factor's ID from the list", nargs="?"),
        value("--number", "N", "set-pin: the person number, 1 to 10 digits; default: the old one, or a new one"),
        value("--digits", "N", "draw-code: 6 to 12; default: %(default)s", type=int, default=8),
    ),
    "export": (data, _FILE, value("--person", "ID", "only this person")),
    "import": (
        data,
        _FILE,
        flag("--replace", "replace people who are already enrolled"),
        _ANYWAY,
        _ACCEPT_LIMITS,
    ),
    "pass": (
        data,
        value("id", "PERSON", "who is enrolled", nargs="?"),
        value("--door", "DOOR", "a door that it is for; may be repeated; default: all", action="append", default=[]),
        value("--days", "N", "how long it is valid, 1 to 366; default: %(default)s", type=int, default=30),
        path("--out", "FILE", "the PNG to write"),
        one_of(flag("--list", "list the passes"), value("--revoke", "ID", "refuse a pass from now on")),
    ),
}
