"""Compares a face that is to be enrolled with the faces of everyone of its site."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from edgeface.centre.records import Objection
from edgeface.core.errors import ChangedError
from edgeface.gallery.agreement import likeness, objection

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from edgeface.centre.records import Insistence, PersonRecord
    from edgeface.core.types import Embedding
    from edgeface.gallery.agreement import Limits


class ObjectionError(ChangedError):
    """Something speaks against an enrollment; `options` would carry it out all the same."""

    def __init__(self, found: Sequence[Objection], *, what: str = "") -> None:
        super().__init__(what + "; ".join(one.text for one in found))
        self.objections = tuple(found)
        self.options = tuple(dict.fromkeys(one.option for one in found if one.option is not None))


class Faces(NamedTuple):
    """The faces of a site, by one model."""

    means: Mapping[str, Embedding]
    """The mean templates of people, by id."""
    uncompared: frozenset[str]
    """People who only have templates of other models: their faces cannot be compared."""
    limits: Limits

    def look_alikes(self, who: str | None) -> frozenset[str]:
        """The others who have the face of a person, and were enrolled all the same."""
        own = None if who is None else self.means.get(who)
        return frozenset() if own is None else frozenset(self._alike(own, who))

    def against(self, who: str | None, face: Embedding) -> tuple[Objection, ...]:
        """What speaks against a template for the person who has the id `who`; None is for someone new."""
        own = None if who is None else self.means.get(who)
        return (*self._own(who, own, face), *self._others(who, own, face))

    def _own(self, who: str | None, own: Embedding | None, face: Embedding) -> Iterator[Objection]:
        if who is None:
            return
        if own is None:
            yield Objection("no_template", who, f"{who} has no template of this model to compare the face with")
        elif objection([own], [face], self.limits, again=True) is not None:
            score = likeness([own], [face])
            text = f"the face differs from that of {who}: cosine {score:.2f}, needs {self.limits.same:.2f}"
            yield Objection("another_face", who, text)

    def _others(self, who: str | None, own: Embedding | None, face: Embedding) -> Iterator[Objection]:
        if own is None and (unknown := self.uncompared - {who}):
            text = f"{len(unknown)} of the site have no template of this model to compare the face with"
            yield Objection("not_compared", min(unknown), text)
        expected, score = self.look_alikes(who), -1.0 if own is None else float(own @ face)
        for other, cosine in self._alike(face, who).items():
            # As on a device, a look-alike counts only if the face is nearer to them.
            if other not in expected or cosine >= score:
                yield Objection("duplicate", other, f"this face is enrolled as {other} already (cosine {cosine:.2f})")

    def _alike(self, face: Embedding, who: str | None) -> dict[str, float]:
        """The others who have this face, with the cosines."""
        scores = {other: float(mean @ face) for other, mean in self.means.items() if other != who}
        return {other: score for other, score in scores.items() if score >= self.limits.other}


def require_no_objection(found: Sequence[Objection], insisted: Collection[Insistence], what: str = "") -> None:
    """Raise ObjectionError unless someone insists on all that speaks against an enrollment."""
    left = [one for one in found if one.option is not None and one.option not in insisted]
    if left:
        raise ObjectionError(left, what=what)


def names_against(record: PersonRecord | None, id_: str, name: str, people: Iterable[PersonRecord]) -> list[Objection]:
    """What the id and the name that are given to a person say against it: both may be right, so it is only shown."""
    found = []
    if record is not None and record.id != id_:
        found.append(Objection("other_id", record.id, f"{record.id} would get the id {id_}"))
    others = [one.id for one in people if one.name.casefold() == name.casefold() and one != record]
    return found + [Objection("same_name", other, f"{other} has this name too") for other in others]
