"""The page with the policy of a site, which its administrators change there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from edgeface.centre.pages.render import account_of, centre_of, render, site_of
from edgeface.centre.views.policy_text import read_policy, unknown_names, written
from edgeface.core.errors import ConfigError, FleetError
from edgeface.web.auth.guard import admin, viewer
from edgeface.web.pages.render import Form, action, page, see

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from edgeface.access.site_policy import SitePolicy
    from edgeface.centre.records import ChangeRecord
    from edgeface.centre.store import Store

_FILE = "policy.yaml"
"""What a line about a mistake begins with."""


def policy(request: Request, error: str | None = None, lines: Sequence[str] = (), form: Form | None = None) -> Response:
    """The policy; after a refusal, the text that was sent instead, with its mistakes."""
    site, store = site_of(request), centre_of(request).store
    found = store.policies.get(site)
    present = None if found.policy is None else written(found.policy)
    return render(
        request,
        "policy.html",
        site=store.site(site),
        found=found,
        change=_change(store, site, found.version),
        text=(present or "") if form is None else form.fields.get("policy", present or ""),
        seen=found.version if form is None else form.whole("version"),
        present=present,
        unknown=() if found.policy is None else tuple(unknown_names(store, site, found.policy)),
        error=error,
        lines=lines,
    )


def save(request: Request, form: Form) -> Response:
    """Change the policy, unless someone else did meanwhile."""
    site_of(request, "admin")
    try:
        wanted = read_policy(form.fields.get("policy", "").replace("\r\n", "\n").encode(), _FILE)
    except ConfigError as error:
        return policy(request, "the policy has mistakes; nothing was changed", str(error).splitlines(), form)
    return _put(request, form, wanted)


def remove(request: Request, form: Form) -> Response:
    """Remove the policy, if the name of the site was typed and no one else changed it meanwhile."""
    site = site_of(request, "admin")
    if form.text("confirm") != site:
        return policy(request, f"type {site} to confirm", form=form)
    return _put(request, form, None)


def _put(request: Request, form: Form, wanted: SitePolicy | None) -> Response:
    site, version = site_of(request, "admin"), form.whole("version")
    try:
        # None would be any version.
        centre_of(request).store.policies.put(site, wanted, account_of(request), -1 if version is None else version)
    except FleetError as error:
        return policy(request, str(error), form=form)
    return see(f"/sites/{site}/policy", "policy" if wanted is not None else "no-policy")


def _change(store: Store, site: str, version: int) -> ChangeRecord | None:
    """Who made a version, and when; None if the history no longer has it."""
    found = store.history(site, version - 1, 1) if version else ()
    return next((one for one in found if one.seq == version), None)


_POLICY = "/sites/{site}/policy"
ROUTES = [
    Route(_POLICY, viewer(page(policy))),
    Route(_POLICY, admin(action(save)), methods=["POST"]),
    Route(f"{_POLICY}/remove", admin(action(remove)), methods=["POST"]),
]
"""The page with the policy of a site."""
