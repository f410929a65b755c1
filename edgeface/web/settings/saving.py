"""Saves a form about config.yaml, or shows it again with the mistakes; and undoes the last change."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from edgeface.config import loader
from edgeface.core.text import printable_path
from edgeface.web import config_file
from edgeface.web.http.operation import etag
from edgeface.web.http.problems import Problem
from edgeface.web.pages.render import back_to, context_of, render, see
from edgeface.web.settings import fields
from edgeface.web.texts import settings_strings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from edgeface.config.configuration import Configuration
    from edgeface.web.pages.render import Form
    from edgeface.web.settings.fields import Field


class Group(NamedTuple):
    """Fields under one heading."""

    title: str
    text: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class SettingsPage:
    """One page: its address, its title, and its groups of fields as the file is now."""

    path: str
    title: str
    groups: tuple[Group, ...]
    camera: str | None = None
    """The camera that can be tried; None on the page of the device."""

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields of all groups."""
        return tuple(chain.from_iterable(group.fields for group in self.groups))


def current(request: Request) -> tuple[bytes, Configuration]:
    """The content of the file, and what it configures. Raises Problem 409 if it has mistakes."""
    source = config_file.source_of(context_of(request))
    data = config_file.read(source)
    return data, config_file.parsed(data, source)


def show(
    request: Request, page: SettingsPage, form: Form | None = None, mistakes: Mapping[str, str] | None = None,
    **more: Any,
) -> Response:  # fmt: skip
    """The page, with what was typed, the mistakes by field, `error` and `lines`, and the result of a trial."""
    context = context_of(request)
    problem = None
    try:
        config_file.require_writable(config_file.source_of(context))
    except Problem as found:
        problem = found.detail
    values = {"error": None, "lines": (), "snippet": None, "picture": None, "reason": None, **more}
    if mistakes:
        values["error"] = settings_strings.NOTHING_WRITTEN
    return render(
        request,
        "settings.html",
        page=page,
        cameras=list(context.configuration().cameras),
        form=form,
        mistakes=mistakes or {},
        # With a form shown again, the version is still the one that was changed.
        seen=etag(current(request)[0]) if form is None else form.text("version"),
        problem=problem,
        previous=config_file.previous(context),
        file=printable_path(config_file.source_of(context)),
        edges=fields.EDGES,
        **values,
    )


def save(request: Request, form: Form, page: SettingsPage) -> Response:
    """Write what differs from the file, if all of it is right."""
    typed = fields.read(page.fields, form)
    if typed.mistakes:
        return show(request, page, form, typed.mistakes)
    if not typed.changes:
        return see(page.path, "settings_same")
    context = context_of(request)
    change = fields.change(typed.changes)
    running = context.configuration()
    try:
        if not config_file.may_write(context):
            config_file.prepare(context, change)
            return show(request, page, form, snippet=fields.snippet(typed.changes))
        done = config_file.write(context, change, _unchanged(form), _keys(typed.changes), request.state.account)
    except Problem as error:
        return refused(request, page, form, error)
    _, kept = loader.merge(running, done.wanted)
    waits = any(one.path[0] in kept for one in typed.changes)
    return see(page.path, "settings_restart" if waits else "settings_saved")


def refused(request: Request, page: SettingsPage, form: Form, error: Problem) -> Response:
    """The page with the mistakes that the check of the whole file has found."""
    mistakes, others = fields.mistakes_of(error.more.get("errors", ()), page.fields)
    if mistakes or others:
        return show(request, page, form, mistakes, error=settings_strings.NOTHING_WRITTEN, lines=others)
    return show(request, page, form, error=error.detail)


def undo(request: Request, form: Form) -> Response:
    """Restore the version of the file before the last change."""
    context = context_of(request)
    back = back_to(form, "/settings")
    running = context.configuration()
    done = config_file.undo(context, _unchanged(form), request.state.account)
    _, kept = loader.merge(running, done.wanted)
    return see(back, "settings_undone_restart" if kept else "settings_undone")


def _unchanged(form: Form) -> config_file.Check:
    def check(data: bytes) -> None:
        if form.text("version") != etag(data):
            raise Problem(409, detail=settings_strings.MISTAKE_VERSION)

    return check


def _keys(changes: Mapping[Field, Any]) -> str:
    return ", ".join(".".join(map(str, one.path)) for one in changes)
