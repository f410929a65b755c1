"""Self-enrollment: a link for one person, their photos as a proposal, and an admin who looks at it and decides."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from edgeface.core.clock import rfc3339
from edgeface.core.errors import GalleryError
from edgeface.core.text import given_name
from edgeface.gallery.proposal_file import (
    MAX_FACES,
    MAX_LINKS,
    MAX_PROPOSALS,
    Proposal,
    ProposalBook,
    ProposalFile,
    ProposedFace,
    new_proposal_id,
    proposal_file,
)
from edgeface.gallery.snapshot import day
from edgeface.people.enrollment import Candidate, EnrollOptions, KnownFaces, Plan, RejectedError, from_photos
from edgeface.people.rules import limits
from edgeface.security import single_use_tokens as tokens
from edgeface.security.vault import open_vault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from edgeface.people.enrollment import Upload
    from edgeface.people.service import EnrollResult, PeopleService
    from edgeface.security.single_use_tokens import TokenRecord

LINK_SECONDS = 3600.0
"""How long a link is valid."""
MAX_TRIES = 10
"""Uploads without a usable photo after which a link ends."""

_DECIDING = threading.Lock()
"""Held while a proposal is decided: of two admins who confirm and refuse it at the same moment, the second is told."""

DECIDED = "this self-enrollment no longer waits: someone has confirmed or refused it already, or it was erased"
GONE = "this link was used, or is more than an hour old: ask for another one"


class Proposed(NamedTuple):
    """What became of the photos."""

    taken: int
    rejected: tuple[str, ...]
    """One line for each photo that cannot be used."""


def text_version(text: str) -> str:
    """A name for a consent text: the same text has the same one."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True, eq=False)
class SelfEnrollments:
    """The links and proposals of a device; any thread may use it.

    What is refused is a GalleryError, with nothing changed. Each step is a row of the kind `proposal` in the journal.
    """

    people: PeopleService
    record: Callable[[str, Mapping[str, Any]], None]
    """Writes a row to the journal."""

    def book(self) -> ProposalBook:
        """The links that are valid, and the proposals that wait."""
        found = self._file.read()
        return found.model_copy(update={"links": tokens.unexpired(found.links, self.people.clock.wall())})

    def invite(self, person: str | None, name: str | None) -> tuple[str, str]:
        """A link's token for a new or an enrolled person, and the person's id; links to the same person end."""
        wall = self.people.clock.wall()
        who = self.people.id_of(person, name)
        known = self._knows(who)
        facts = {"person": who} if known else {"person": who, "name": given_name(name, who)}
        token, link = tokens.make(facts, wall, LINK_SECONDS)

        def add(book: ProposalBook) -> ProposalBook:
            kept = [one for one in tokens.unexpired(book.links, wall) if one.facts["person"] != who]
            if len(kept) >= MAX_LINKS:
                raise GalleryError(f"there are {MAX_LINKS} links already: withdraw some, or wait an hour")
            return book.model_copy(update={"links": (*kept, link)})

        self._file.change(add)
        self._note("invited", who)
        return token, who

    def withdraw(self, link: str) -> None:
        """End a link, by its id; one that is gone already is ignored."""
        self._file.change(
            lambda book: book.model_copy(update={"links": tuple(one for one in book.links if one.id != link)})
        )

    def find(self, token: str) -> TokenRecord | None:
        """The link of a token; None if it is unknown, used or too old."""
        found = proposal_file(self._folder)
        return None if found is None else tokens.find(found.read().links, token, self.people.clock.wall())

    def propose(self, token: str, photos: Iterable[Upload], text: str) -> Proposed:
        """Turn photos into a proposal, which uses the token up; `text` is the version that was agreed to.

        Says nothing about who else has the face. Raises RejectedError if no photo can be used: the token then stays,
        for MAX_TRIES uploads.
        """
        link = self.find(token)
        if link is None:
            raise GalleryError(GONE)
        plan = self._plan(link, photos)
        if not plan.candidates:
            self._tried(token)
            raise RejectedError("no photo can be used", plan.rejected, skippable=False)
        self._store(token, plan, text)
        self._note("proposed", link.facts["person"], text=text)
        return Proposed(len(plan.candidates[0].embeddings[:MAX_FACES]), plan.rejected)

    def confirm(self, proposal: str, options: EnrollOptions) -> EnrollResult:
        """Enroll what an admin has looked at, with the day of consent; asks what every enrollment asks."""
        with _DECIDING:
            return self._confirm(self._find(proposal), options)

    def _confirm(self, found: Proposal, options: EnrollOptions) -> EnrollResult:
        with self.people.gallery(create=True) as gallery:
            if gallery.model != found.model:
                raise GalleryError("the photos were read with another model: refuse them, and make a new link")
        shots, pictures = tuple(face.vector for face in found.faces), tuple(face.jpeg for face in found.faces)
        new = Candidate(found.person, found.name, shots, "photo", pictures=pictures)
        done = self.people.enroll_plan(Plan(limits(self.people.configuration), (new,)), options)
        self._drop(found.id)
        self._note("confirmed", found.person, text=found.text, agreed=rfc3339(found.at))
        return done

    def consented(self, proposal: str) -> str:
        """The day of consent of a proposal."""
        return day(self._find(proposal).at)

    def refuse(self, proposal: str) -> None:
        """Erase a proposal."""
        with _DECIDING:
            found = self._find(proposal)
            self._drop(proposal)
            self._note("refused", found.person)

    def picture(self, proposal: str, number: int) -> bytes | None:
        """A face of a proposal as a JPEG; None if there is none."""
        for one in self.book().proposals:
            if one.id == proposal and number < len(one.faces):
                return one.faces[number].jpeg
        return None

    @property
    def _folder(self) -> Path:
        return self.people.configuration.data

    @property
    def _file(self) -> ProposalFile:
        return ProposalFile(self._folder, open_vault(self._folder))

    def _knows(self, person: str) -> bool:
        with self.people.gallery(create=True) as gallery:
            return gallery.knows(person)

    def _plan(self, link: TokenRecord, photos: Iterable[Upload]) -> Plan:
        # Compared with no one: the answer to a stranger must not say whose face it is.
        nobody = KnownFaces(limits(self.people.configuration))
        with self.people.analyzer() as analyzer:
            return from_photos(analyzer, nobody, link.facts["person"], link.facts.get("name"), photos)

    def _store(self, token: str, plan: Plan, text: str) -> None:
        (person,), wall = plan.candidates, self.people.clock.wall()
        faces = [ProposedFace.of(*face) for face in zip(person.embeddings, person.pictures, strict=True)]
        proposal = Proposal(
            id=new_proposal_id(),
            person=person.person,
            name=person.name,
            at=wall,
            text=text,
            model=self.people.model,
            faces=tuple(faces[:MAX_FACES]),
        )

        def add(book: ProposalBook) -> ProposalBook:
            link, rest = tokens.redeem(book.links, token, wall)
            if link is None:
                raise GalleryError(GONE)
            if len(book.proposals) >= MAX_PROPOSALS:
                raise GalleryError("too many photos wait for an admin already: try again later")
            return ProposalBook(links=rest, proposals=(*book.proposals, proposal))

        self._file.change(add)

    def _tried(self, token: str) -> None:
        """Count an upload without a usable photo."""
        wall = self.people.clock.wall()

        def count(book: ProposalBook) -> ProposalBook:
            link, rest = tokens.redeem(book.links, token, wall)
            tries = 1 + int(link.facts.get("tries", "0")) if link is not None else MAX_TRIES
            if link is None or tries >= MAX_TRIES:
                return book.model_copy(update={"links": rest})
            again = link.model_copy(update={"facts": {**link.facts, "tries": str(tries)}})
            return book.model_copy(update={"links": (*rest, again)})

        self._file.change(count)

    def _find(self, proposal: str) -> Proposal:
        found = next((one for one in self.book().proposals if one.id == proposal), None)
        if found is None:
            raise GalleryError(DECIDED)
        return found

    def _drop(self, proposal: str) -> None:
        self._file.change(
            lambda book: book.model_copy(
                update={"proposals": tuple(one for one in book.proposals if one.id != proposal)}
            )
        )

    def _note(self, step: str, person: str, **facts: str) -> None:
        self.record("proposal", {"step": step, "person": person, **facts})
