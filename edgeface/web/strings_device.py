"""The English strings of the pages about doors, health and what was done; strings.py has the others."""

from __future__ import annotations

DOORS = "Doors"
DOORS_NONE = "No door is configured (doors in config.yaml)."
DOORS_SHUT = "stays shut"
DOORS_READY = "ready"
DOORS_WAITING = "waits for its controller"
DOOR_CAMERA = "Camera"
DOOR_LEVEL = "Level"
DOOR_NONCE = "Last nonce"
DOOR_NONCE_AGE = "{age} s ago"
DOOR_NONCE_NONE = "none: is the controller of the door running, and connected to the broker?"
DOOR_GRANTED = "Granted"
DOOR_OPENED = "Opened"
DOOR_REFUSED = "Refused here"
DOOR_REJECTED = "Rejected by the door"
DOOR_LAST = "Last at {door}"
DOOR_LAST_NONE = "Nothing has happened at this door yet."
DOOR_NOT_SYNCED = "The clock is not synchronised: doors with schedules stay shut."
REFUSALS = {
    "liveness": "liveness is asked for, and not judged",
    "person": "nobody is let in by this name",
    "clock": "the clock is not synchronised",
    "schedule": "not at this time",
    "level": "the score is too low for this door",
    "faces": "more than one face in view",
    "known": "let in already",
    "cooldown": "let in a moment ago",
    "stale": "too late",
    "no_key": "no signing key",
    "no_nonce": "the door has sent no fresh nonce",
    "retained": "a stored message",
    "too_large": "too large a message",
    "malformed": "no message of this version",
    "unknown_key": "the door does not know the key",
    "algorithm": "another algorithm",
    "signature": "the signature is wrong",
    "audience": "meant for another door",
    "nonce": "not a nonce of this door",
    "replayed": "used before",
    "policy": "below what the door insists on",
}

HEALTH = "Health"
HEALTH_WELL = "Nothing is wrong."
HEALTH_PROBLEMS = "What is wrong"
HEALTH_DO = "What to do:"
HEALTH_NO_STATE = "The daemon has not reported yet."
HEALTH_CAMERAS = "Cameras"
HEALTH_CAMERA_COLUMNS = ("Camera", "Status", "Pictures a second", "Age", "Dropped", "Reopened", "Faces not judged")
HEALTH_SECONDS = "{seconds} s"
HEALTH_DEVICE = "Device"
HEALTH_DECISION = "Picture to decision"
HEALTH_DECISION_VALUE = "{p50} ms at the median, {p95} ms for 95 of 100"
HEALTH_TEMPERATURE = "Temperature"
HEALTH_CELSIUS = "{degrees} °C"
HEALTH_THROTTLED = "Slowed down"
HEALTH_CLOCK = "Clock"
HEALTH_CLOCKS = {"synced": "synchronised", "unsynced": "not synchronised"}
HEALTH_UPTIME = "Running for"
HEALTH_DURATION = "{days} d {hours} h {minutes} min"
HEALTH_DISK = "Free on the disk"
HEALTH_DISK_VALUE = "{free} GB of {total} GB"
HEALTH_MEMORY = "Memory at most"
HEALTH_MEGABYTES = "{megabytes} MB"
HEALTH_MESSAGES = "Messages and journal"
HEALTH_BROKER = "Broker"
HEALTH_BROKER_OK = "connected"
HEALTH_BROKER_NONE = "not configured: events stay in the journal"
HEALTH_QUEUE = "Waiting for the broker"
HEALTH_ROWS = "{count} rows"
HEALTH_JOURNAL = "Journal"
HEALTH_JOURNAL_OK = "row {seq}, written"
HEALTH_HEAD = "Head"
HEALTH_HEAD_HINT = "Note it elsewhere: it shows later whether rows were cut off."
HEALTH_KEY = "Key of the data"
HEALTH_KEYS = {
    "tpm2": "sealed by this machine's TPM",
    "host": "a key of this machine, on the same disk: it does not protect from who takes the disk",
    "credential": "given by systemd at each start",
    "file": "a file on the same disk: it does not protect from who takes the disk",
}
HEALTH_MODELS = "Models, SHA-256"

# Words that a problem has, and what to do about it; the first that fits.
REMEDIES = (
    ("gives no picture", "Look at the cable and the camera's power; edgeface opens it again by itself."),
    ("dark", "Is the lens covered, or the light off?"),
    ("hangs", "Unplug the camera and plug it in again."),
    ("cannot be opened", "Look at the cable, the address and the password; `edgeface cameras` lists what is there."),
    ("gallery: cannot be written", "The disk is full or read-only: df -h, and dmesg for a worn card."),
    ("space", "Free some space: df -h shows what is full."),
    ("read-only", "dmesg says why: a worn card ends so. Save the data, then take a new card."),
    ("no signing key", "Run `edgeface keys new` on the device."),
    ("liveness", "Set liveness: off for this door, or open it in another way."),
    ("not enrolled", "Enroll them, or take them out of config.yaml."),
    ("level", "Use a lower level, or a smaller gallery; docs/accuracy.md says what a level means."),
    ("refuse", "Compare user and password with the broker's; its log says more."),
    ("broker", "Is mosquitto running, and reachable from here? edgeface connects again by itself."),
    ("connect", "Is mosquitto running, and reachable from here? edgeface connects again by itself."),
    ("journal", "See the disk: df -h and dmesg. Matching goes on meanwhile."),
)
REMEDY_ELSE = "`edgeface doctor` on the device looks closer; the log says more: journalctl -u edgeface"
PROBLEM_CAMERA = "Camera {camera}: {problem}"
PROBLEM_STATUS = "Camera {camera} is {status}."
PROBLEM_BROKER = "Broker: {problem}"
PROBLEM_JOURNAL = "Journal: {problem}"
PROBLEM_ASIDE = "A damaged journal was put aside: {name}"
PROBLEM_ASIDE_DO = "Keep a copy, look at it with `edgeface audit`, then delete it: it names people."
PROBLEM_THROTTLED = "The board slows itself down."
PROBLEM_THROTTLED_DO = "It is too hot, or its power supply too weak: cool it, and use the supply that belongs to it."
PROBLEM_CLOCK = "The clock is not synchronised."
PROBLEM_CLOCK_DO = "Let the device reach a time server, or fit a clock module; schedules of doors wait for it."
PROBLEM_LOST = "{count} rows were lost: neither the broker nor the disk took them."
PROBLEM_DISK = "The disk is nearly full: {free} GB are free."
PROBLEM_DISK_DO = "Free some space: df -h shows what is full."

DONE = {
    "enrolled": "Enrolled.",
    "renamed": "The name was changed.",
    "consent": "Noted.",
    "merged": "Merged; the other id is erased.",
    "ignored": "On the ignore list: this face is not announced any more.",
    "added": "The photos were added.",
    "loggedout": "You are logged out.",
    "cancelled": "Cancelled; nothing was kept.",
}
