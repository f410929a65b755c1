"""All texts about notifications on the pages; the {braces} are filled in."""

from __future__ import annotations

from edgeface.web.languages.catalogues import translate

NOTIFY = "Notifications"
NOTIFY_TEXT = "What is sent, where and how often is in the section notify of config.yaml (docs/notifications.md)."
NOTIFY_NONE = "config.yaml has no section notify, so nothing is sent."
NOTIFY_COLUMNS = ("Target", "State", "Sent", "Failed attempts", "Too old to send", "Waiting")
NOTIFY_OK = "OK"
NOTIFY_FAILS = "fails"
NOTIFY_HELD = "{count} held back by an hourly limit."
NOTIFY_TEST = "Send a test to every target"
NOTIFY_BROWSERS = "Browsers"
NOTIFY_BROWSERS_TEXT = (
    "A browser or phone that you add here gets notifications through its maker's push service, encrypted, and also when"
    " this page is closed. Text only."
)
NOTIFY_BROWSERS_NONE = "No browser is added."
NOTIFY_NO_PUSH = "For browsers, add a target of type web_push to config.yaml."
NOTIFY_LABEL = "A name for this browser"
NOTIFY_ADD = "Add this browser"
NOTIFY_REMOVE = "Remove {label}"
NOTIFY_UNNAMED = "Unnamed browser"
NOTIFY_INSECURE = "This browser allows it only over https."
NOTIFY_DENIED = "The browser refuses: {reason}"
NOTIFY_SCRIPT = "This needs JavaScript."

STRANGER = "A stranger"
STRANGER_TEXT = "edgeface has notified you of a stranger. This link works once, for an hour."
STRANGER_IGNORE = "Ignore this person"
STRANGER_IGNORE_TEXT = "They are no longer announced. You can undo this on the page People."
STRANGER_NAME = "Who is it? (sign in)"
STRANGER_GONE = "This link was used, or is more than an hour old."
STRANGER_DONE = "This person is ignored from now on."
STRANGER_DOUBT = "This could not be done without a question: sign in and ignore the person on the page Unknowns."
STRANGER_OPEN = "Open the unknowns (sign in)"

DONE_NOTIFY = {
    "browser_added": "The browser gets notifications from now on.",
    "browser_removed": "The browser was removed.",
    "test_sent": "A test is on its way to every target.",
}

translate(__name__)
