"""The pages that change config.yaml: one for each camera, and one for the device."""

from __future__ import annotations

from edgeface.web.settings import camera, device

ROUTES = (*device.ROUTES, *camera.ROUTES)
