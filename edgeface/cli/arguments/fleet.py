"""The arguments of the commands of a fleet: those of its centre, and those of a device."""

from __future__ import annotations

from edgeface.cli.arguments.build import Argument, flag, path, value

AT_CENTRE = (
    "site", "code", "enroll", "people", "forget", "devices", "lost", "proof", "proposals", "accept", "decline",
    "events", "policy",
)  # fmt: skip

FLEET: dict[str, tuple[Argument, ...]] = {
    "centre": (
        path("--config", "FILE", "default: /etc/edgeface-centre/centre.yaml"),
        value("action", choices=("init", "serve", "check", "restored", "password", "token", "accounts", "revoke")),
        value("name", "NAME", "password, token, revoke: the account", nargs="?"),
        value("--role", choices=("admin", "viewer"), summary="viewers can change nothing"),
        value("--site", "SITE", "only at this site; may be repeated; default: at all sites", action="append"),
        value("--days", "N", "a token expires after so many days; default: never", type=int),
    ),
    "fleet": (
        path("--config", "FILE", "at the centre its centre.yaml, on a device its config.yaml; default: the service's"),
        value(
            "action",
            choices=("join", "status", *AT_CENTRE),
        ),
        value(
            "words",
            "WORD",
            "on a device: join URL CODE; at the centre: site [SITE...], code DEVICE SITE..., "
            "enroll SITE ID PHOTO..., people SITE, forget SITE ID..., lost DEVICE, proof SITE, proposals, accept N..., "
            "decline N..., events [SITE], policy SITE",
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
        value("--name", "NAME", "enroll: the display name"),
        value("--group", "GROUP", "enroll: a group; may be repeated", action="append"),
        value("--given", "DATE", "enroll: the day of consent, YYYY-MM-DD"),
        value("--expires", "DATE", "enroll: the first day without consent, or never"),
        path("--set", "FILE", "policy: the policy of the site from now on"),
        flag("--remove", "policy: the site has none any more, and the config.yaml of each device decides alone"),
        flag("--skip-bad", "enroll: leave out photos that cannot be used"),
        flag("--anyway", "enroll: also what may be of another person"),
        flag("--different-people", "enroll: also a face that someone else has"),
    ),
}
