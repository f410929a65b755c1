"""The texts about what a camera shows: why it shows nothing, why a face is not judged, and what the frames are."""

from __future__ import annotations

from edgeface.people import guided
from edgeface.web.languages.catalogues import translate

LIVE_STATUS = "The camera is {status}."
LIVE_NOT_JUDGED = "not judged: {reason}"
LIVE_WHY = {
    "small": "too far away",
    "blurred": "blurred",
    "turned": "turned away",
    "dark": "too dark",
    "bright": "too bright",
    "cut": "cut off at the edge",
    "covered": "covered",
    "few_frames": "seen too briefly",
}
LEGEND = "What the frames mean"
LEGEND_FRAMES = {
    "match": "Green: recognised, with the name and the score.",
    "unknown": "Red: unknown, with the ID; or a picture in place of a face.",
    "uncertain": "Yellow: uncertain.",
    "ignored": "Grey: on the ignore list.",
    "new": "Blue: still being checked, or not judged, with the reason.",
    "smallest": "White, in the corner: the smallest face that is searched for.",
    "region": "White, dashed: the region. Nothing is searched for outside it.",
}

GUIDE_PICTURE = "Picture of the camera {camera}, mirrored. The face belongs in the oval."
GUIDE_NEXT = "{count}. Next: {pose}."
GUIDE_PROGRESS = "Pictures"
GUIDE_POSES = {
    "straight ahead": "Straight ahead",
    "turned left": "Turned to the left",
    "turned right": "Turned to the right",
}
GUIDE_POSE_STATES = {"taken": "taken", "next": "next", "open": "to come"}
GUIDE_ADVICE = dict(guided.TEXTS)

translate(__name__)
