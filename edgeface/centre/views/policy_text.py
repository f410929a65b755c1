"""The policy of a site as YAML, as administrators read and write it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from edgeface.access.policy import EVERYONE
from edgeface.access.site_policy import SitePolicy, broken_references
from edgeface.core import settings_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgeface.centre.store import Store


def read_policy(data: bytes, name: str) -> SitePolicy:
    """The policy in a file's content; raises ConfigError with one line per mistake, each beginning with `name`."""
    return settings_file.parse(
        SitePolicy,
        data,
        name,
        optional=SitePolicy.model_fields.keys(),
        cross_check=broken_references,
        reference="policy.yaml",
    )


def written(policy: SitePolicy) -> str:
    """A policy as YAML, which `read_policy` reads."""
    plain = policy.model_dump(mode="json", exclude_defaults=True)
    text: str = yaml.safe_dump(plain or {"doors": {}}, sort_keys=False, default_flow_style=None, width=110)
    return text.rstrip()


def unknown_names(store: Store, site: str, policy: SitePolicy) -> Iterator[str]:
    """A line for each person and group that the policy names and that the centre does not have; they may still come."""
    people = store.people(site)
    ids, groups = {one.id for one in people}, {group for one in people for group in one.groups} | {EVERYONE}
    for name, door in policy.doors.items():
        for rule in door.allow:
            if rule.person is not None and rule.person not in ids:
                yield f"door {name}: {rule.person} is not enrolled at {site}"
            if rule.group is not None and rule.group not in groups:
                yield f"door {name}: no one at {site} is in the group {rule.group}"
