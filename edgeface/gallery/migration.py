"""The schema of gallery.db, and how an older file is brought forward: its rows are sealed, its bytes wiped."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from edgeface.core import sqlite
from edgeface.core.errors import VaultError
from edgeface.core.text import printable
from edgeface.gallery.rows import Records, put_templates
from edgeface.gallery.snapshot import Person, Template, from_blob
from edgeface.gallery.unknowns import Unknown

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from edgeface.core.sqlite import Schema

# Schema 1 kept everything plain; it stands here because files of it may come.
_PLAIN = """
    CREATE TABLE people (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, ignored INTEGER NOT NULL, enrolled REAL NOT NULL
    );
    CREATE TABLE templates (
        person TEXT NOT NULL REFERENCES people(id) ON DELETE CASCADE,
        embedding BLOB NOT NULL, model TEXT NOT NULL, source TEXT NOT NULL, wall REAL NOT NULL,
        UNIQUE (person, model, embedding)
    );
    CREATE INDEX by_model ON templates (model);
    CREATE TABLE unknowns (
        id TEXT PRIMARY KEY, mean BLOB NOT NULL, templates BLOB NOT NULL, model TEXT NOT NULL,
        weight INTEGER NOT NULL, sightings INTEGER NOT NULL, first REAL NOT NULL, last REAL NOT NULL,
        camera TEXT NOT NULL
    );
    CREATE TABLE gone (id TEXT PRIMARY KEY);
    CREATE TABLE state (generation INTEGER NOT NULL);
    INSERT INTO state VALUES (1)
"""
# `gone` has the tags of unknowns that were enrolled or deleted: a daemon that still holds one must not bring it back.
# `state.generation` rises with every change that a running daemon must see; `key` names the key that sealed the rows;
# `plain` is 1 until the bytes of schema 1 have been wiped from the file.
_SEALED = (
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


def schema(records: Records) -> Schema:
    """What leads to the newest gallery.db; the rows of an older one are sealed on the way."""
    return _PLAIN, partial(_seal_all, records)


def require_same_key(records: Records, db: sqlite3.Connection) -> None:
    """VaultError when another key than this one sealed the rows."""
    with sqlite.translated(records.path):
        (key,) = db.execute("SELECT key FROM state").fetchone()
    if key != records.vault.id:
        raise VaultError(f"{records.path}: sealed with key {printable(key)}, and this is key {records.vault.id}")


def wipe(records: Records, db: sqlite3.Connection) -> None:
    """Leave no byte of schema 1 in the file, if there is one; GalleryError when another program keeps it open."""
    with sqlite.translated(records.path):
        (plain,) = db.execute("SELECT plain FROM state").fetchone()
    if plain:
        sqlite.erase(db, records.path)
        with sqlite.translated(records.path), sqlite.transaction(db):
            db.execute("UPDATE state SET plain = 0")


def _seal_all(records: Records, db: sqlite3.Connection) -> None:
    """Schema 1 to 2, inside one transaction."""
    rows = {
        table: db.execute(f"SELECT {columns} FROM {table} ORDER BY rowid").fetchall()  # noqa: S608 - both stand below
        for table, columns in (
            ("people", "id, name, ignored, enrolled"),
            ("templates", "person, embedding, model, source, wall"),
            ("unknowns", "id, mean, templates, model, weight, sightings, first, last, camera"),
            ("gone", "id"),
        )
    }
    (generation,) = db.execute("SELECT generation FROM state").fetchone()
    for statement in ("templates", "people", "unknowns", "gone", "state"):
        db.execute(f"DROP TABLE {statement}")
    for statement in _SEALED:
        db.execute(statement)
    _fill(records, db, rows)
    plain = any(rows.values())
    db.execute("INSERT INTO state VALUES (?, ?, ?)", (generation + plain, records.vault.id, plain))


def _fill(records: Records, db: sqlite3.Connection, rows: Mapping[str, list[tuple[Any, ...]]]) -> None:
    for person, name, ignored, enrolled in rows["people"]:
        made = Person(person, name, bool(ignored), enrolled, 0, 0)
        db.execute("INSERT INTO people VALUES (?, ?)", (records.tag(person), records.seal_person(made)))
    own: dict[str, list[Template]] = {}
    for person, embedding, model, source, wall in rows["templates"]:
        own.setdefault(person, []).append(Template(from_blob(embedding), model, source, wall))
    for person, templates in own.items():
        put_templates(records, db, person, templates)
    for identity, mean, templates, model, weight, sightings, first, last, camera in rows["unknowns"]:
        vector = from_blob(mean)
        many = tuple(from_blob(templates).reshape(-1, vector.size))
        unknown = Unknown(identity, vector, many, weight, sightings, first, last, camera)
        sealed = records.seal_unknown(unknown, model)
        db.execute("INSERT INTO unknowns VALUES (?, ?, ?)", (records.tag(identity), model, sealed))
    for (identity,) in rows["gone"]:
        db.execute("INSERT INTO gone VALUES (?)", (records.gone_tag(identity),))
