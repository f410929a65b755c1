"""The texts of the page Today."""

from edgeface.web.languages.catalogues import translate

TODAY = "Today"
VISITS = "Visits"
TODAY_NONE = "No one has come today."
TODAY_NONE_DAY = "No one came on this day."
TODAY_NONE_FOUND = "No visits match."
TODAY_NONE_EVER = "No one has come yet. As soon as a camera sees someone, the visit appears here."
TODAY_ZONE = "Days begin at midnight, {zone}."
TODAY_LIVE = "New visits appear automatically."
TODAY_LIVE_OFF = "Connection lost; trying again."
TODAY_EARLIER = "Earlier: {day}"
TODAY_LATER = "Later: {day}"
TODAY_BACK = "Back to today"
TODAY_OLDER = "Older visits"
TODAY_MORE_PEOPLE = "More people of this day"
TODAY_FIND = "Find visits"
TODAY_FIND_NAME = "Name or ID"
TODAY_DAY = "Day"
TODAY_ALL_CAMERAS = "all"
TODAY_FIND_DO = "Show"
TODAY_PHOTO = "Find by photo"
TODAY_PHOTO_TEXT = "Shows the visits of the people and strangers who look most like the face. The photo is not stored."
TODAY_PHOTO_FILE = "A photo with one face"
TODAY_PHOTO_DO = "Find"
TODAY_PHOTO_MISSING = "Choose a photo first."
TODAY_PHOTO_ONE = "Choose one photo only."
TODAY_PHOTO_UNUSABLE = "The photo cannot be used: {reason}."
TODAY_PHOTO_NO_ONE = "No one who is enrolled or was seen looks like the face in the photo."
TODAY_EXPORT = "Export as CSV"
TODAY_EXPORT_HINT = "The file contains who came when, in plain text."
TODAY_ERASED = "{visits} of people who were forgotten are not shown."
TODAY_ERASED_NOUN = ("event",)
TODAY_ALTERED = "{rows} of this time were altered: the key cannot decrypt them."
TODAY_ALTERED_DO = "Verify the journal"

VISIT_STRANGER = "Stranger"
VISIT_UNCERTAIN = "Not recognised for certain"
VISIT_NOW = "in view now"
VISIT_TO = "to"
VISIT_CORRECTED = "corrected"
VISIT_IGNORED = "ignored"
VISIT_COUNT = ("visit",)
VISIT_MORE = "{visits} more"
VISIT_DOOR = "{door}: {outcome}"
VISIT_PICTURE = "Picture of the stranger {id}"
VISIT_NOT = "Not {name}?"
VISIT_IS = "Who is this?"
VISIT_WRONG = "Wrong person?"

VISIT_ADD = "Add to {name}"
VISIT_LIKE = "cosine {score}"
VISIT_NEW = "New person"
VISIT_IGNORE = "Ignore"
VISIT_ACTIONS = "Who is this?"
VISIT_PAIR = "Probably the same stranger as {other}, cosine {score}"
VISIT_SAME = "Same person"
VISIT_APART = "Two people"

PICTURES_ASK = "Keep small encrypted pictures of visitors for {days}?"
PICTURES_TEXT = (
    "They show you who a stranger was.",
    "They stay on this device, encrypted, and are erased after {days}, or with the person.",
    "The law where you live may require that visitors know of it, or agree.",
)
PICTURES_YES = "Keep pictures"
PICTURES_NO = "No pictures"
PICTURES_NONE = "No pictures of visitors are kept, so names and initials are shown instead."
PICTURES_NONE_HOW = "You can change that in config.yaml: `privacy.pictures`."

STEPS = "First steps"
STEPS_COUNT = "{done} of {all} done"
STEPS_STATES = {"done": "done", "todo": "to do", "problem": "problem"}
STEPS_HIDE = "Hide"
STEPS_FINISHED = "The first steps are done."
STEP_TITLES = {
    "camera": "The camera works",
    "person": "Add yourself",
    "match": "Walk past the camera",
    "connect": "Connect Home Assistant or a phone",
}
STEP_NO_CAMERA = "No camera is configured (cameras in config.yaml)."
STEP_PERSON_TODO = "With photos, at a camera of the device, or with a link for your phone."
STEP_PERSON_ADMIN = "An administrator adds people."
STEP_PERSON_DO = "Add yourself"
STEP_PERSON_DONE = "Enrolled: {people}"
STEP_MATCH_FIRST = "Once you are enrolled, your name appears here."
STEP_MATCH_TODO = "Look towards the camera. Your name appears on this page."
STEP_MATCH_UNKNOWN = (
    "A face was seen that matches no one. Come closer, in good light; if that does not help, add more photos."
)
STEP_MATCH_DONE = "{name} was recognised at {camera}."
STEP_CONNECT_TODO = (
    "Home Assistant: add the section `mqtt` to config.yaml (docs/home-assistant.md).",
    "A phone: add the section `notify` (docs/notifications.md).",
)
STEP_BROKER = "The broker is connected."
STEP_BROKER_DISCOVERY = "The broker is connected. Home Assistant shows edgeface if it uses the same broker."
STEP_PHONE = "Notifications are set up."

DONE_TODAY = {
    "pictures_on": "Pictures of visitors are kept from now on.",
    "pictures_off": "No pictures are kept. You can change that in config.yaml at any time.",
}

translate(__name__)
