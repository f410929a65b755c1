"""What an answer of the centre changes: a pure function of the answer and of what the device knows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from edgeface.core.errors import FleetError
from edgeface.fleet import digest, signed_policy
from edgeface.fleet.device.records import Entry, PersonFile, emptied

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from edgeface.fleet.device.opening import OpenedPerson, OpenedRows
    from edgeface.fleet.device.records import SiteFile


class DigestError(FleetError):
    """After the answer, the device would not have the people that the centre says."""


class Plan(NamedTuple):
    """What has to be written."""

    puts: tuple[tuple[Entry, OpenedPerson], ...]
    """People who come or change: what is known of them then, and what the gallery gets."""
    erased: tuple[Entry, ...]
    """People whose present entry is in the gallery and who go, or get another id."""
    noted: tuple[Entry, ...]
    """Entries to store when all is done, without those of `puts`."""
    site: SiteFile
    """The site afterwards."""

    @property
    def reused(self) -> tuple[Entry, ...]:
        """Those of `erased` whose id someone else gets."""
        ids = {known.facts.id for known, _ in self.puts if known.facts is not None}
        return tuple(one for one in self.erased if one.facts is not None and one.facts.id in ids)


def plan(
    site: SiteFile, opened: OpenedRows, known: Mapping[bytes, Entry], *,
    whole: bool, owner: Callable[[str], bytes | None], mark: Callable[[OpenedPerson], bytes],
) -> Plan:  # fmt: skip
    """What an answer changes; with `whole`, it is everyone, and whoever is not in it goes.

    `owner` gives the number of the person who has an id in the gallery, b"" for someone who is not of the fleet, None
    if it is free; `mark` makes the mark of a person. Raises FleetError for facts older than those known, and
    DigestError.
    """
    entries = _Entries(site.site, known)
    missing = _missing(opened, known) if whole else ()
    gone = [entries.gone(row.person, row.seq) for row in opened.gone] + [emptied(one, "gone") for one in missing]
    absent = [entries.absent(row.person, row.seq) for row in opened.absent]
    leaving = {one.person for one in (*gone, *absent)}
    puts, noted = [], [*gone, *absent]
    for person in opened.people:
        after = entries.changed(person, mark(person), owner(person.facts.id), leaving)
        # The template of another model was added, for example: the gallery has nothing to write.
        if after.state == "matched" and not entries.is_as_before(after):
            puts.append((after, person))
        else:
            noted.append(after)
    after_all = {one.person: one for one in (*noted, *(one for one, _ in puts))}
    erased = tuple(known[one] for one, after in after_all.items() if one in known and _leaves(known[one], after))
    return Plan(tuple(puts), erased, tuple(noted), _site(site, opened, known, after_all, whole=whole))


def _missing(opened: OpenedRows, known: Mapping[bytes, Entry]) -> list[Entry]:
    listed = {row.person for row in opened.answer.rows}
    return [one for one in known.values() if one.person not in listed and one.counted]


def _leaves(before: Entry, after: Entry) -> bool:
    """Whether the gallery has someone under an id that they no longer have afterwards."""
    if before.facts is None or not before.is_here:
        return False
    return after.state != "matched" or after.facts is None or after.facts.id != before.facts.id


def _site(
    site: SiteFile, opened: OpenedRows, known: Mapping[bytes, Entry], after: Mapping[bytes, Entry], *, whole: bool
) -> SiteFile:
    """The site with the new number and digest; raises DigestError if it is not the centre's."""
    answer = opened.answer
    before = [known[one] for one in after if one in known]
    if whole:
        present = {row.person: row.seq for row in answer.rows if row.key is not None}
        value, count = signed_policy.digest_with(site.site, present.items(), site.policy), len(present)
    else:
        value = digest.changed(
            int(site.digest, 16), added=_parts(site.site, after.values()), removed=_parts(site.site, before)
        )
        count = site.count + sum(one.counted for one in after.values()) - sum(one.counted for one in before)
    wanted = (answer.digest, answer.count)
    if not answer.more and wanted != (digest.to_hex(value), count):
        raise DigestError("the people here are not those that the centre says")
    return site.model_copy(update={"seq": answer.seq, "digest": digest.to_hex(value), "count": count})


def _parts(site: str, entries: Iterable[Entry]) -> Iterator[int]:
    return (digest.entry(site, one.person, one.seq) for one in entries if one.counted)


class _Entries:
    """Makes the entries after an answer."""

    def __init__(self, site: str, known: Mapping[bytes, Entry]) -> None:
        self._site, self._known = site, known

    def is_as_before(self, after: Entry) -> bool:
        """Whether the gallery has someone who is matched exactly as they are to be."""
        before = self._before(after.person)
        return before.state == "matched" and not before.busy and before.named.mark == after.named.mark

    def gone(self, person: bytes, seq: int) -> Entry:
        return emptied(self._before(person), "gone", seq)

    def absent(self, person: bytes, seq: int) -> Entry:
        before = self._before(person)
        # Whoever was forgotten here stays so, also while a policy gives them to other devices only.
        return emptied(before, "forgotten" if before.state == "forgotten" else "absent", seq)

    def changed(self, new: OpenedPerson, mark: bytes, owner: bytes | None, leaving: set[bytes]) -> Entry:
        """A person who is in the answer with facts."""
        before, facts = self._before(new.row.person), new.facts
        same = before.facts is not None and before.facts.mark == mark
        # The same version again is no step back: after a lease, nothing else is left of it. Whoever the centre has
        # forgotten comes back only with facts that were signed after that.
        newest = max(before.version, before.seq) if before.state == "gone" else before.version
        if facts.version < newest or (facts.version == before.version and before.state == "matched" and not same):
            raise FleetError("a row of the centre is older than what is known here")
        after = replace(
            before, seq=new.row.seq, version=facts.version, state="matched", busy=0,
            facts=PersonFile(id=facts.id, mark=mark, expires=facts.expires, groups=facts.groups),
        )  # fmt: skip
        if before.state == "forgotten":
            # Erased here: only the centre's own word that they are gone, or a person at the centre, ends that.
            return replace(after, state="forgotten", facts=None)
        if owner is not None and owner != new.row.person and owner not in leaving:
            return replace(after, state="taken")
        return after

    def _before(self, person: bytes) -> Entry:
        return self._known.get(person) or Entry(self._site, person, 0, 0, "absent")
