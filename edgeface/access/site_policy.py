"""The policy that a centre has for the people of a site, and what it leaves of the access policy of config.yaml."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from edgeface.access.levels import laxer, strictest
from edgeface.access.policy import EVERYONE, RequiredFactor, Rule, factors_of, listed, one_of
from edgeface.access.schedules import BothSchedules, WeeklySchedule
from edgeface.core.settings import Id, Level, Settings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from typing import TypeAlias

    from edgeface.access.policy import AccessPolicy, AllowRule, Door
    from edgeface.core.mistakes.schema import KeyPath

    Members: TypeAlias = Mapping[str, Collection[str]]
    """The ids of a site's people, each with the groups in which the centre has them."""


class SiteDoor(Settings):
    """What a door demands of the people of a site, in addition to what config.yaml demands."""

    allow: Annotated[tuple[Rule, ...], Field(strict=False, max_length=256, examples=[[{"group": "staff"}]])]
    """One match is enough; without any, the door is shut for the people of the site."""
    level: Level | None = None
    """The least level that the face must reach; left out: what config.yaml says."""
    factor: RequiredFactor = "none"
    """What a person must show in addition to the face."""


class SitePolicy(Settings):
    """Which doors the people of a site may pass, and when."""

    schedules: Annotated[dict[Id, WeeklySchedule], Field(max_length=64)] = Field(default_factory=dict)
    doors: Annotated[dict[Id, SiteDoor], Field(max_length=200)] = Field(default_factory=dict)
    """A door that is not named is shut for them."""
    devices: Annotated[
        dict[Id, Annotated[tuple[Id, ...], Field(strict=False, max_length=16)]], Field(max_length=1000)
    ] = Field(default_factory=dict)
    """The doors of a device: it gets only the people who may pass one of them. Left out: it gets everyone."""

    def may_pass(self, doors: Collection[str], people: Members) -> frozenset[str]:
        """Those of a site's people who may pass one of these doors, at whatever time."""
        rules = (rule for door in doors if door in self.doors for rule in self.doors[door].allow)
        return frozenset[str]().union(*(members(rule, people) for rule in rules))


SHUT = SitePolicy()
"""The people of a site may pass no door."""


def members(rule: Rule, people: Members) -> frozenset[str]:
    """The ids of a rule's people; its group is one of the centre's, or EVERYONE."""
    if rule.person is not None:
        return frozenset({rule.person}) & people.keys()
    if rule.group == EVERYONE:
        return frozenset(people)
    return frozenset(one for one, groups in people.items() if rule.group in groups)


def broken_references(policy: SitePolicy) -> Iterator[tuple[KeyPath, str]]:
    """What a policy refers to but does not contain, and levels that would have no effect."""
    for name, door in policy.doors.items():
        for number, rule in enumerate(door.allow):
            if rule.schedule is not None and rule.schedule not in policy.schedules:
                where: KeyPath = ("doors", name, "allow", number, "schedule")
                yield where, f"no such schedule; there are {listed(policy.schedules)}"
            if rule.level is not None and door.level is not None and laxer(rule.level, door.level):
                yield ("doors", name, "allow", number, "level"), f"laxer than the door's level, {door.level}"
    for device, doors in policy.devices.items():
        for number, name in enumerate(doors):
            if name not in policy.doors:
                yield ("devices", device, number), f"no such door; there are {listed(policy.doors)}"


def narrowed(
    policy: AccessPolicy, sites: Mapping[str, SitePolicy | None], people: Mapping[str, Members]
) -> AccessPolicy:
    """The part of a policy that the centre allows too; each rule of the result is one of `policy`, or stricter.

    `sites` has the policy of each site that the device follows, None for a site that has none; `people` are by their
    site. Who belongs to a site that is not among these passes no door; who belongs to no site is not affected.
    """
    bound = {site: found for site, found in people.items() if sites.get(site, SHUT) is not None}
    return _Narrowing(policy, {site: sites.get(site) or SHUT for site in bound}, bound).made() if bound else policy


class _Narrowing:
    """Writes the rules of every door again: one for those of no site, and one for each rule of a site's policy."""

    def __init__(self, policy: AccessPolicy, sites: Mapping[str, SitePolicy], people: Mapping[str, Members]) -> None:
        self._policy, self._sites, self._people = policy, sites, people
        self._bound = frozenset[str]().union(*people.values())
        # The names of new groups and schedules have a colon or a plus sign, which no configured name has.
        self._groups = {name: tuple(ids) for name, ids in policy.groups.items()}
        self._schedules = dict(policy.schedules)
        self._conflicts: list[str] = []

    def made(self) -> AccessPolicy:
        doors = {name: self._door(name, door) for name, door in self._policy.doors.items()}
        return replace(
            self._policy,
            doors=doors,
            groups=self._groups,
            schedules=self._schedules,
            conflicts=(*self._policy.conflicts, *dict.fromkeys(self._conflicts)),
        )

    def _door(self, name: str, door: Door) -> Door:
        allow: list[AllowRule] = []
        for rule in door.allow:
            own = frozenset(self._policy.members(rule))
            inside = own & self._bound
            if not inside:
                allow.append(rule)
                continue
            if outside := own - inside:
                allow.append(self._for(rule, outside))
            for site in self._sites:
                allow += self._rules(name, door, rule, site, inside)
        return door.model_copy(update={"allow": tuple(allow)})

    def _rules(self, name: str, door: Door, rule: AllowRule, site: str, inside: frozenset[str]) -> Iterator[AllowRule]:
        """A rule for the people of one site: what it allows, and one of the site's rules allows too."""
        central = self._sites[site].doors.get(name)
        for one in () if central is None else central.allow:
            both = inside & members(one, self._people[site])
            if central is None or not both:
                continue
            own, wanted = factors_of(door, rule), one_of(one.factor or central.factor)
            kinds = own & wanted if own and wanted else own | wanted
            if (own or wanted) and not kinds:
                self._conflicts.append(
                    f"door {name}: shut for people of {site}: config.yaml requires {' or '.join(sorted(own))},"
                    f" and the centre {' or '.join(sorted(wanted))}"
                )
                continue
            yield self._for(rule, both).model_copy(
                update={
                    "schedule": self._schedule(rule.schedule, site, one.schedule),
                    "level": strictest(door.level, rule.level, central.level, one.level),
                    "factor": tuple(sorted(kinds)) or "none",
                }
            )

    def _for(self, rule: AllowRule, people: frozenset[str]) -> AllowRule:
        """A rule for some of its people only."""
        group = f"{len(self._groups)}:"
        self._groups[group] = tuple(sorted(people))
        return rule.model_copy(update={"person": None, "group": group})

    def _schedule(self, own: str | None, site: str, central: str | None) -> str | None:
        """The name of a schedule that holds when both do."""
        if central is None:
            return own
        # Without such a schedule, the rule never holds.
        of_site = self._sites[site].schedules.get(central)
        name = f"{site}:{central}" if own is None else f"{own}+{site}:{central}"
        if of_site is not None and own is None:
            self._schedules[name] = of_site
        elif of_site is not None and isinstance(mine := self._policy.schedules.get(own or ""), WeeklySchedule):
            self._schedules[name] = BothSchedules(mine, of_site)
        return name
