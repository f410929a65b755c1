"""The texts of the pages about security levels and the people who may be meant."""

from edgeface.web.languages.catalogues import translate

LEVELS = "Levels in force"
LEVELS_TEXT = (
    "A level is guaranteed for the people who may be meant: those who may pass a door, or the group of a camera."
)
LEVEL_PLACE = "Place"
LEVEL_PLACES = {"events": "Events", "camera": "Camera {name}", "door": "Door {name}"}
LEVEL_LEVEL = "Level"
LEVEL_COSINE = "Cosine to reach"
LEVEL_COUNT = "People"
LEVEL_PEOPLE = "{people} of at most {most}"
LEVEL_NONE = "none"
LEVEL_ESTIMATED = "estimated"
DOOR_PEOPLE = "People who may pass"

LIMIT = "Too many people for a level"
LIMIT_TEXT = (
    "If you add anyway, a door that is named here stays shut for everyone, and a camera that is named here matches "
    "no one. The audit trail records it."
)

translate(__name__)
