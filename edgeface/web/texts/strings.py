"""All texts of the pages except those of the other modules of this room; the {braces} are filled in."""

from __future__ import annotations

from edgeface.core.event_kinds import EVENT_KINDS
from edgeface.web.languages.catalogues import translate

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
CAMERA = "Camera"
LAST_SEEN = "Last seen"
CONFIRM = "To confirm, type {id}"
SCRIPT = "Live video needs JavaScript; everything else works without it. Reload the page for a newer picture."
VERSION = "{device} · edgeface {version}"
# Nouns for core/text.counted: the singular, and the plural unless it just adds an s.
DAY = ("day",)
FILE = ("file",)
KEPT_PICTURE = ("kept picture",)
LOOK_ALIKE = ("unknown that looks like this person", "unknowns that look like this person")
PERSON = ("person", "people")
ROW = ("row",)
DEVICE = ("device",)
TEMPLATE = ("template",)
VISIT = ("visit",)
PAGES = {
    "/": "Today",
    "/live": "Live",
    "/people": "People",
    "/unknowns": "Unknowns",
    "/events": "Events",
    "/doors": "Doors",
    "/health": "Health",
}

LOGIN = "Sign in"
LOGIN_TEXT = "edgeface shows faces and names, so you need to sign in."
LOGIN_COMMAND = "edgeface web password --role admin"
LOGIN_NAME = "User name"
LOGIN_NAME_HINT = "The name of your account. Leave it empty for a token or code."
LOGIN_SECRET = "Password, token or code"  # noqa: S105 - a label
LOGIN_WRONG = "Wrong user name or password."
LOGIN_WAIT = "Too many failed attempts. Wait {seconds} s, then try again."
LOGOUT = "Sign out"

LIVE = "Live"
LIVE_TEXT = "What the cameras see now. Video pauses when this tab is hidden."
LIVE_PICTURE = "Picture of the camera {camera}"
LIVE_FACES = "In view"
LIVE_NO_FACE = "no one"
LIVE_REMEDIES = "How to fix it"
LIVE_WAITING = "Waiting for a picture …"
LIVE_STOPPED = "No picture. The device may be offline; trying again."
LIVE_SCORE = "score {score}"
LIVE_NOT = "Not {name}?"
LIVE_IS = "Who is this?"
LIVE_EDIT = "Region and smallest face"
LIVE_LATEST = "Recent activity"
LIVE_NOTHING = "Nothing has happened yet."
LIVE_ALL = "All events"
LIVE_FPS = "{fps} fps"
STATUSES = {
    "online": "online",
    "stalled": "stalled",
    "offline": "offline",
    "disabled": "switched off",
    "ended": "ended",
    "starting": "starting",
}

REGION_TEXT = "edgeface searches for faces inside the frame only. Drag its edges, use the arrow keys, or type numbers."
REGION_EDGES = {"left": "Left", "top": "Top", "right": "Right", "bottom": "Bottom"}
REGION_EDGES_LABEL = "Edges, in percent of the picture"
REGION_SMALLEST = "Smallest face in pixels, chin to crown (all cameras)"
REGION_WHOLE = "Whole picture"
REGION_SAVE = "Write to config.yaml"
REGION_SAVED = "Written to config.yaml."
REGION_RESTART = "Written to config.yaml. Takes effect at the next start."
REGION_HANDLE = "Edge of the region: {edge}"

KIND_LABELS = {entry.kind: entry.label for entry in EVENT_KINDS}
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
    "covered": "covered",
    "few_frames": "seen too briefly",
    "near_threshold": "near the threshold",
    "two_people": "like two people",
    "pictures": "pictures repeat",
    "timestamps": "timestamps repeat",
}

PEOPLE = "People"
PEOPLE_NONE = "No one is enrolled yet."
PEOPLE_COUNT = "{people}; {enrolled} can be recognised."
PEOPLE_FIND = "Find by name or ID"
PEOPLE_FIND_DO = "Find"
PEOPLE_FOUND_NONE = "No one has this name or ID."
PEOPLE_PREVIOUS = "Previous"
PEOPLE_NEXT = "Next"
PEOPLE_ENROLL = "Enroll a person"
PEOPLE_ALIKE = "{one} and {other} look too alike (cosine {score}): the same person twice, or look-alikes."
PEOPLE_ALIKE_DO = "Merge them, or use better photos of both."
PERSON_PHOTO = "Photo of {name}"
PERSON_NAME = "Name"
PERSON_TEMPLATES = "Templates"
PERSON_ENROLLED = "Enrolled"
PERSON_CONSENT = "Consent"
PERSON_EXPIRES = "Expires"
PERSON_IGNORED = "ignored"
PERSON_EXPIRED = "expired"
PERSON_FOREIGN = "{templates} of another model cannot be used: enroll again"
PERSON_NO_TEMPLATES = "no template of this model: enroll again"
PERSON_EVENTS = "Events of {name}"
PERSON_RENAME = "Rename"
PERSON_RENAME_LABEL = "Display name"
PERSON_CONSENT_GIVEN = "Consent given on"
PERSON_CONSENT_EXPIRES = "Consent ends on"
PERSON_CONSENT_NEVER = "Never expires"
PERSON_CONSENT_HINT = "On that day edgeface stops matching the person and erases them."
PERSON_MORE = "Add photos"
PERSON_MERGE = "Merge into another person"
PERSON_MERGE_LABEL = "This is the same person as"
PERSON_MERGE_TEXT = (
    "The templates move to the other person. This ID, its name, its pictures and the content of its journal rows are "
    "erased permanently. If the two are not alike, you are asked first."
)
PERSON_MERGE_DO = "Merge"
PERSON_FORGET = "Forget"
PERSON_FORGET_OPEN = "Forget this person …"
PERSON_LOOK_ALIKES = "look-alike of {others}: level normal at most"
PERSON_DIVIDED = "The templates show two people (cosine {score}): both may be matched as {name}. Remove the wrong ones."
TEMPLATES_TEXT = "The cosine is that with the mean of the other templates."
TEMPLATES_DAY = "Day"
TEMPLATES_SOURCE = "Source"
TEMPLATES_SCORE = "Cosine"
TEMPLATES_PICTURE = "Picture of template {id}"
TEMPLATES_OUTLIER = "unlike the rest"
TEMPLATES_REMOVE = "Remove"
TEMPLATES_REMOVE_TEXT = "Template {id} and its picture are erased. This cannot be undone."
TEMPLATES_REMOVE_DO = "Remove template"
PERSON_PICTURES = "Pictures"
PERSON_NO_PICTURES = "No pictures are kept (privacy.pictures in config.yaml)."
PERSON_NEGATIVES = "Not this person"
PERSON_NEGATIVES_TEXT = "Faces that were corrected as not being {name}. If {name} is no longer recognised, remove them."
PERSON_NEGATIVE_REMOVE = "Remove"

CORRECT = "Correct"
CORRECT_TITLE = "Correct an event"
CORRECT_NAMED = "This face was announced as {name}:"
CORRECT_UNKNOWN = "This face was announced as the unknown {id}:"
CORRECT_UNNAMED = "This face was announced without a name:"
CORRECT_NOT = "Not {name}"
CORRECT_NOT_TEXT = (
    "From the next picture on, this face is no longer taken for {name}. For this, edgeface keeps a template of the "
    "face for {days}; you can remove it on the page of {name}."
)
CORRECT_NOT_OFF = "No such corrections are kept (privacy.negative_days is 0)."
CORRECT_IS = "This is someone else"
CORRECT_IS_TEXT = "The face becomes a template of the person: choose one, or enter a new ID."
CORRECT_IS_NOT = "It is also recorded that this is not {name}."
CORRECT_IS_DO = "This is the person"
CORRECT_NEW = "a new person"
CORRECT_BOTH = "Choose a person, or enter a new ID, not both."

DOUBT = "Is this the same person?"
DOUBT_OWN = "Enrolled as {name}"
DOUBT_NEW = "New photo"
DOUBT_TEXT = (
    "If these are two people, both would be matched under one name, and doors would open for both. Add the photos only "
    "if you are sure. The audit trail records it."
)
DOUBT_DO = "Add anyway"
DOUBT_GONE = "The photos are no longer kept: choose them again."

FORGET = "Forget {name}"
FORGET_TEXT = "This cannot be undone. edgeface keeps no backup."
FORGET_ERASED = "Erased"
FORGET_LIST = (
    "the name and the ID",
    "{templates}",
    "{pictures}",
    "{unknowns}, with their pictures",
    "the templates that are kept for corrections, if the face is alike",
    "the content of every journal row about them",
)
FORGET_STAYS = "Kept"
FORGET_STAYS_LIST = (
    "that something happened, and when: the journal's chain must stay valid",
    "backups, exports and messages that others have stored",
)
FORGET_UNKNOWN_LIST = ("the ID {id}, which is never reused", "{templates}", "{pictures}")
FORGET_DO = "Forget permanently"
FORGET_MISTYPED = "The text does not match {id}. Nothing was erased."
FORGET_SEVERAL = "Everything that is kept of these people is erased:"
FORGET_SELECT = "Select {name}"
FORGET_SELECTED = "Forget the selected people …"
FORGOTTEN = "Forgotten"
FORGOTTEN_PROOF = "No trace was found. Searched: {files} of the data folder."
FORGOTTEN_TRACES = "These files still contain a trace. Try again when no other program has them open:"
FORGOTTEN_ASIDE = "A damaged journal was put aside and may still name them. Delete it:"
FORGOTTEN_NAMED = "The configuration still names them:"

ENROLL = "Enroll"
ENROLL_TEXT = "Three or more different photos of one person, one face in each, seen from the front in good light."
ENROLL_WHO = "Person"
ENROLL_ID = "ID"
ENROLL_ID_HINT = "Made from the name if you leave it empty: a-z, 0-9, - and _, such as anna-b. It never changes."
ENROLL_NAME_HINT = "The name that is displayed. You can change it at any time."
ENROLL_PHOTOS = "Photos"
ENROLL_ALIKE = "Two people who look alike: this face may be enrolled under another ID (level normal at most)"
ENROLL_CHOOSE = "Choose photos"
ENROLL_REJECTED = "No one was enrolled."
ENROLL_LEFT_OUT = "Left out:"
ENROLL_HERE = "With this browser's camera"
ENROLL_HERE_START = "Start the camera"
ENROLL_HERE_SHOOT = "Take a picture"
ENROLL_HERE_STOP = "Stop the camera"
ENROLL_HERE_TAKEN = "Pictures taken: {count}"
ENROLL_HERE_DENIED = "The browser does not provide a camera: {reason}"
ENROLL_HERE_INSECURE = "Browsers give a camera to secure pages only: use https, or 127.0.0.1 on the device itself."
ENROLL_DEVICE = "With a camera of the device"
ENROLL_DEVICE_TEXT = "The person stands in front of the camera and follows instructions until five pictures are good."
ENROLL_DEVICE_DO = "Start"
ENROLL_UNKNOWN = "Someone who was already seen"
ENROLL_UNKNOWN_TEXT = "If a camera has seen the person clearly, templates exist already: just add a name."
ENROLL_UNKNOWN_DO = "Show the unknowns"

GUIDE = "At the camera {camera}"
GUIDE_FOR = "Enrolling {id}"
GUIDE_TAKEN = "{taken} of {wanted} pictures"
GUIDE_STATES = {
    "running": "Recording",
    "ready": "Five good pictures are ready.",
    "failed": "The enrollment failed.",
    "cancelled": "Cancelled. Nothing was kept.",
}
GUIDE_NONE = "No enrollment at a camera is in progress."
GUIDE_BUSY = "Another enrollment at a camera is in progress: wait for it, or cancel it."
GUIDE_STARTING = "opening the camera"

EVENTS = "Events"
EVENTS_FILTER = "Filter"
EVENTS_KIND = "Kind"
EVENTS_WHO = "Person (ID)"
EVENTS_DAY = "Day"
EVENTS_ALL = "all"
EVENTS_DO = "Show"
EVENTS_CLEAR = "Show all"
EVENTS_NONE = "No rows match."
EVENTS_SCANNED = "{rows} searched. Older rows may have more matches."
EVENTS_OLDER = "Older"
EVENTS_NEWEST = "Newest"
EVENTS_TABLE = "Rows of the journal, newest first"
EVENTS_COLUMNS = ("Time", "Kind", "Person", "Place", "Details")
EVENTS_REDACTED = "erased: the person was forgotten"
EVENTS_ALTERED = "altered: the key cannot decrypt this row"
EVENTS_LIVE = "New rows appear automatically."
EVENTS_LIVE_OFF = "Connection lost; trying again."
EVENTS_EXPORT = "Export as JSON lines"
EVENTS_EXPORT_HINT = "The file contains who was seen when, in plain text."
EVENTS_VERIFY = "Verify the journal"
EVENTS_VERIFY_HEAD = "A link noted earlier (optional)"
EVENTS_VERIFY_HEAD_HINT = "16 or more of its hex digits. Shows whether rows were cut off at the end."
EVENTS_HOLDS = "The journal is intact: {rows}, {redacted} redacted, head {head}."
EVENTS_FAULT = "The journal is not intact: {fault}. Valid before it: {rows}."
EVENTS_CUT = "No row has the link {head}: rows were cut off, or the row has been pruned."
EVENTS_BAD_HEAD = "A link has 16 to 64 hex digits."
SCORE_OF = "score {score}, threshold {threshold}"
FACTS = {
    "level": "level {}",
    "age_ms": "{} ms after capture",
    "version": "version {}",
    "event": "event {}",
    "web": "page: {}",
    "step": "{}",
    "text": "consent text {}",
    "agreed": "agreed at {}",
}
AFTER_SECONDS = "after {seconds} s"

DOORS = "Doors"
DOORS_NONE = "No door is configured (doors in config.yaml)."
DOORS_SHUT = "stays shut"
DOORS_READY = "ready"
DOORS_WAITING = "waiting for its controller"
DOOR_LEVEL = "Level"
DOOR_NONCE = "Last nonce"
DOOR_NONCE_AGE = "{age} s ago"
DOOR_NONCE_NONE = "none. Is the door's controller running and connected to the broker?"
DOOR_GRANTED = "Granted"
DOOR_OPENED = "Opened"
DOOR_REFUSED = "Refused here"
DOOR_REJECTED = "Rejected by the door"
DOOR_LAST = "Recent activity at {door}"
DOOR_LAST_NONE = "Nothing has happened at this door yet."
DOOR_NOT_SYNCED = "The clock is not synchronised: doors with schedules stay shut."
REFUSALS = {
    "person": "not allowed at this door",
    "clock": "the clock is not synchronised",
    "schedule": "not at this time",
    "level": "the score is too low for this door",
    "faces": "more than one face in view",
    "known": "already admitted",
    "cooldown": "admitted a moment ago",
    "stale": "too late",
    "no_key": "no signing key",
    "no_nonce": "the door has sent no fresh nonce",
    "retained": "a stored message",
    "too_large": "the message is too large",
    "malformed": "not a message of this version",
    "unknown_key": "the door does not know the key",
    "algorithm": "unsupported algorithm",
    "signature": "invalid signature",
    "audience": "for another door",
    "nonce": "not a nonce of this door",
    "replayed": "already used",
    "policy": "below the door's requirements",
}

HEALTH = "Health"
HEALTH_WELL = "No problems."
HEALTH_PROBLEMS = "Problems"
HEALTH_DO = "How to fix it:"
HEALTH_NO_STATE = "The daemon has not reported yet."
HEALTH_CAMERAS = "Cameras"
HEALTH_CAMERA_COLUMNS = ("Camera", "Status", "fps", "Age", "Dropped", "Reopened", "No decision")
HEALTH_SECONDS = "{seconds} s"
HEALTH_DEVICE = "Device"
HEALTH_DECISION = "Frame to decision"
HEALTH_DECISION_VALUE = "{p50} ms median, {p95} ms 95th percentile"
HEALTH_TEMPERATURE = "Temperature"
HEALTH_CELSIUS = "{degrees} °C"
HEALTH_THROTTLED = "Throttled"
HEALTH_CLOCK = "Clock"
HEALTH_CLOCKS = {"synced": "synchronised", "unsynced": "not synchronised"}
HEALTH_UPTIME = "Uptime"
HEALTH_DURATION = "{days} d {hours} h {minutes} min"
HEALTH_DISK = "Free disk space"
HEALTH_DISK_VALUE = "{free} GB of {total} GB"
HEALTH_MEMORY = "Peak memory"
HEALTH_MEGABYTES = "{megabytes} MB"
HEALTH_MESSAGES = "Messages and journal"
HEALTH_BROKER = "Broker"
HEALTH_BROKER_OK = "connected"
HEALTH_BROKER_NONE = "not configured: events stay in the journal"
HEALTH_QUEUE = "Waiting for the broker"
HEALTH_JOURNAL = "Journal"
HEALTH_JOURNAL_OK = "row {seq}, written"
HEALTH_HEAD = "Head"
HEALTH_HEAD_HINT = "Note it elsewhere: with it you can check later whether rows were cut off."
HEALTH_KEY = "Data key"
HEALTH_KEYS = {
    "tpm2": "sealed by this machine's TPM",
    "host": "a key of this machine, on the same disk; it does not protect the data if the disk is stolen",
    "credential": "provided by systemd at each start",
    "file": "a file on the same disk; it does not protect the data if the disk is stolen",
}
HEALTH_KEY_LIST = "Device keys"
HEALTH_KEY_LIST_VALUE = "list {number}, {devices}, expires in {hours} h"
HEALTH_MODELS = "Models, SHA-256"

DONE = {
    "enrolled": "Enrolled.",
    "renamed": "The name was changed.",
    "consent": "The days of consent were saved.",
    "merged": "Merged. The other ID was erased.",
    "two_unknowns": "Recorded. This pair is not proposed again.",
    "ignored": "On the ignore list: this face is no longer announced.",
    "added": "The photos were added.",
    "denied": "Recorded. From the next picture on, the face is no longer taken for this person.",
    "identified": "The face is now a template of this person.",
    "removed": "The template was removed.",
    "undone": "The negative template was removed.",
    "cancelled": "Cancelled. Nothing was kept.",
}

translate(__name__)
