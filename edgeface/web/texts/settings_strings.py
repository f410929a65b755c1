"""All texts of the pages that change config.yaml; the {braces} are filled in."""

from __future__ import annotations

from edgeface.web.languages.catalogues import translate

SETTINGS = "Settings"
SETTINGS_TEXT = "Written to {file}. Comments stay, and the whole file is checked before it is written."
SETTINGS_OF_CAMERA = "Settings of this camera"
SETTINGS_READ_ONLY = "This page cannot write the file:"
SETTINGS_READ_ONLY_TEXT = "It checks what you enter, and shows the lines for the file."
SETTINGS_SAVE = "Save"
SETTINGS_LINES = "Show the lines"
SETTINGS_PASTE = (
    "Put these lines into {file}, then run `systemctl reload edgeface`. What is hidden as *** stays as it is."
)
SETTINGS_RESTART = "A change takes effect at the next start."
SETTINGS_CAMERAS = "Cameras"
UNDO = "Undo the last change"
UNDO_TEXT = "The version before the last change on these pages is kept."
UNDO_GONE = "The last change on these pages cannot be undone: the file has been changed by hand since."
NOTHING_WRITTEN = "Nothing was saved. Correct the marked fields."

CAMERA_TITLE = "Settings of camera {camera}"
CAMERA_ID = "ID: {id}"
CAMERA_NAME = "Name"
NAME = "What people call this camera"
NAME_HINT = (
    "Shown on the pages, in notifications and in Home Assistant. Empty: the ID. Topics, doors and rules keep the ID."
)
CAMERA_SOURCE = "Picture"
CAMERA_OTHER = "What this camera reads can be changed in config.yaml only."
SOURCE_KEYS = {
    "source": "Source: a USB camera's number, /dev/video*, or an rtsp:// or http:// address",
    "url": "Address of the camera",
    "device": "Device, such as /dev/video0",
    "number": "Number of the camera",
    "sensor": "Number of the sensor",
}
SOURCE_HINT = "Passwords are hidden as ***. What is hidden stays as it is, as long as the host is the same."
FPS = "Maximum frames per second"
FPS_HINT = "Empty: no limit. Below 0.8, people are not recognised in time."
REGION_HINT = "edgeface searches for faces inside only. 0, 0, 100, 100 is the whole picture."
DETECTOR = "All cameras"
TRY = "Try"
TRY_TEXT = "Opens the camera with what is entered above and shows one picture. Nothing is written."
TRY_BUSY = "Another camera is being tried: wait a moment, then try again."
TRY_HANGING = "Too many cameras hang in their drivers: restart edgeface."
TRY_PICTURE = "Picture of the camera {camera}, as it was tried"
TRY_WORKS = "The camera works:"
TRY_FAILS = "The camera gives no picture:"

RECOGNITION = "Recognition"
LEVEL = "Level of events"
LEVEL_HINT = "The threshold follows from the level and the number of people enrolled. Doors have levels of their own."
LEVELS_CHOICE = {
    "low": "low: 1 false match in 100 passers-by",
    "normal": "normal: 1 in 1,000",
    "high": "high: 1 in 10,000",
}
PRIVACY = "Privacy"
PRIVACY_TEXT = "Shorter times erase what is older, and that cannot be undone."
PRIVACY_KEYS = {
    "pictures": "Whose face is kept on this device, encrypted",
    "snapshots": "Whose face is published over MQTT and may be sent",
    "journal_days": "Days for which the journal keeps its rows; 0: no limit",
    "picture_days": "Days after which a kept picture is erased",
    "correction_days": "Days for which a visit can be corrected; 0: never",
    "negative_days": "Days for which a correction holds; 0: no such corrections",
    "proposal_days": "Days for which a self-enrollment waits for an administrator",
}
WHOSE = {"none": "no one's", "unknown": "unknown people's", "all": "everyone's"}
RULES = "Rules for notifications"
RULES_TEXT = "Targets and their secrets are in config.yaml."
RULES_NONE = "config.yaml has no section notify, so nothing is sent (docs/notifications.md)."
RULE = "Rule {number} for notifications"
RULE_KINDS = "What is sent"
RULE_TO = "To these targets"
RULE_CAMERAS = "Only from these cameras"
RULE_CAMERAS_HINT = "None ticked: from all."
RULE_PAUSE = "Seconds between two notifications about the same person, stranger, camera or door, at least"
RULE_PER_HOUR = "Notifications of each kind in an hour, at most"
CAMERA_KINDS = {"camera_offline": "Camera offline", "camera_online": "Camera online again"}

MISTAKE_SOURCE = "Enter a number, a device such as /dev/video0, or an address. A file can be set in config.yaml only."
MISTAKE_HIDDEN = "Enter the address with its password: what is hidden is for another host, user or path."
MISTAKE_BOUND = "The password is kept outside the address, for this protocol and host only. Change both in config.yaml."
MISTAKE_WHOLE = "Enter a whole number."
MISTAKE_NUMBER = "Enter a number."
MISTAKE_LINE = "Enter one line of printable text, without repeated spaces."
MISTAKE_LONG = "Enter {most} characters at most."
MISTAKE_CHOICE = "Choose one from the list."
MISTAKE_NONE = "Tick at least one."
MISTAKE_VERSION = "config.yaml has been changed in the meantime. Load the page again, then repeat your change."
ITEM = "number {number} of the list"
REMOVED = "(leave it out)"

DONE_SETTINGS = {
    "settings_saved": "Saved. It takes effect within a second.",
    "settings_restart": "Saved. It takes effect after `systemctl restart edgeface`.",
    "settings_same": "Nothing was changed.",
    "settings_undone": "The change was undone. It takes effect within a second.",
    "settings_undone_restart": "The change was undone. It takes effect after `systemctl restart edgeface`.",
}

translate(__name__)
