"""The rows of gallery.db: what is sealed, and what it is found by.

Nothing personal is plain, ids included: a row is found by the tag of its id. Plain are the embedders' names, how many
rows there are and how long they are.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgeface.core.errors import GalleryError, VaultError
from edgeface.gallery.snapshot import MAX_TEMPLATES, Person, Template, from_blob, to_blob
from edgeface.gallery.unknowns import Unknown

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from edgeface.core.event_kinds import PeopleKind
    from edgeface.security.vault import Vault


if TYPE_CHECKING:
    Embeddings = NDArray[np.float32]

NEVER = "never"
"""An `expires` that takes the day away."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a write did, for the audit trail; holds no name and no embedding."""

    kind: PeopleKind
    person: str
    wall: float
    given: str | None = None
    expires: str | None = None

    @property
    def facts(self) -> dict[str, str | None]:
        """What its row in the audit trail says; of a deletion that it was, and not of whom."""
        if self.kind == "deleted":
            return {}
        dates = {"given": self.given, "expires": self.expires} if self.kind == "consent" else {}
        return {"person": self.person, **dates}


@dataclass(frozen=True, slots=True)
class Records:
    """Turns people, templates and unknowns into sealed rows and back.

    A row is bound to its owner's tag and, where it has one, to its model: a row put elsewhere does not open.
    """

    vault: Vault
    path: Path
    """Of the file, for messages."""

    def tag(self, who: str) -> bytes:
        """What the rows of a person or an unknown are found by."""
        return self.vault.tag(who)

    def gone_tag(self, unknown: str) -> bytes:
        """What an unknown leaves behind: it is not the tag that its rows had."""
        return self.vault.tag(f"gone {unknown}")

    def seal(self, noun: str, owner: bytes, facts: Mapping[str, object], blob: bytes = b"") -> bytes:
        """One row: the facts as a line of JSON, and bytes."""
        line = json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
        return self.vault.seal(line.encode() + b"\n" + blob, _about(noun, owner))

    def unseal(self, noun: str, owner: bytes, sealed: bytes) -> tuple[dict[str, Any], bytes]:
        """What `seal` was given; VaultError when the row was altered, moved, or sealed with another key."""
        line, blob = self._open(noun, owner, sealed)
        return json.loads(line), blob

    def blob(self, noun: str, owner: bytes, sealed: bytes) -> bytes:
        """Only the bytes of what `seal` was given."""
        return self._open(noun, owner, sealed)[1]

    def seal_person(self, person: Person) -> bytes:
        """A row of `people`."""
        facts = {
            "id": person.id, "name": person.name, "ignored": person.ignored, "enrolled": person.enrolled,
            "consent": person.consent, "expires": person.expires,
        }  # fmt: skip
        return self.seal("person", self.tag(person.id), facts)

    def person(self, tag: bytes, sealed: bytes, templates: int = 0, foreign: int = 0) -> Person:
        """Read what `seal_person` wrote."""
        facts, _ = self.unseal("person", tag, sealed)
        return Person(**facts, templates=templates, foreign=foreign)

    def seal_templates(self, owner: bytes, templates: Sequence[Template]) -> bytes:
        """A row of `templates`: all that a person has of one model."""
        facts = {"of": [(t.source, t.wall) for t in templates], "size": templates[0].embedding.size}
        blob = b"".join(to_blob(template.embedding) for template in templates)
        return self.seal(f"templates {templates[0].model}", owner, facts, blob)

    def templates(self, owner: bytes, model: str, sealed: bytes) -> list[Template]:
        """Read what `seal_templates` wrote."""
        facts, blob = self.unseal(f"templates {model}", owner, sealed)
        rows = from_blob(blob).reshape(-1, facts["size"])
        return [Template(row, model, *of) for row, of in zip(rows, facts["of"], strict=True)]

    def vectors(self, owner: bytes, model: str, sealed: bytes) -> Embeddings:
        """Only the embeddings of what `seal_templates` wrote, one a row."""
        facts, blob = self.unseal(f"templates {model}", owner, sealed)
        return from_blob(blob).reshape(-1, facts["size"])

    def seal_unknown(self, unknown: Unknown, model: str) -> bytes:
        """A row of `unknowns`; the blob is the mean, then the templates."""
        facts = {
            "id": unknown.id, "weight": unknown.weight, "sightings": unknown.sightings,
            "first": unknown.first, "last": unknown.last, "camera": unknown.camera,
        }  # fmt: skip
        blob = b"".join(to_blob(vector) for vector in (unknown.mean, *unknown.templates))
        return self.seal(f"unknown {model}", self.tag(unknown.id), {**facts, "size": unknown.mean.size}, blob)

    def unknown(self, tag: bytes, model: str, sealed: bytes) -> Unknown:
        """Read what `seal_unknown` wrote."""
        facts, blob = self.unseal(f"unknown {model}", tag, sealed)
        mean, *templates = from_blob(blob).reshape(-1, facts.pop("size"))
        return Unknown(**facts, mean=mean, templates=tuple(templates))

    def _open(self, noun: str, owner: bytes, sealed: bytes) -> tuple[bytes, bytes]:
        try:
            line, _, blob = self.vault.unseal(sealed, _about(noun, owner)).partition(b"\n")
        except VaultError:
            raise VaultError(
                f"{self.path}: a row was altered, or sealed with another key than {self.vault.id}; "
                "put a backup, or the key, in its place"
            ) from None
        return line, blob


@dataclass(frozen=True, slots=True)
class Gone:
    """Ids of unknowns that must not be given again, of which only tags are kept."""

    records: Records
    tags: frozenset[bytes]

    def __contains__(self, unknown: object) -> bool:
        return isinstance(unknown, str) and self.records.gone_tag(unknown) in self.tags


def _about(noun: str, owner: bytes) -> str:
    return f"gallery {noun} {owner.hex()}"


def put_templates(records: Records, db: sqlite3.Connection, person: str, templates: Sequence[Template]) -> None:
    """Add templates, those that are there already left out; GalleryError for too many or another size."""
    owner = records.tag(person)
    for model in dict.fromkeys(template.model for template in templates):
        row = db.execute("SELECT sealed FROM templates WHERE person = ? AND model = ?", (owner, model)).fetchone()
        kept = records.templates(owner, model, row[0]) if row else []
        by_blob = {to_blob(t.embedding): t for t in reversed([*kept, *(t for t in templates if t.model == model)])}
        _require_one_size(records, db, model, by_blob)
        values = (owner, model, len(by_blob), records.seal_templates(owner, [*reversed(by_blob.values())]))
        db.execute(
            "INSERT INTO templates (person, model, count, sealed) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (person, model) DO UPDATE SET count = excluded.count, sealed = excluded.sealed",
            values,
        )
    total = db.execute("SELECT coalesce(sum(count), 0) FROM templates WHERE person = ?", (owner,)).fetchone()[0]
    if total > MAX_TEMPLATES:
        raise GalleryError(f"{person}: {total} templates; {MAX_TEMPLATES} are the most, and 5 to 10 are enough")


def _require_one_size(records: Records, db: sqlite3.Connection, model: str, blobs: Iterable[bytes]) -> None:
    row = db.execute("SELECT person, model, sealed FROM templates WHERE model = ? LIMIT 1", (model,)).fetchone()
    sizes = {len(blob) // 4 for blob in blobs} | ({records.vectors(*row).shape[1]} if row else set())
    if len(sizes) > 1:
        raise GalleryError(f"{model}: embeddings of {sorted(sizes)} numbers in one gallery")


def put_unknown(records: Records, db: sqlite3.Connection, unknown: Unknown, model: str) -> None:
    """Store an unknown, or what is new of one; one that is gone stays away."""
    db.execute(
        "INSERT INTO unknowns (tag, model, sealed) SELECT ?, ?, ? WHERE ? NOT IN (SELECT tag FROM gone)"
        " ON CONFLICT (tag) DO UPDATE SET model = excluded.model, sealed = excluded.sealed",
        (records.tag(unknown.id), model, records.seal_unknown(unknown, model), records.gone_tag(unknown.id)),
    )


def unknowns_before(records: Records, db: sqlite3.Connection, wall: float) -> list[bytes]:
    """Tags of the unknowns, of every model, who were last seen before these wall seconds."""
    rows = db.execute("SELECT tag, model, sealed FROM unknowns").fetchall()
    return [tag for tag, model, sealed in rows if records.unknown(tag, model, sealed).last < wall]
