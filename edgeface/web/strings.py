"""Every English string of the pages, in one place; {braces} are filled in by who shows it."""

from __future__ import annotations

from edgeface.core.event_kinds import EVENT_KINDS

APP = "edgeface"
SKIP = "Skip to the content"
NAV = "Pages"
UTC = "All times are UTC."
NONE = "none"
NEVER = "never"
NOT_KNOWN = "not known"
YES = "yes"
NO = "no"
SAVE = "Save"
CANCEL = "Cancel"
BACK = "Back"
SCRIPT = "Moving pictures need JavaScript; everything else works without it. Load the page again for a newer picture."
VERSION = "{device} · edgeface {version}"
PAGES = {
    "/": "Live",
    "/people": "People",
    "/unknowns": "Unknowns",
    "/events": "Events",
    "/doors": "Doors",
    "/health": "Health",
}

LOGIN = "Log in"
LOGIN_TEXT = "edgeface shows faces and names, so it wants to know who looks. Passwords are set on the device:"
LOGIN_COMMAND = "edgeface web password --role admin"
LOGIN_NAME = "Name"
LOGIN_NAME_HINT = "The name of the password: admin, viewer or what it was given. A token or code needs none."
LOGIN_SECRET = "Password, token or code"  # noqa: S105 - a label
LOGIN_WRONG = "That name and that password, token or code do not belong together."
LOGIN_WAIT = "Too many wrong tries: wait {seconds} s, then try again."
LOGOUT = "Log out"
ROLES = {"admin": "administrator", "viewer": "viewer"}

LIVE = "Live"
LIVE_TEXT = "What the cameras see now. The pictures come only while this page is in view."
LIVE_PICTURE = "Picture of the camera {camera}"
LIVE_FACES = "In view"
LIVE_NOBODY = "nobody"
LIVE_REMEDIES = "What to do"
LIVE_WAITING = "Waiting for a picture …"
LIVE_STOPPED = "No picture. The device may be away; trying again."
LIVE_SCORE = "score {score}"
LIVE_EDIT = "Region and smallest face"
LIVE_LATEST = "Lately"
LIVE_NOTHING = "Nothing has happened yet."
LIVE_ALL = "All events"
LIVE_FPS = "{fps} pictures/s"
STATUSES = {
    "online": "online",
    "stalled": "stalled",
    "offline": "offline",
    "disabled": "switched off",
    "ended": "ended",
    "starting": "starting",
}

REGION_TEXT = "Faces are looked for inside the frame only. Drag its edges, use the arrow keys, or type."
REGION_EDGES = {"left": "Left", "top": "Top", "right": "Right", "bottom": "Bottom"}
REGION_EDGES_LABEL = "Edges, in percent of the picture"
REGION_SMALLEST = "Smallest face in pixels, chin to crown (all cameras)"
REGION_WHOLE = "Whole picture"
REGION_SAVE = "Write to config.yaml"
REGION_SAVED = "Written to config.yaml."
REGION_RESTART = "Written to config.yaml; it counts from the next start on."
REGION_HANDLE = "Edge of the region: {edge}"

LABELS = {entry.kind: entry.face for entry in EVENT_KINDS if entry.face} | {
    "ignored": "ignored",
    "new": "checking…",
}
REASONS = {
    "small": "too small",
    "blurred": "blurred",
    "turned": "turned away",
    "dark": "too dark",
    "bright": "too bright",
    "cut": "cut off",
    "few_frames": "seen too briefly",
    "near_threshold": "near the threshold",
    "two_people": "like two people",
}

PEOPLE = "People"
PEOPLE_NOBODY = "Nobody is enrolled yet."
PEOPLE_COUNT = "In all: {count}. Matched at level {level}, which is a cosine of {threshold} or more: {enrolled}."
PEOPLE_FIND = "Find by name or id"
PEOPLE_FIND_DO = "Find"
PEOPLE_FOUND_NONE = "Nobody has such a name or id."
PEOPLE_ENROLL = "Enroll somebody"
PEOPLE_ALIKE = "{one} and {other} are too alike (cosine {score}): the same person twice, or look-alikes."
PEOPLE_ALIKE_DO = "Merge them, or use better photos of both."
PEOPLE_UNMATCHED = "Nobody is matched: {problem}"
PERSON_PHOTO = "Photo of {name}"
PERSON_NAME = "Name"
PERSON_TEMPLATES = "Templates"
PERSON_ENROLLED = "Enrolled"
PERSON_SEEN = "Last seen"
PERSON_CONSENT = "Consent"
PERSON_EXPIRES = "Expires"
PERSON_IGNORED = "ignored"
PERSON_EXPIRED = "expired"
PERSON_FOREIGN = "{count} templates of another model take no part: enroll again"
PERSON_NO_TEMPLATES = "no template of this model: enroll again"
PERSON_EVENTS = "Events of {name}"
PERSON_RENAME = "Rename"
PERSON_RENAME_LABEL = "Display name"
PERSON_CONSENT_GIVEN = "Day of consent"
PERSON_CONSENT_EXPIRES = "Over from this day on"
PERSON_CONSENT_NEVER = "Never expires"
PERSON_CONSENT_HINT = "From that day on the person is not matched, and is erased."
PERSON_MORE = "Add photos"
PERSON_MERGE = "Merge into another person"
PERSON_MERGE_LABEL = "This is the same person as"
PERSON_MERGE_TEXT = (
    "The templates go to the other person. This id, its name, its pictures and what the journal says of it are erased "
    "for good. Two people who are not alike are refused."
)
PERSON_MERGE_CONFIRM = "To confirm, type the id {id}"
PERSON_MERGE_DO = "Merge"
PERSON_FORGET = "Forget"
PERSON_FORGET_OPEN = "Forget this person …"
PERSON_PICTURES = "Pictures"
PERSON_NO_PICTURES = "No pictures are kept (privacy.pictures in config.yaml)."

FORGET = "Forget {name}"
FORGET_TEXT = "This is for good. Nobody can bring it back, from no backup that edgeface makes."
FORGET_GOES = "What goes"
FORGET_LIST = (
    "the name and the id",
    "{templates} templates",
    "{pictures} kept pictures",
    "{unknowns} unknowns that look like this person, with their pictures",
    "the content of every row of the journal about them",
)
FORGET_STAYS = "What stays"
FORGET_STAYS_LIST = (
    "that something happened, and when: the journal's chain must hold",
    "backups, exports and messages that others keep",
)
FORGET_UNKNOWN_LIST = ("the id {id}, which is not given again", "{templates} templates", "{pictures} kept pictures")
FORGET_CONFIRM = "To confirm, type the id {id}"
FORGET_DO = "Forget for good"
FORGET_MISTYPED = "That was not the id {id}; nothing was erased."
FORGOTTEN = "Forgotten"
FORGOTTEN_PROOF = "{files} files of the data folder were searched afterwards, and no trace was found."
FORGOTTEN_TRACES = "A trace is left in these files. Try again once no other program has them open:"
FORGOTTEN_ASIDE = "A damaged journal was put aside and may still name them; delete it:"
FORGOTTEN_NAMED = "The configuration still names them:"

ENROLL = "Enroll"
ENROLL_TEXT = "Three or more different photos of one person, one face in each, seen from the front in good light."
ENROLL_WHO = "Who"
ENROLL_ID = "Id"
ENROLL_ID_HINT = "Small letters, digits, - and _; a letter or digit first. It never changes: anna-b"
ENROLL_NAME = "Name"
ENROLL_NAME_HINT = "As it is shown; it can be changed at any time."
ENROLL_PHOTOS = "Photos"
ENROLL_CHOOSE = "Choose photos"
ENROLL_PHOTOS_HINT = "JPEG, PNG, WebP or BMP; at most {most}, of {megabytes} MB together."
ENROLL_SKIP = "Leave out photos that cannot be used"
ENROLL_DO = "Enroll"
ENROLL_REFUSED = "Nobody was enrolled."
ENROLL_LEFT_OUT = "Left out:"
ENROLL_HERE = "With this browser's camera"
ENROLL_HERE_START = "Start the camera"
ENROLL_HERE_SHOOT = "Take a picture"
ENROLL_HERE_STOP = "Stop the camera"
ENROLL_HERE_TAKEN = "{count} pictures taken"
ENROLL_HERE_DENIED = "The browser gives no camera: {reason}"
ENROLL_HERE_INSECURE = (
    "Browsers give their camera to secure pages only: open this page over https, or at 127.0.0.1 on the device itself."
)
ENROLL_DEVICE = "With a camera of the device"
ENROLL_DEVICE_TEXT = "The person stands before the camera, and is told what to do until five good pictures are taken."
ENROLL_DEVICE_CAMERA = "Camera"
ENROLL_DEVICE_DO = "Begin"
ENROLL_UNKNOWN = "From somebody who has been seen"
ENROLL_UNKNOWN_TEXT = "Whoever a camera has seen well has templates already: give them a name."
ENROLL_UNKNOWN_DO = "Look at the unknowns"

GUIDE = "At the camera {camera}"
GUIDE_FOR = "Enrolling {id}"
GUIDE_TAKEN = "{taken} of {wanted} pictures"
GUIDE_STATES = {
    "running": "Looking",
    "ready": "Five good pictures are there.",
    "failed": "It did not work.",
    "cancelled": "Cancelled; nothing was kept.",
}
GUIDE_FINISH = "Enroll"
GUIDE_NOBODY = "Nobody is being enrolled at a camera."
GUIDE_BUSY = "Somebody is being enrolled at a camera already; wait, or cancel that."
GUIDE_STARTING = "the camera is being opened"

UNKNOWNS = "Unknowns"
UNKNOWNS_TEXT = "People whom nobody has enrolled. Each keeps the same id, until {days} days after the last visit."
UNKNOWNS_OFF = "No unknowns are kept (unknown.days is 0)."
UNKNOWNS_NONE = "Nobody unknown has been seen."
UNKNOWN_PHOTO = "Picture of {id}"
UNKNOWN_VISITS = "{count} visits"
UNKNOWN_VISIT = "1 visit"
UNKNOWN_FIRST = "First seen"
UNKNOWN_LAST = "Last seen"
UNKNOWN_CAMERA = "Camera"
UNKNOWN_NO_PICTURES = "No picture is kept (privacy.pictures in config.yaml)."
UNKNOWN_ENROLL = "Enroll {id}"
UNKNOWN_ENROLL_OPEN = "Enroll"
UNKNOWN_IGNORE = "Ignore"
UNKNOWN_DELETE = "Delete"

EVENTS = "Events"
EVENTS_FILTER = "Filter"
EVENTS_KIND = "Kind"
EVENTS_WHO = "Who, by id"
EVENTS_CAMERA = "Camera"
EVENTS_DAY = "Day"
EVENTS_ALL = "all"
EVENTS_DO = "Show"
EVENTS_CLEAR = "Show all"
EVENTS_NONE = "The journal has no such row."
EVENTS_SCANNED = "{count} rows were looked through, back to this one; older ones may have more."
EVENTS_OLDER = "Older"
EVENTS_NEWER = "Newer"
EVENTS_NEWEST = "Newest"
EVENTS_TABLE = "Rows of the journal, newest first"
EVENTS_COLUMNS = ("Time", "Kind", "Who", "Where", "What")
EVENTS_REDACTED = "erased: the person was forgotten"
EVENTS_ALTERED = "altered: the key does not open this row"
EVENTS_LIVE = "New rows appear by themselves."
EVENTS_LIVE_OFF = "The connection is lost; trying again."
EVENTS_EXPORT = "Export as JSON lines"
EVENTS_EXPORT_HINT = "It says in plain text who was seen when."
EVENTS_VERIFY = "Verify the journal"
EVENTS_VERIFY_HEAD = "A link noted earlier (optional)"
EVENTS_VERIFY_HEAD_HINT = "16 or more of its hex digits; it shows whether rows were cut off at the end."
EVENTS_HOLDS = "The journal holds: {rows} rows, {redacted} of them redacted, head {head}."
EVENTS_FAULT = "The journal does not hold: {fault}. {rows} rows before it do."
EVENTS_CUT = "No row has the link {head}: rows were cut off after it, or it has been pruned."
EVENTS_BAD_HEAD = "A link is 16 to 64 hex digits."
SCORE_OF = "score {score} of {threshold}"
FACTS = {"level": "level {}", "age_ms": "{} ms after the picture", "version": "version {}", "web": "page: {}"}
AFTER_SECONDS = "after {seconds} s"

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
