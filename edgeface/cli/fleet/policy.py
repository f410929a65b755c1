"""`edgeface fleet policy`: which doors the people of a site may pass, at the centre."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeface.centre.views.policy_text import read_policy, unknown_names, written
from edgeface.core import settings_file
from edgeface.core.console import complain, say
from edgeface.core.errors import UsageError
from edgeface.core.text import printable_path

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from edgeface.access.site_policy import SitePolicy
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
    for line in () if wanted is None else unknown_names(context.store, site, wanted):
        complain(line)
    say(f"{site}: policy {version}{'' if wanted is not None else ', none any more'}")


def load(path: Path) -> SitePolicy:
    """Read a policy; raises ConfigError with one line per mistake."""
    return read_policy(settings_file.read(path), printable_path(path))


def still_named(context: CentreContext, site: str, people: Collection[str]) -> Iterator[str]:
    """Where the policy of a site still names people who were forgotten, one line each."""
    policy = context.store.policies.get(site).policy
    for name, door in () if policy is None else policy.doors.items():
        for who in sorted({one.person for one in door.allow if one.person in people and one.person is not None}):
            yield f"the policy of {site} still names {who} at the door {name}: edgeface fleet policy {site} --set FILE"
