"""Links for self-enrollment, and the photos that have come by them, sealed in the data folder until an admin decides.

Nothing here is matched: the faces are in this file alone, and no snapshot of the gallery has them.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field, ValidationError

from edgeface.core.clock import DAY
from edgeface.core.errors import GalleryError, VaultError, system_reason
from edgeface.core.files import alone, read_at_most
from edgeface.core.settings import Settings
from edgeface.core.text import printable_path
from edgeface.gallery.snapshot import check_embedding, from_blob, to_blob
from edgeface.security.head import put_file
from edgeface.security.signing_keys import FileWatch
from edgeface.security.single_use_tokens import TokenRecord, unexpired
from edgeface.security.vault import open_vault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from edgeface.core.clock import Clock
    from edgeface.core.types import Embedding
    from edgeface.security.vault import Vault

FILE = "proposals"
"""Name of the file in the data folder."""
MAX_LINKS, MAX_PROPOSALS, MAX_FACES = 16, 10, 5

_ABOUT = "proposals"
_MAX_PICTURE = 160_000
_MAX_BYTES = 8 << 20


class ProposedFace(Settings):
    """A face of a proposal."""

    embedding: Annotated[str, Field(max_length=20_000, repr=False)]
    """Base64 of little-endian float32."""
    picture: Annotated[str, Field(max_length=_MAX_PICTURE, repr=False)]
    """Base64 of a small JPEG, which the admin looks at; the photo itself is not kept."""

    @classmethod
    def of(cls, embedding: Embedding, jpeg: bytes) -> ProposedFace:
        """A face from its embedding and its picture."""
        return cls(embedding=base64.b64encode(to_blob(embedding)).decode(), picture=base64.b64encode(jpeg).decode())

    @property
    def vector(self) -> Embedding:
        """The embedding. Raises GalleryError if it is none."""
        found = from_blob(base64.b64decode(self.embedding, validate=True))
        check_embedding(found)
        return found

    @property
    def jpeg(self) -> bytes:
        """The picture."""
        return base64.b64decode(self.picture, validate=True)


class Proposal(Settings):
    """The photos that someone has sent by a link."""

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
    person: str
    name: str | None
    """None for someone who is enrolled already."""
    at: float
    """Wall seconds of the consent."""
    text: str
    """The version of the text that was agreed to."""
    model: str
    """The embedder that made the embeddings."""
    faces: Annotated[tuple[ProposedFace, ...], Field(min_length=1, max_length=MAX_FACES, repr=False)]


class ProposalBook(Settings):
    """The content of the file."""

    links: Annotated[tuple[TokenRecord, ...], Field(max_length=MAX_LINKS)] = ()
    """Their facts are `person` and, for someone new, `name`, and how often photos were refused, `tries`."""
    proposals: Annotated[tuple[Proposal, ...], Field(max_length=MAX_PROPOSALS)] = ()

    @property
    def people(self) -> frozenset[str]:
        """The ids that someone may get."""
        return frozenset((*(link.facts["person"] for link in self.links), *(one.person for one in self.proposals)))


def new_proposal_id() -> str:
    """A random id for a proposal."""
    return secrets.token_hex(6)


@dataclass(frozen=True, slots=True)
class ProposalFile:
    """The file in a data folder; its changes are safe against other threads and processes."""

    folder: Path
    vault: Vault

    def read(self) -> ProposalBook:
        """The content; empty without a file. Raises VaultError if it was altered or cannot be read."""
        path = self.folder / FILE
        try:
            return ProposalBook.model_validate_json(self.vault.unseal(read_at_most(path, _MAX_BYTES), _ABOUT))
        except FileNotFoundError:
            return ProposalBook()
        except VaultError as error:
            raise VaultError(f"{error}; move it out of the data folder, and make new links") from None
        except OSError as error:
            raise VaultError(f"{printable_path(path)}: cannot be read ({system_reason(error)})") from error
        except ValidationError:
            raise VaultError(f"{printable_path(path)}: written by another version") from None

    def change(self, change: Callable[[ProposalBook], ProposalBook]) -> ProposalBook:
        """Replace the content by what `change` makes of it, and return that; it is on the disk afterwards.

        What `change` raises is passed on, with nothing changed. Raises GalleryError if the file cannot be written.
        """
        try:
            with alone(self.folder):
                before = self.read()
                after = change(before)
                if after != before:
                    sealed = self.vault.seal(after.model_dump_json().encode(), _ABOUT)
                    put_file(self.folder, self.vault, FILE, sealed)
                return after
        except OSError as error:
            raise GalleryError(
                f"{printable_path(self.folder / FILE)}: cannot be written ({system_reason(error)})"
            ) from error


def proposal_file(folder: Path) -> ProposalFile | None:
    """The file of a data folder; None if there is none, and then no key is needed or made."""
    return ProposalFile(folder, open_vault(folder)) if (folder / FILE).exists() else None


class ProposalCount:
    """Follows how many proposals wait; used by one thread."""

    def __init__(self, folder: Path, vault: Vault, clock: Clock) -> None:
        self._file = ProposalFile(folder, vault)
        self._watch = FileWatch(folder / FILE, clock)
        self._count: int | None = 0

    def count(self) -> int | None:
        """The number; None if the file cannot be read."""
        if self._watch.changed():
            try:
                self._count = len(self._file.read().proposals)
            except VaultError:
                self._count = None
        return self._count


def erase(folder: Path, people: Iterable[str], faces: Sequence[Embedding], alike: float) -> frozenset[str]:
    """Erase the links and proposals of people, and proposals whose cosine to one of the faces is `alike` or more.

    Returns the ids of the proposals.
    """
    gone = frozenset(people)

    def is_kept(one: Proposal) -> bool:
        return one.person not in gone and not _alike(one, faces, alike)

    erased = _keep(folder, is_kept, lambda link: link.facts["person"] not in gone)
    return frozenset(one.person for one in erased)


def expire(folder: Path, wall: float, days: float) -> int:
    """Erase the proposals that have waited for so many days, and old links; returns the number of proposals."""
    return len(_keep(folder, lambda one: one.at > wall - days * DAY, lambda link: link.expires > wall))


def people(folder: Path, wall: float) -> frozenset[str]:
    """The ids that someone may get by a link that is valid, or a proposal; none while the file cannot be read.

    No one gets an id by it then either.
    """
    try:
        found = proposal_file(folder)
        book = ProposalBook() if found is None else found.read()
    except VaultError:
        return frozenset()
    return book.model_copy(update={"links": unexpired(book.links, wall)}).people


def names(folder: Path, person: str) -> bool:
    """Whether a link or a proposal names someone. Raises VaultError as `waiting`."""
    found = proposal_file(folder)
    return found is not None and person in found.read().people


def waiting(folder: Path) -> int:
    """How many proposals wait. Raises VaultError if the file cannot be read."""
    found = proposal_file(folder)
    return 0 if found is None else len(found.read().proposals)


def _keep(folder: Path, proposal: Callable[[Proposal], bool], link: Callable[[TokenRecord], bool]) -> list[Proposal]:
    """Keep the proposals and links for which these are true; returns the other proposals."""
    found, dropped = proposal_file(folder), list[Proposal]()
    if found is None:
        return dropped

    def kept(book: ProposalBook) -> ProposalBook:
        dropped.extend(one for one in book.proposals if not proposal(one))
        return ProposalBook(links=tuple(filter(link, book.links)), proposals=tuple(filter(proposal, book.proposals)))

    found.change(kept)
    return dropped


def _alike(one: Proposal, faces: Sequence[Embedding], alike: float) -> bool:
    return any(
        face.vector.shape == other.shape and float(np.dot(face.vector, other)) >= alike
        for face in one.faces
        for other in faces
    )
