"""All texts about photos on the pages; the {braces} are filled in."""

from __future__ import annotations

from edgeface.web.languages.catalogues import translate

PHOTO = ("photo",)
PHOTOS_HINT = "JPEG, PNG, WebP or BMP; at most {most} photos."
PHOTOS_NO_SCRIPT = "Without JavaScript they are sent as they are: at most {megabytes} MB together."
PHOTOS_BUSY = "Reading {name} …"
PHOTOS_READY = "{name}: ready, {size} kB"
PHOTOS_UNREADABLE = (
    "{name}: left out, because this browser cannot read it. An iPhone saves JPEG with Settings, Camera, Formats, Most"
    " Compatible; or take a screenshot of the photo and choose that."
)
PHOTOS_MANY = "Only the first {most} photos are used."
PHOTOS_LARGE = "Together these are more than {megabytes} MB: choose fewer photos."
PHOTOS_REFUSED = "The photo"

KEPT = "Some photos cannot be used"
KEPT_GOOD = "These can be used"
KEPT_DO = "Enroll {name} with {photos}"
KEPT_MORE = "Or add other photos"
KEPT_MORE_DO = "Add and enroll"
KEPT_TEXT = "The good photos are kept for five minutes, in memory only."

translate(__name__)
