"""The REST interface: what live.py serves, described."""

from __future__ import annotations

from edgeface.web.api import device_models
from edgeface.web.http.bodies import json_body
from edgeface.web.http.operation import Media, Operation

_CAMERA = "/cameras/{camera}"

OPERATIONS = (
    Operation("GET", f"{_CAMERA}/picture", "viewer", "live", "The newest picture of a camera", None,
              {200: Media("image/jpeg")}, query=device_models.Look),
    Operation("GET", f"{_CAMERA}/faces", "viewer", "live", "What was made of the newest picture", None,
              {200: device_models.Seen}, query=device_models.Look),
    Operation("GET", f"{_CAMERA}/view", "viewer", "live", "What config.yaml says of a camera's view", None,
              {200: device_models.Editable}, errors=(409,)),
    Operation("PUT", f"{_CAMERA}/view", "admin", "live", "Set where faces are looked for", None,
              {200: device_models.Edited}, body=json_body(device_models.Region), errors=(409, 428), guarded=True),
    Operation("PUT", "/detector", "admin", "live", "Set the smallest face that is looked for", None,
              {200: device_models.Edited}, body=json_body(device_models.Smallest), errors=(409, 428), guarded=True),
    Operation("GET", "/events/stream", "viewer", "live", "What is said, as it is said: server-sent events", None,
              {200: Media("text/event-stream", {"type": "string"})}),
)  # fmt: skip
"""Looking on."""
