"""`edgeface fleet policy`: which doors the people of a site may pass, at the centre."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from edgeface.access.site_policy import SitePolicy, broken_references
from edgeface.core import settings_file
from edgeface.core.console import complain, say
from edgeface.core.errors import UsageError
from edgeface.core.text import printable_path

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from edgeface.centre.context import CentreContext

_BY = "command-line"


def do_policy(context: CentreContext, words: Sequence[str], arguments: argparse.Namespace) -> None:
    """Print, set or remove the policy of a site."""
    (site,) = words
    if arguments.set is not None and arguments.remove:
        raise UsageError("give --set or --remove, not both")
    policies = context.store.policies
    if arguments.set is None and not arguments.remove:
        found = policies.get(site)
        if found.policy is None:
            complain(f"{site}: no policy; the config.yaml of each device decides alone")
        else:
            complain(f"{site}: policy {found.version}")
            say(written(found.policy))
        return
    wanted = None if arguments.remove else load(arguments.set)
    version = policies.put(site, wanted, _BY)
    for line in () if wanted is None else _unknown(context, site, wanted):
        complain(line)
    say(f"{site}: policy {version}{'' if wanted is not None else ', none any more'}")


def load(path: Path) -> SitePolicy:
    """Read a policy; raises ConfigError with one line per mistake."""
    return settings_file.parse(
        SitePolicy,
        settings_file.read(path),
        printable_path(path),
        optional=SitePolicy.model_fields.keys(),
        cross_check=broken_references,
        reference="policy.yaml",
    )


def written(policy: SitePolicy) -> str:
    """A policy as YAML, which `load` reads."""
    plain = policy.model_dump(mode="json", exclude_defaults=True)
    text: str = yaml.safe_dump(plain or {"doors": {}}, sort_keys=False, default_flow_style=None, width=110)
    return text.rstrip()


def still_named(context: CentreContext, site: str, people: Collection[str]) -> Iterator[str]:
    """Where the policy of a site still names people who were forgotten, one line each."""
    policy = context.store.policies.get(site).policy
    for name, door in () if policy is None else policy.doors.items():
        for who in sorted({one.person for one in door.allow if one.person in people and one.person is not None}):
            yield f"the policy of {site} still names {who} at the door {name}: edgeface fleet policy {site} --set FILE"


def _unknown(context: CentreContext, site: str, policy: SitePolicy) -> Iterator[str]:
    """People that the policy names and that the centre does not have; they may still come."""
    people = context.store.people(site)
    ids, groups = {one.id for one in people}, {group for one in people for group in one.groups} | {"everyone"}
    for name, door in policy.doors.items():
        for rule in door.allow:
            if rule.person is not None and rule.person not in ids:
                yield f"door {name}: {rule.person} is not enrolled at {site}"
            if rule.group is not None and rule.group not in groups:
                yield f"door {name}: no one at {site} is in the group {rule.group}"
