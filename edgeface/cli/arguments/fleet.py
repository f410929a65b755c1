"""The arguments of the commands of a fleet: those of its centre, and those of a device."""

from __future__ import annotations

from edgeface.cli.arguments.build import Argument, flag, path, value

AT_CENTRE = (
    "site", "code", "enroll", "people", "forget", "devices", "lost", "proof", "proposals", "accept", "decline",
    "events", "crops", "model", "ring", "search", "policy",
)  # fmt: skip

FLEET: dict[str, tuple[Argument, ...]] = {
    "centre": (
        path("--config", "FILE", "default: /etc/edgeface-centre/centre.yaml"),
        value(
            "action",
            choices=(
                "init",
                "serve",
                "search",
                "check",
                "restored",
                "upkeep",
                "password",
                "token",
                "accounts",
                "revoke",
            ),
        ),
        value("name", "NAME", "password, token, revoke: the account", nargs="?"),
        value("--role", choices=("admin", "viewer"), summary="viewers can change nothing"),
        value("--site", "SITE", "only at this site; may be repeated; default: at all sites", action="append"),
        value("--days", "N", "a token expires after so many days; default: never", type=int),
    ),
    "fleet": (
        path("--config", "FILE", "at the centre its centre.yaml, on a device its config.yaml; default: the service's"),
        value(
            "action",
            choices=("join", "status", "acknowledge", *AT_CENTRE),
        ),
        value(
            "words",
            "WORD",
            "on a device: join URL [CODE]; at the centre: site [SITE...], code DEVICE SITE..., "
            "enroll SITE ID PHOTO..., people SITE, forget SITE ID..., lost DEVICE, proof SITE, proposals, accept N..., "
            "decline N..., events [SITE], crops SITE PERSON, model [add FILE | embed SITE | remove MODEL], "
            "ring MODEL SITE, search SITE PHOTO, policy SITE",
            nargs="*",
        ),
        flag("--again", "join: although the device has joined before"),
        flag("--json", "status, proof, events: print JSON"),
        value("--person", "ID", "events: only of this person"),
        value("--device", "DEVICE", "events: only of this device"),
        value("--camera", "CAMERA", "events: only at this camera"),
        value("--door", "DOOR", "events: only at this door"),
        value("--since", "DATE", "events: this day and later, YYYY-MM-DD"),
        value("--until", "DATE", "events: this day and earlier"),
        value("--last", "N", "events: at most so many; default: 50", type=int, default=50),
        value("--reason", "TEXT", "search: why; the journal keeps it"),
        value("--name", "NAME", "enroll: the display name"),
        value("--group", "GROUP", "enroll: a group; may be repeated", action="append"),
        value("--given", "DATE", "enroll: the day of consent, YYYY-MM-DD"),
        value("--expires", "DATE", "enroll: the first day without consent, or never"),
        path("--set", "FILE", "policy: the policy of the site from now on"),
        flag("--remove", "policy: the site has none any more, and the config.yaml of each device decides alone"),
        flag("--skip-bad", "enroll: leave out photos that cannot be used"),
        flag("--anyway", "enroll: also what may be of another person; ring: although earlier devices are not ready"),
        flag("--different-people", "enroll: also a face that someone else has"),
        path("--owner", "FILE", "lost, with owner_keys: the owner key in FILE, and not in that folder"),
        path("--passphrase-file", "FILE", "lost: the passphrase of an owner key, in the first line of FILE"),
        flag("--another-face", "accept: also a face that differs from the person's own"),
        flag("--duplicate", "accept: also someone with a face that is enrolled already"),
        flag("--keep-crops", "enroll: the person consents to keeping the aligned faces, for another model"),
        flag("--delete", "crops: delete them"),
        value("--devices", "A,B", "ring: these devices"),
        value("--share", "N%", "ring: so many of the devices"),
        flag("--all", "ring: all devices"),
        value("--without", "N", "ring: although so many people have no template of the model", type=int, default=0),
        flag("--finish", "ring: erase the templates of other models from these devices"),
    ),
}
