"""All texts about sign-in, accounts, invitations, sessions, tokens and error pages; the {braces} are filled in."""

from __future__ import annotations

from edgeface.web.languages.catalogues import translate

LOGIN_PASSWORD = "Password"  # noqa: S105 - a label
LOGIN_PASSWORD_HINT = "A token, or a code from the device, works here, too."  # noqa: S105 - a hint
LOGIN_PROGRAM = "This token is for programs that recognise faces: it cannot sign in."
LOGIN_WRONG_ALONE = "Wrong password, token or code."
LOGIN_WAIT_LINK = "too many wrong links from your address: retry in {seconds} s"
LOGIN_INVITED = "Without an account, ask an administrator for an invitation, or set a password on the device:"

ROLE_NAMES = {"admin": "administrator", "viewer": "viewer", "recognise": "recognise"}
ROLE_TEXTS = {
    "viewer": "viewer: sees everything, changes nothing",
    "admin": "administrator: may change everything",
    "recognise": "recognise: may send pictures to /api/v1/recognize, and nothing else",
}
ACCOUNT_NAV = "Accounts and sessions"
ACCOUNT_CODE = "the one-time link"

SESSIONS = "Sessions"
SESSIONS_TEXT = "Browsers in which you are signed in. A session ends after 30 minutes without use, and after 12 hours."
SESSIONS_ALL_TEXT = "Every browser that is signed in, of all accounts."
SESSIONS_COLUMNS = ("Device", "Address", "Since", "Last used")
SESSIONS_ACCOUNT = "Account"
SESSIONS_THIS = "this one"
SESSIONS_DEVICE = "{browser} on {system}"
SESSIONS_UNKNOWN = "unknown device"
SESSIONS_END = "End"
SESSIONS_END_OF = "End the session of {device}, signed in at {since}"
SESSIONS_END_OTHERS = "End my other sessions"
SESSIONS_END_ALL = "End everyone's sessions except this one"
SESSIONS_NO_OTHERS = "There are no other sessions."

ACCOUNTS = "Accounts"
ACCOUNTS_TEXT = "People who can sign in. To give someone an account, send them an invitation."
ACCOUNTS_NONE = "No one has a password yet: set one on the device, or make an invitation."
ACCOUNTS_COLUMNS = ("Name", "Role", "Last sign-in", "Added")
ACCOUNTS_YOU = "you"
ACCOUNTS_REMOVE = "Remove"
ACCOUNTS_REMOVE_OF = "Remove the account {name}"
ACCOUNTS_REMOVE_TEXT = "The account {name} can no longer sign in, and its sessions end now."
ACCOUNTS_LAST = "the last administrator"

INVITE = "Invite someone"
INVITE_ROLE = "Role"
INVITE_MAKE = "Make an invitation link"
INVITE_NO_ADDRESS = (
    "edgeface does not know the address of this page. Set `notify.page` in config.yaml, or `web.tls` and `web.hosts`, "
    "then reload the configuration."
)
INVITE_LINK = "Invitation link ({role})"
INVITE_LINK_TEXT = (
    "It is shown only now. It works once, within 24 hours, until edgeface restarts. Whoever has it can use it."
)
INVITE_OPEN = "Open invitations"
INVITE_OPEN_NONE = "No invitation is open."
INVITE_OPEN_LINE = "{role}, made by {by}, ends in {hours} h"
INVITE_REVOKE = "Revoke"
INVITE_REVOKE_OF = "Revoke the invitation {number}"

INVITED = "Your account"
INVITED_TEXT = "You are invited to {device} as {role}. Choose a user name and a password."
INVITED_NAME_HINT = "Lower-case letters, digits, - and _."
INVITED_PASSWORD_HINT = "At least {least} characters. A sentence is easy to remember."  # noqa: S105 - a hint
INVITED_REPEAT = "Repeat the password"
INVITED_MAKE = "Make the account and sign in"
INVITED_DIFFERENT = "The two passwords are not the same."
INVITED_GONE = "This link was used, was revoked, or is too old. Ask for a new one."
INVITED_TITLE_GONE = "This invitation cannot be used"

TOKENS = "API tokens"
TOKENS_TEXT = (
    "Each program needs a token of its own, with the least role that it needs. edgeface stores only a hash of it. The "
    "REST interface is described in docs/api.md."
)
TOKENS_NONE = "There are no tokens."
TOKENS_COLUMNS = ("Name", "Role", "Expires", "Last used", "Made")
TOKENS_EXPIRED = "expired"
TOKENS_NAME = "Name"
TOKENS_NAME_HINT = "The program that uses it, such as grafana: lower-case letters, digits, - and _."
TOKENS_ROLE = "Role"
TOKENS_EXPIRES = "Expires"
TOKENS_DAYS = {"30": "after 30 days", "90": "after 90 days", "365": "after a year", "": "never"}
TOKENS_CHOOSE = "choose a role and a time from the lists"
TOKENS_MAKE = "Make a token"
TOKENS_NEW = "New token: {name}"
TOKENS_NEW_TEXT = "Copy it now: it is not shown again. Programs send it as: Authorization: Bearer TOKEN"
TOKENS_REVOKE = "Revoke"
TOKENS_REVOKE_OF = "Revoke the token {name}"

PROBLEM_BACK = "Back to {page}"
PROBLEM_START = "Back to the start page"
PROBLEM_SIGN_IN = "Sign in"
PROBLEM_AGAIN = "Try again"
PROBLEM_TITLES = {
    400: "This request cannot be read",
    403: "You may not do this",
    404: "This page does not exist",
    413: "Too large",
    429: "Too often",
    500: "Something went wrong",
    503: "Not available now",
}
PROBLEM_TEXTS = {
    403: "Your account does not have the role for this. An administrator can do it.",
    404: "The address is wrong, or what it showed was removed.",
    500: "edgeface has noted the error. If it happens again, report it with the number.",
    503: "edgeface is busy, or a part of it is not ready. Wait a moment, then try again.",
}

DONE_ACCOUNTS = {
    "invitation_revoked": "The invitation was revoked.",
    "account_removed": "The account was removed, and its sessions have ended.",
    "token_revoked": "The token was revoked.",
    "session_ended": "The session has ended.",
    "sessions_ended": "The other sessions have ended.",
}

translate(__name__)
