"""The centre's REST interface: the policy of a site."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from edgeface.access.site_policy import SitePolicy, broken_references
from edgeface.centre.admins.guard import by, centre, require_right
from edgeface.web.api.models import ApiModel
from edgeface.web.http.bodies import json_body
from edgeface.web.http.operation import Call, Operation, etag, reply, require_match
from edgeface.web.http.problems import MAX_ERRORS, Problem

if TYPE_CHECKING:
    from starlette.responses import Response

_POLICY = "/sites/{site}/policy"


class Policy(ApiModel):
    """Which doors the people of a site may pass."""

    version: int
    """The change number at which it was made; 0 if there has never been one."""
    policy: SitePolicy | None
    """Null: the config.yaml of each device decides alone."""


class NewPolicy(ApiModel):
    """The policy from now on."""

    policy: SitePolicy | None
    """Null removes it."""
    version: Annotated[int, Field(ge=0, le=1 << 62)] | None = None
    """The version that the site must still have; left out: any."""


def policy(call: Call) -> Response:
    """Get the policy of a site."""
    require_right(call, call.path["site"], "viewer")
    return reply(_policy(call))


def put_policy(call: Call) -> Response:
    """Change or remove the policy of a site."""
    site, given = call.path["site"], call.body
    require_right(call, site, "admin")
    wrong = () if given.policy is None else tuple(broken_references(given.policy))
    if wrong:
        lines = [f"policy.{'.'.join(map(str, path))}: {text}" for path, text in wrong[:MAX_ERRORS]]
        raise Problem(422, detail="the policy refers to what it does not contain", more={"errors": lines})
    before = _policy(call)
    require_match(call, before)
    guarded = call.request.headers.get("if-match") is not None and given.version is None
    centre(call).store.policies.put(site, given.policy, by(call), before.version if guarded else given.version)
    answer = reply(_policy(call))
    answer.headers["ETag"] = etag(bytes(answer.body))
    return answer


def _policy(call: Call) -> Policy:
    found = centre(call).store.policies.get(call.path["site"])
    return Policy(version=found.version, policy=found.policy)


OPERATIONS = (
    Operation("GET", _POLICY, "viewer", "sites", "Get the policy of a site", policy, {200: Policy}, tagged=True,
              errors=(403,)),
    Operation("PUT", _POLICY, "admin", "sites", "Change or remove the policy of a site", put_policy, {200: Policy},
              body=json_body(NewPolicy, strict=None), errors=(409,), guarded=True),
)  # fmt: skip
"""All operations on policies."""
