"""The tables and rows of gallery.db: what is sealed, and how a row is found.

Nothing personal is stored in plain text, not even ids: a row is found by the tag of its id. Only the embedders' names
and the number and length of rows are readable.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from edgeface.core.errors import GalleryError, VaultError
from edgeface.core.sqlite import Schema, translated
from edgeface.core.text import printable
from edgeface.gallery.snapshot import MAX_TEMPLATES, Person, Template, check_embedding, from_blob, to_blob
from edgeface.gallery.unknowns import Unknown
from edgeface.security import content

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from edgeface.core.event_kinds import PeopleKind
    from edgeface.core.types import Embedding
    from edgeface.security.vault import Vault

    Embeddings = NDArray[np.float32]

TEMPLATE_ID_LENGTH = 12
"""Hex digits."""

# PRAGMA user_version of gallery.db in 0.1; corrections made it 3, merges of unknowns 4, second factors 5, versions of
# people 6, the digest of the content 7.
_FIRST_VERSION = 2

# `gone` holds the tags of unknowns that were enrolled or deleted: a daemon that still holds one must not store it
# again; and of people who were forgotten: a backup must not bring them back. `state.generation` rises with every change
# that a running daemon must see; `key` names the key that sealed the rows; `plain` is always 0 and kept for 0.1.
_TABLES = (
    "CREATE TABLE people (tag BLOB PRIMARY KEY, sealed BLOB NOT NULL)",
    """
    CREATE TABLE templates (
        seq INTEGER PRIMARY KEY, person BLOB NOT NULL REFERENCES people(tag) ON DELETE CASCADE,
        model TEXT NOT NULL, count INTEGER NOT NULL, sealed BLOB NOT NULL, UNIQUE (person, model)
    )
    """,
    "CREATE INDEX by_model ON templates (model)",
    "CREATE TABLE unknowns (tag BLOB PRIMARY KEY, model TEXT NOT NULL, sealed BLOB NOT NULL)",
    "CREATE TABLE gone (tag BLOB PRIMARY KEY)",
    "CREATE TABLE pictures (seq INTEGER PRIMARY KEY, owner BLOB NOT NULL, head BLOB NOT NULL, sealed BLOB NOT NULL)",
    "CREATE INDEX by_owner ON pictures (owner)",
    "CREATE TRIGGER of_people AFTER DELETE ON people BEGIN DELETE FROM pictures WHERE owner = OLD.tag; END",
    "CREATE TRIGGER of_unknowns AFTER DELETE ON unknowns BEGIN DELETE FROM pictures WHERE owner = OLD.tag; END",
    "CREATE TABLE state (generation INTEGER NOT NULL, key TEXT NOT NULL, plain INTEGER NOT NULL)",
)

RANDOM_BITS = (1 << 20) - 1
"""Of people.version, the lower bits; the rest is the generation before the change."""

# A probe is found by the tag of its event; a negative template goes with the person that it denies.
_CORRECTIONS = (
    "CREATE TABLE probes (seq INTEGER PRIMARY KEY, event BLOB UNIQUE, model TEXT NOT NULL, sealed BLOB NOT NULL)",
    """
    CREATE TABLE negatives (
        seq INTEGER PRIMARY KEY, person BLOB NOT NULL REFERENCES people(tag) ON DELETE CASCADE,
        model TEXT NOT NULL, sealed BLOB NOT NULL
    )
    """,
    "CREATE INDEX by_person ON negatives (person)",
)

# `generation` is that of the last change by anyone but the daemon that sees the unknown; the index is enough to find
# what is new. A pair has the tags in order.
_MERGES = (
    "ALTER TABLE unknowns ADD COLUMN generation INTEGER NOT NULL DEFAULT 0",
    "CREATE INDEX by_generation ON unknowns (model, generation, tag)",
    """
    CREATE TABLE alike (
        one BLOB NOT NULL REFERENCES unknowns(tag) ON DELETE CASCADE,
        other BLOB NOT NULL REFERENCES unknowns(tag) ON DELETE CASCADE,
        sealed BLOB NOT NULL, PRIMARY KEY (one, other)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX by_other ON alike (other)",
)
# A factor is found by the tag of its number, code or card; attempts by the tag of their door and person.
_FACTORS = (
    """
    CREATE TABLE factors (
        seq INTEGER PRIMARY KEY, found BLOB NOT NULL UNIQUE,
        person BLOB NOT NULL REFERENCES people(tag) ON DELETE CASCADE, sealed BLOB NOT NULL
    )
    """,
    "CREATE INDEX factors_of ON factors (person)",
    """
    CREATE TABLE attempts (
        place BLOB PRIMARY KEY, person BLOB REFERENCES people(tag) ON DELETE CASCADE, sealed BLOB NOT NULL
    )
    """,
    "CREATE INDEX attempts_of ON attempts (person)",
)
# `people.version` changes with whatever a snapshot shows of the person, whoever writes it: the generation, by which a
# reader finds the latest, and random bits, because a counter would repeat after a backup is put back.
# `state.unfinished` is 1 while an erasure is under way.
_VERSIONS = (
    "ALTER TABLE people ADD COLUMN version INTEGER NOT NULL DEFAULT 0",
    f"UPDATE people SET version = random() & {RANDOM_BITS}",  # noqa: S608 - only constants
    "CREATE INDEX by_version ON people (tag, version)",
    "ALTER TABLE state ADD COLUMN unfinished INTEGER NOT NULL DEFAULT 0",
    *(
        f"CREATE TRIGGER version_{table}_{event[:6].lower()} AFTER {event} ON {table}"  # noqa: S608 - only constants
        f" BEGIN UPDATE people SET version = (SELECT generation FROM state) * {RANDOM_BITS + 1}"
        f" + (random() & {RANDOM_BITS}) WHERE tag IN ({tags}); END"
        for table, event, tags in (
            ("people", "INSERT", "NEW.tag"),
            ("people", "UPDATE OF tag, sealed", "NEW.tag"),
            *((table, "INSERT", "NEW.person") for table in ("templates", "negatives")),
            *((table, "UPDATE", "OLD.person, NEW.person") for table in ("templates", "negatives")),
            *((table, "DELETE", "OLD.person") for table in ("templates", "negatives")),
        )
    ),
)


def schema(vault: Vault) -> Schema:
    """The schema of gallery.db; a new file is bound to the key of `vault`."""
    added = (_CORRECTIONS, _MERGES, _FACTORS, _VERSIONS, (content.SCHEMA,))
    return Schema((partial(_create, vault), *(partial(_add, one) for one in added)), first=_FIRST_VERSION)


def is_used(db: sqlite3.Connection) -> bool:
    """Whether anyone is stored."""
    query = "SELECT 1 WHERE EXISTS (SELECT 1 FROM people) OR EXISTS (SELECT 1 FROM unknowns)"
    return db.execute(query).fetchone() is not None


def require_same_key(vault: Vault, db: sqlite3.Connection, path: Path) -> None:
    """Raise VaultError if another key sealed the rows."""
    with translated(path):
        (key,) = db.execute("SELECT key FROM state").fetchone()
    if key != vault.id:
        raise VaultError(f"{path}: sealed with key {printable(key)}, but the key here is {vault.id}")


def _create(vault: Vault, db: sqlite3.Connection) -> None:
    _add(_TABLES, db)
    db.execute("INSERT INTO state VALUES (1, ?, 0)", (vault.id,))


def _add(statements: Iterable[str], db: sqlite3.Connection) -> None:
    for statement in statements:
        db.execute(statement)


_OVERRIDES = ("anyway", "different_people", "accept_limits")


@dataclass(frozen=True, slots=True)
class Change:
    """What a write did, for the audit trail; holds no name and no embedding."""

    kind: PeopleKind
    person: str
    wall: float
    given: str | None = None
    expires: str | None = None
    event: str | None = None
    """The event that was corrected."""
    anyway: bool = False
    """Enrolled although the templates may be of another person."""
    different_people: bool = False
    """Enrolled with a face that someone else has."""
    accept_limits: bool = False
    """Enrolled although a door or camera can no longer guarantee its level."""
    template: str = ""
    """Id of the template that was removed."""
    merged: str = ""
    """Id of the unknown that was merged into `person`, who is an unknown too."""
    unknown: str = ""
    """Id of the unknown who was enrolled as `person`."""
    factor: str = ""
    """What of the second factors was changed: pin, duress, code or card; unlocked."""
    removed: bool = False
    """The factor was removed."""

    @property
    def facts(self) -> dict[str, str | bool | None]:
        """The payload of its row in the audit trail; a deletion does not name the person."""
        if self.kind == "deleted":
            return {}
        dates = {"given": self.given, "expires": self.expires} if self.kind == "consent" else {}
        flags = {name: True for name in (*_OVERRIDES, "removed") if getattr(self, name)}
        if self.merged:
            return {"unknown": self.person, "merged": self.merged, **flags}
        named = {name: getattr(self, name) for name in ("template", "factor", "unknown") if getattr(self, name)}
        event = {"event": self.event} if self.event is not None else {}
        return {"person": self.person, **dates, **flags, **named, **event}


@dataclass(frozen=True, slots=True)
class RowCodec:
    """Turns people, templates and unknowns into sealed rows and back.

    A row is bound to the tag of its owner and, if it has one, to its model: a row that was moved does not open.
    """

    vault: Vault
    path: Path
    """Of the file, for messages."""

    def tag(self, who: str) -> bytes:
        """The tag by which the rows of a person or an unknown are found."""
        return self.vault.tag(who)

    def template_id(self, embedding: Embedding) -> str:
        """The name of a template: keyed, so that it tells nothing of the embedding."""
        return self.vault.tag(f"template {to_blob(embedding).hex()}").hex()[:TEMPLATE_ID_LENGTH]

    def gone_tag(self, unknown: str) -> bytes:
        """The tag that stays when an unknown is removed; it differs from the tag of its rows."""
        return self.vault.tag(f"gone {unknown}")

    def seal(self, noun: str, owner: bytes, facts: Mapping[str, object], blob: bytes = b"") -> bytes:
        """One row: the facts as a line of JSON, then the bytes."""
        line = json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
        return self.vault.seal(line.encode() + b"\n" + blob, _about(noun, owner))

    def unseal(self, noun: str, owner: bytes, sealed: bytes) -> tuple[dict[str, Any], bytes]:
        """Open what `seal` made; raises VaultError if the row was altered, moved, or sealed with another key."""
        try:
            line, _, blob = self.vault.unseal(sealed, _about(noun, owner)).partition(b"\n")
        except VaultError:
            raise VaultError(
                f"{self.path}: a row was altered, or sealed with another key than {self.vault.id}; "
                "restore a backup or the right key"
            ) from None
        return json.loads(line), blob

    def seal_person(self, person: Person) -> bytes:
        """A row of `people`."""
        facts = {
            "id": person.id, "name": person.name, "ignored": person.ignored, "enrolled": person.enrolled,
            "consent": person.consent, "expires": person.expires,
        }  # fmt: skip
        more = {"look_alikes": person.look_alikes, "groups": person.groups, "site": person.site}
        return self.seal("person", self.tag(person.id), {**facts, **{key: one for key, one in more.items() if one}})

    def person(self, tag: bytes, sealed: bytes, templates: int = 0, foreign: int = 0) -> Person:
        """Read what `seal_person` wrote."""
        facts, _ = self.unseal("person", tag, sealed)
        for key in ("look_alikes", "groups"):
            facts[key] = tuple(facts.get(key, ()))
        return Person(**facts, templates=templates, foreign=foreign)

    def seal_templates(self, owner: bytes, templates: Sequence[Template]) -> bytes:
        """A row of `templates`: all templates of one person and one model."""
        facts = {"of": [(t.source, t.wall) for t in templates], "size": templates[0].embedding.size}
        blob = b"".join(to_blob(template.embedding) for template in templates)
        return self.seal(f"templates {templates[0].model}", owner, facts, blob)

    def templates(self, owner: bytes, model: str, sealed: bytes) -> list[Template]:
        """Read what `seal_templates` wrote."""
        facts, blob = self.unseal(f"templates {model}", owner, sealed)
        rows = from_blob(blob).reshape(-1, facts["size"])
        return [Template(row, model, *of) for row, of in zip(rows, facts["of"], strict=True)]

    def embeddings(self, owner: bytes, model: str, sealed: bytes) -> Embeddings:
        """Only the embeddings of what `seal_templates` wrote, one per row."""
        facts, blob = self.unseal(f"templates {model}", owner, sealed)
        return from_blob(blob).reshape(-1, facts["size"])

    def seal_unknown(self, unknown: Unknown, model: str) -> bytes:
        """A row of `unknowns`; the blob is the mean, then the templates."""
        facts = {
            "id": unknown.id, "weight": unknown.weight, "sightings": unknown.sightings,
            "first": unknown.first, "last": unknown.last, "camera": unknown.camera,
        }  # fmt: skip
        facts |= {"merged": unknown.merged} if unknown.merged else {}
        blob = b"".join(to_blob(vector) for vector in (unknown.mean, *unknown.templates))
        return self.seal(f"unknown {model}", self.tag(unknown.id), {**facts, "size": unknown.mean.size}, blob)

    def unknown(self, tag: bytes, model: str, sealed: bytes) -> Unknown:
        """Read what `seal_unknown` wrote."""
        facts, blob = self.unseal(f"unknown {model}", tag, sealed)
        mean, *templates = from_blob(blob).reshape(-1, facts.pop("size"))
        merged = tuple(facts.pop("merged", ()))
        return Unknown(**facts, mean=mean, templates=tuple(templates), merged=merged)


@dataclass(frozen=True, slots=True)
class RetiredIds:
    """Ids of unknowns that must not be assigned again; only their tags are stored."""

    codec: RowCodec
    tags: frozenset[bytes]

    def __contains__(self, unknown: object) -> bool:
        return isinstance(unknown, str) and self.codec.gone_tag(unknown) in self.tags


def _about(noun: str, owner: bytes) -> str:
    return f"gallery {noun} {owner.hex()}"


def put_templates(codec: RowCodec, db: sqlite3.Connection, person: str, templates: Sequence[Template]) -> None:
    """Add templates that are not stored yet; raises GalleryError if they are too many or of another size."""
    owner = codec.tag(person)
    for model in dict.fromkeys(template.model for template in templates):
        row = db.execute("SELECT sealed FROM templates WHERE person = ? AND model = ?", (owner, model)).fetchone()
        kept = codec.templates(owner, model, row[0]) if row else []
        by_blob = {to_blob(t.embedding): t for t in reversed([*kept, *(t for t in templates if t.model == model)])}
        _require_one_size(codec, db, model, by_blob)
        values = (owner, model, len(by_blob), codec.seal_templates(owner, [*reversed(by_blob.values())]))
        db.execute(
            "INSERT INTO templates (person, model, count, sealed) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (person, model) DO UPDATE SET count = excluded.count, sealed = excluded.sealed",
            values,
        )
    total = db.execute("SELECT coalesce(sum(count), 0) FROM templates WHERE person = ?", (owner,)).fetchone()[0]
    if total > MAX_TEMPLATES:
        raise GalleryError(f"{person}: {total} templates; at most {MAX_TEMPLATES} are allowed, and 5 to 10 are enough")


def set_templates(
    codec: RowCodec, db: sqlite3.Connection, person: str, model: str, templates: Sequence[Template]
) -> None:
    """Store these in place of a person's templates of the model; raises GalleryError if one is no embedding."""
    for template in templates:
        check_embedding(template.embedding)
    db.execute("DELETE FROM templates WHERE person = ? AND model = ?", (codec.tag(person), model))
    put_templates(codec, db, person, templates)


def drop_template(codec: RowCodec, db: sqlite3.Connection, person: str, template: Template) -> None:
    """Remove one template that is stored."""
    owner, model, blob = codec.tag(person), template.model, to_blob(template.embedding)
    row = db.execute("SELECT sealed FROM templates WHERE person = ? AND model = ?", (owner, model)).fetchone()
    kept = [one for one in codec.templates(owner, model, row[0]) if to_blob(one.embedding) != blob]
    if kept:
        values = (len(kept), codec.seal_templates(owner, kept), owner, model)
        db.execute("UPDATE templates SET count = ?, sealed = ? WHERE person = ? AND model = ?", values)
    else:
        db.execute("DELETE FROM templates WHERE person = ? AND model = ?", (owner, model))


def _require_one_size(codec: RowCodec, db: sqlite3.Connection, model: str, blobs: Iterable[bytes]) -> None:
    row = db.execute("SELECT person, model, sealed FROM templates WHERE model = ? LIMIT 1", (model,)).fetchone()
    sizes = {len(blob) // 4 for blob in blobs} | ({codec.embeddings(*row).shape[1]} if row else set())
    if len(sizes) > 1:
        raise GalleryError(f"{model}: embeddings of {sorted(sizes)} numbers in one gallery")


Kept: TypeAlias = "dict[str, list[tuple[Any, ...]]]"
"""Rows by table."""


def kept(db: sqlite3.Connection, owner: bytes) -> Kept:
    """What stays when a person is replaced: the rows of the tables that go with the person."""
    return {
        table: db.execute(f"SELECT * FROM {table} WHERE person = ?", (owner,)).fetchall()  # noqa: S608 - a table below
        for table in ("negatives", "factors", "attempts")
    }


def put_back(db: sqlite3.Connection, kept: Kept) -> None:
    """Insert what `kept` gave."""
    for table, found in kept.items():
        for row in found:
            db.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608 - as in `kept`


def unknowns_before(codec: RowCodec, db: sqlite3.Connection, wall: float) -> list[bytes]:
    """Tags of the unknowns of any model that were last seen before `wall` seconds."""
    rows = db.execute("SELECT tag, model, sealed FROM unknowns").fetchall()
    return [tag for tag, model, sealed in rows if codec.unknown(tag, model, sealed).last < wall]
