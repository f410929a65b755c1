"""All texts about self-enrollment on the pages; the {braces} are filled in."""

from __future__ import annotations

from edgeface.web.languages.catalogues import translate

PROPOSALS = "Self-enrollments"
PROPOSALS_TEXT = (
    "Photos that people have sent with a link. No one is matched by them until you have looked at the face and"
    " confirmed. They are erased after {days}."
)
PROPOSALS_NONE = "No photos wait."
PROPOSALS_WAIT = "{proposals} to look at"
PROPOSALS_OPEN = "Look at the faces"
PROPOSALS_DAY = ("day",)
PROPOSAL = ("self-enrollment",)
PROPOSAL_NEW = "New person {id}"
PROPOSAL_MORE = "More photos of {id}"
PROPOSAL_AT = "Sent and agreed"
PROPOSAL_TEXT_VERSION = "consent text {version}"
PROPOSAL_FACE = "Photo {number} of {name}"
PROPOSAL_LOOK = "Is every photo {name}, and only {name}?"
PROPOSAL_CONFIRM = "Confirm and enroll {name}"
PROPOSAL_REFUSE = "Refuse and erase"

LINKS = "Links"
LINKS_TEXT = (
    "A link lets one person send photos with their own phone. It works once, for an hour, and gives no other access."
)

LINKS_DO = "Make a link"
LINKS_MADE = "The link for {who}, shown only now"
LINKS_MADE_TEXT = "Send it to this person only, or have them scan the code. Whoever has it can send photos."
LINKS_ADDRESS = "Link"
LINKS_CODE = "QR code of the link"
LINKS_OPEN = "{name}, valid until"
LINKS_WITHDRAW = "Withdraw the link for {name}"
LINKS_NEED_HTTPS = (
    "A link needs an https address that the phone can reach. In config.yaml set `web.tls`, `web.host: 0.0.0.0` and"
    " `web.hosts` with the name of this device; or, behind a proxy that serves https, `notify.page`, `web.hosts` and"
    " `web.trusted_proxies`. Then restart edgeface."
)
LINKS_PERSON = "With a link, from their own phone"
LINKS_PERSON_TEXT = "The person takes the photos and agrees; you look at the face and confirm."

JOIN = "Photos for face recognition"
JOIN_FOR = "For {name}"
JOIN_CONSENT = (
    "I agree that this device recognises my face. From my photos it computes numbers that describe my face, which are"
    " biometric data, and compares faces in front of its cameras with them. The numbers and small pictures are stored"
    " encrypted on this device and are not passed on. The photos themselves are not kept. Who runs this device looks at"
    " my photos before anything is compared. I can withdraw this at any time: then everything about me is erased. My"
    " consent is voluntary."
)
JOIN_CONSENT_TITLE = "Consent"
JOIN_VERSION = "Version {version} of this text"
JOIN_AGREE = "I agree"
JOIN_PHOTOS = "Photos of your face"
JOIN_PHOTOS_TEXT = (
    "Three photos work best: straight ahead, turned a little to the left, and a little to the right. In good light,"
    " without dark glasses or mask, alone in the picture."
)
JOIN_CHOOSE = "Choose photos, or take them"
JOIN_TAKE = "Take photo {number}"
JOIN_SEND = "Send"
JOIN_THANKS = "Thank you"
JOIN_TAKEN = "{photos} arrived. Someone looks at your photos first; you are not recognised by them before that."
JOIN_LEFT_OUT = "Left out:"
JOIN_CLOSE = "You can close this page. The link does not work again."
JOIN_AGREE_FIRST = "Nothing was kept: please agree to the text first, and choose the photos again."
JOIN_TEXT_CHANGED = "Nothing was kept: the text has changed. Please read it again."
JOIN_NO_PHOTOS = "Please take or choose at least one photo."
JOIN_REJECTED = "Nothing was kept: no photo can be used. Please try again."
JOIN_GONE = "This link was used, or is more than an hour old. Ask for another one."
JOIN_ELSEWHERE = "This link works only at the https address that it was made for."
JOIN_TRIES = "Too many wrong links: wait a moment."
JOIN_BUSY = "The photos of this link are being read: wait a moment."

DONE_JOIN = {
    "link_withdrawn": "The link no longer works.",
    "proposal_refused": "The photos were erased.",
}

translate(__name__)
