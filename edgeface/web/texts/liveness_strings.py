"""The texts of the pages about liveness."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.web.languages.catalogues import translate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgeface.core.types import Prompt, SpoofReason

PROMPTS: Mapping[Prompt, str] = {
    "step_closer": "Please step closer",
    "step_back": "Please step back",
    "more_light": "It is too dark here",
    "hold_still": "Please hold still",
    "face_camera": "Please look at the camera",
    "turn_left": "Please turn your head to your left",
    "turn_right": "Please turn your head to your right",
    "looks_like_picture": "This looks like a picture",
}
"""What the person in front of a camera is asked to do."""

ARROWS: Mapping[str, str] = {"turn_left": "\u2190", "turn_right": "\u2192"}
"""Seen by someone who faces the screen: their left is the screen's."""

SPOOFS: Mapping[SpoofReason, str] = {
    "screen_or_print": "looks like a screen or a print",
    "no_infrared": "shows no face in near infrared",
    "flat": "is as flat as a picture",
    "not_warm": "is not as warm as a face",
    "challenge": "did not turn the head as asked",
}

REFUSALS = {
    "spoof": "looks like a picture",
    "challenge": "did not turn the head as asked",
    "liveness": "the liveness check has not been passed",
}

translate(__name__)
