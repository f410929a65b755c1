"""The arguments of the commands about this machine, its cameras, keys and doors."""

from __future__ import annotations

from pathlib import Path

from edgeface.cli.arguments.build import Argument, config, data, flag, path, value

_CREDENTIAL = Path("/etc/credstore.encrypted/edgeface-key")


MACHINE: dict[str, tuple[Argument, ...]] = {
    "init": (
        path("--config", "FILE", "the file to write; default: ~/.config/edgeface/config.yaml"),
        value("--camera", "CAMERA", "0, /dev/video0, picamera, an rtsp:// or http:// address, or a video file"),
        value("--device", "NAME", "this machine's name in every topic; default: edgeface"),
        value("--broker", "HOST", "HOST, HOST:PORT, mqtts://HOST, or none; default: one on this machine, or none"),
        flag("--yes", "ask nothing"),
    ),
    "run": (config,),
    "serve": (
        config,
        value("--workers", "N", "processes; default: serve.workers of the config, or one per core", type=int),
    ),
    "demo": (
        path("--out", "FOLDER", "default: %(default)s", default=Path("build/demo")),
        flag("--keep", "keep running afterwards, with the page, until Ctrl-C"),
        flag("--door", "add a door with a mock relay, and replay a grant"),
        flag("--attack", "with --door: hold a simulated phone before the camera after the clip"),
        path("--models", "FOLDER", "with --attack: the model files of docs/liveness.md, which refuse the phone"),
    ),
    "check": (
        config,
        flag("--file-only", "not the devices, ports and packages of this machine"),
        flag("--schema", "print the JSON schema instead, for an editor"),
    ),
    "backup": (
        data,
        path("file", "FILE", "the file to write, or a folder for a new one"),
        value("--keep", "N", "in a folder: remove all but the newest N backups", type=int),
    ),
    "restore": (
        data,
        path("file", "FILE", "a backup"),
        flag("--lost", "the data folder is lost or damaged; brings back who was forgotten since the backup"),
    ),
    "rollback": (
        data,
        value(
            "--to",
            "VERSION",
            "check whether this version can read the data, and keep the running one; for packages and containers",
        ),
        flag("--lose-changes", "put the copies from before the update in place; everything stored since is lost"),
    ),
    "audit": (
        data,
        value("action", choices=("show", "verify", "export", "accept", "tpm")),
        path("file", "FILE", "export: the file to write, JSON lines", nargs="?"),
        value("--kind", "KIND", "only match, unknown, enrolled, granted, ...", action="append"),
        value("--person", "ID", "only this person or unknown"),
        value("--since", "DATE", "this day and later, YYYY-MM-DD"),
        value("--last", "N", "only the last N rows (show: default 50)", type=int),
        value("--head", "HASH", "verify: a link noted earlier, which shows whether the whole folder was put back"),
    ),
    "models": (
        data,
        value("action", choices=("add", "list", "remove")),
        value("value", "FILE|NAME", "add: the file; remove: a name of the list", nargs="?"),
    ),
    "liveness": (
        data,
        value("action", choices=("trial", "report")),
        value("--camera", "CAMERA", "trial: a camera of the config; may be left out if it has one"),
        value(
            "--kind",
            "KIND",
            "trial: genuine, print, phone, tablet, monitor, mask, video or other:WORD; repeatable;"
            " default: genuine, print, phone",
            action="append",
        ),
        value("--presentations", "N", "trial: of each kind; default: 42", type=int),
        flag("--challenge", "trial: ask for the head turns as well"),
        path("--table", "FILE", "the table; default: liveness-trial.csv in the data folder"),
        flag("--json", "report: print JSON"),
    ),
    "keys": (
        data,
        value("action", choices=("new", "show", "rotate", "owner", "list", "add", "revoke", "publish")),
        value(
            "words",
            "WORD",
            "owner: new, show, rotate, export FILE, import FILE; add: DEVICE LINE; revoke: DEVICE or KID",
            nargs="*",
        ),
        value("--kid", "ID", "new: the key's name; default: this month"),
        flag("--seal", "new, rotate: the key to which doors seal second factors, not the one that signs grants"),
        path("--owner", "FILE", "the owner key in FILE, and not in the data folder"),
        path("--passphrase-file", "FILE", "the passphrase of an owner key, in the first line of FILE"),
        value("--valid", "TIME", "add, revoke, publish: 24h or 30d; default: as before, or 24h"),
        value("--door", "DOOR", "add: a door that accepts it; may be repeated; default: as before", action="append"),
        flag("--every-door", "add: every door accepts it, not only those of an earlier --door"),
        path("--out", "FILE", "owner new: write the key to FILE; others: write the list, and do not publish it"),
        flag("--adopt", "take over a list that another owner key has signed"),
    ),
    "vault": (
        data,
        value("action", choices=("show", "seal")),
        value("--with", None, "seal: what systemd-creds binds the key to", dest="how", choices=("tpm2", "host")),
        path("--out", "FILE", "seal: the file to write; default: %(default)s", default=_CREDENTIAL),
    ),
    "door": (
        path("--config", "FILE", "see docs/doors.md", required=True),
        flag(
            "--key", "print the public half of the door's own key, which signs its results; create it if it is missing"
        ),
    ),
    "mqtt": (
        config,
        value("action", choices=("clean",)),
        value("--device", "NAME", "also an earlier name, which is offline", action="append", default=[]),
        flag("--dry-run", "list the topics, and clear nothing"),
    ),
    "notify": (
        config,
        value("action", choices=("test",)),
        value("target", "TARGET", "only this one of the config", nargs="?"),
    ),
    "replay": (
        path("clip", "CLIP", "a video, or a folder of frames"),
        path("--gallery", "FOLDER", "a data folder, or a folder of PERSON/PHOTO", required=True),
        value("--events", "FILE", "JSON lines; - is standard output (default)", default="-"),
        path("--video", "FILE", "write the clip with boxes and names drawn"),
        path("--config", "FILE", "use its detector, embedder, recognition, quality, unknown and liveness keys"),
    ),
    "evaluate": (
        path("folder", "FOLDER", "PERSON/PHOTO"),
        path("--pairs", "CSV", "verify these pairs: fold,same,a,b"),
        path("--json", "FILE", "write the figures to this file"),
        path("--plots", "FOLDER", "write ROC and DET plots to this folder"),
        path("--calibrate", "FILE", "write the embedder's calibration table to this file"),
        path("--label-errors", "FILE", "CSV of kind,a,b,reason: wrong photos, and people with two names"),
        path("--embedder", "FILE", "use this .tflite instead of the one supplied"),
        path("--cache", "FILE", "cache the embeddings in this file"),
    ),
    "health": (),
    "doctor": (config, flag("--json", "print JSON")),
    "cameras": (config, path("--out", "FOLDER", "write a snapshot of each to this folder")),
    "app": (
        path("--data", "FOLDER", "the app's data, with options.json; default: %(default)s", default=Path("/data")),
        path(
            "--config-folder", "FOLDER", "for the user's own config.yaml; default: %(default)s", default=Path("/config")
        ),
        path("--share", "FOLDER", "with photos to enroll; default: %(default)s", default=Path("/share")),
        value("--supervisor", "ADDRESS", "the Supervisor's API; default: %(default)s", default="http://supervisor"),
        value(
            "--ingress",
            "ADDRESS",
            "the address from which the Supervisor opens the page; default: %(default)s",
            default="172.30.32.2",
        ),
        value("--port", "N", "of the page; default: %(default)s", type=int, default=8099),
        value("--user", "NAME", "run the daemon as this user; default: the user of this command"),
    ),
    "egress": (
        config,
        path("--door", "FILE", "for edgeface-door.service, from its door.yaml"),
        value("--write", "FILE", "write it to FILE, or where systemd looks for it", nargs="?", const=""),
    ),
    "web": (
        data,
        value("action", choices=("password", "token", "list", "revoke")),
        value("--role", choices=("admin", "viewer", "recognise"), summary="viewers can change nothing"),
        value("--days", "N", "a token expires after so many days; default: never", type=int),
        value("--name", "NAME", "the account; default: the role's name"),
    ),
}
