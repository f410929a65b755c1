"""The page of the device's settings: level, privacy, and the rules for notifications."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from edgeface.notify.settings import KINDS
from edgeface.web.auth.guard import admin
from edgeface.web.pages.render import action, page
from edgeface.web.settings import fields, saving
from edgeface.web.settings.fields import Field
from edgeface.web.settings.saving import Group, SettingsPage
from edgeface.web.texts import settings_strings, strings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request
    from starlette.responses import Response

    from edgeface.config.configuration import Configuration, Privacy
    from edgeface.notify.settings import Notify, Rule
    from edgeface.web.pages.render import Form

_DAYS = ("journal_days", "picture_days", "correction_days", "negative_days", "proposal_days")


def overview(request: Request) -> Response:
    """The settings of the device."""
    return saving.show(request, _page(request))


def save(request: Request, form: Form) -> Response:
    """Write the settings of the device."""
    return saving.save(request, form, _page(request))


def _page(request: Request) -> SettingsPage:
    _, configuration = saving.current(request)
    level = Field(
        "level", ("recognition", "level"), "choice", configuration.recognition.level, settings_strings.LEVEL,
        settings_strings.LEVEL_HINT, settings_strings.LEVELS_CHOICE,
    )  # fmt: skip
    groups = (
        Group(settings_strings.RECOGNITION, "", (level,)),
        Group(settings_strings.PRIVACY, settings_strings.PRIVACY_TEXT, tuple(_privacy(configuration.privacy))),
        *_rules(configuration),
    )
    return SettingsPage("/settings", settings_strings.SETTINGS, groups)


def _privacy(privacy: Privacy) -> Iterator[Field]:
    for key in ("pictures", "snapshots"):
        yield Field(
            key, ("privacy", key), "choice", getattr(privacy, key), settings_strings.PRIVACY_KEYS[key],
            choices=settings_strings.WHOSE,
        )  # fmt: skip
    for key in _DAYS:
        least, most = fields.bounds(privacy, key)
        yield Field(
            key, ("privacy", key), "whole", getattr(privacy, key), settings_strings.PRIVACY_KEYS[key],
            least=least, most=most,
        )  # fmt: skip


def _rules(configuration: Configuration) -> Iterator[Group]:
    notify = configuration.notify
    if notify is None:
        yield Group(settings_strings.RULES, settings_strings.RULES_NONE, ())
        return
    for number, rule in enumerate(notify.rules):
        title = settings_strings.RULE.format(number=number + 1)
        yield Group(title, settings_strings.RULES_TEXT, tuple(_rule(number, rule, notify, configuration)))


def _rule(number: int, rule: Rule, notify: Notify, configuration: Configuration) -> Iterator[Field]:
    path, name = ("notify", "rules", number), f"rule-{number}"
    cameras = {camera: configuration.camera_name(camera) for camera in configuration.cameras}
    words = {**strings.KIND_LABELS, **settings_strings.CAMERA_KINDS}
    yield Field(
        f"{name}-kinds", (*path, "kinds"), "flags", rule.kinds, settings_strings.RULE_KINDS,
        choices={kind: words[kind] for kind in KINDS},
    )  # fmt: skip
    yield Field(
        f"{name}-to", (*path, "to"), "flags", rule.to, settings_strings.RULE_TO,
        choices={target: target for target in notify.targets},
    )  # fmt: skip
    yield Field(
        f"{name}-cameras", (*path, "cameras"), "flags", rule.cameras or None, settings_strings.RULE_CAMERAS,
        settings_strings.RULE_CAMERAS_HINT, cameras, optional=True,
    )  # fmt: skip
    least, most = fields.bounds(rule, "pause")
    yield Field(
        f"{name}-pause", (*path, "pause"), "number", rule.pause, settings_strings.RULE_PAUSE, least=least, most=most
    )
    least, most = fields.bounds(rule, "per_hour")
    yield Field(
        f"{name}-per-hour", (*path, "per_hour"), "whole", rule.per_hour, settings_strings.RULE_PER_HOUR,
        least=least, most=most,
    )  # fmt: skip


ROUTES = (
    Route("/settings", admin(page(overview))),
    Route("/settings", admin(action(save)), methods=["POST"]),
    Route("/settings/undo", admin(action(saving.undo)), methods=["POST"]),
)
"""The page of the device, and what undoes a change."""
