"""The texts of the page about unknowns."""

from edgeface.web.languages.catalogues import translate

UNKNOWNS = "Unknowns"
UNKNOWNS_TEXT = "People who were seen but not enrolled. Each keeps the same ID until {days} after the last visit."
UNKNOWNS_OFF = "No unknowns are kept (unknown.days is 0)."
UNKNOWNS_NONE = "No unknown person has been seen."
UNKNOWNS_ALIKE = "Probably one person"
UNKNOWNS_ALIKE_TEXT = "A merge keeps the ID that was seen first, with all visits and pictures. It cannot be undone."
UNKNOWNS_SAME = "Same person"
UNKNOWNS_APART = "Two people"
UNKNOWNS_BOTH = "Both IDs"
UNKNOWNS_DOUBT = (
    "If these are two people, both would keep one ID. Merge them only if you are sure. It cannot be undone, and the "
    "audit trail records it."
)
UNKNOWNS_PAIR = "{one} and {other}, cosine {score}"
UNKNOWN_PHOTO = "Picture of {id}"
UNKNOWN_FIRST = "First seen"
UNKNOWN_NO_PICTURES = "No picture is kept (privacy.pictures in config.yaml)."
UNKNOWN_ENROLL = "Enroll {id}"
UNKNOWN_IGNORE = "Ignore"
UNKNOWN_DELETE = "Delete"

translate(__name__)
