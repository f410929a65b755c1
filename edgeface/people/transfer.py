"""Exports people to a file and imports them: JSON with the templates as base64 of little-endian float32."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from edgeface.core.clock import MAX_WALL, rfc3339
from edgeface.core.errors import GalleryError
from edgeface.core.files import put_whole, read_at_most
from edgeface.core.text import check_id, display_name, printable, printable_path
from edgeface.gallery.snapshot import (
    MAX_ALIKE,
    MAX_SIZE,
    MAX_TEMPLATES,
    Source,
    Template,
    check_day,
    check_embedding,
    from_blob,
    to_blob,
)
from edgeface.people.enrollment import DoubtError, doubt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from edgeface.gallery.agreement import Limits
    from edgeface.gallery.gallery import Gallery
    from edgeface.gallery.rows import Change
    from edgeface.gallery.snapshot import Person
    from edgeface.journal.rows import JournalRow

FORMAT, VERSION = "edgeface-people", 2
READ = (1, VERSION)
"""Versions that can be read; 1 has no consent."""
MAX_BYTES = 64_000_000
"""Maximum size of a file to import; a person with five templates takes about 6 kB."""
_MODEL = re.compile(r"[A-Za-z0-9._-]{1,100}:[0-9a-f]{8}")


@dataclass(frozen=True, slots=True, eq=False)
class PersonRecord:
    """One person in the file."""

    id: str
    name: str
    ignored: bool
    templates: tuple[Template, ...]
    consent: str | None = None
    expires: str | None = None
    look_alikes: tuple[str, ...] = ()


def write(gallery: Gallery, path: Path, person: str | None = None, rows: Sequence[JournalRow] | None = None) -> int:
    """Write one person, or everyone, to a file of mode 0600; returns the number of people.

    With `rows`, the journal rows about the one person, the file holds all that is known of them; `read` ignores the
    additional parts. The file is written whole or not at all; raises GalleryError if it cannot be written.
    """
    people = gallery.people() if person is None else [gallery.person(person)]
    records = [_record(gallery, p) for p in people]
    if rows is not None:
        records = [{**record, **_disclosed(gallery, p, rows)} for p, record in zip(people, records, strict=True)]
    text = json.dumps({"format": FORMAT, "version": VERSION, "people": records}, ensure_ascii=False, indent=1)
    try:
        put_whole(path, text.encode() + b"\n")
    except OSError as error:
        raise GalleryError(f"{printable_path(path)}: {error.strerror}") from error
    return len(records)


def read(path: Path, model: str, size: int) -> list[PersonRecord]:
    """Read and check a whole file; raises GalleryError with the first mistake.

    `size` is the length of the embeddings of the embedder `model`.
    """
    shown = printable_path(path)
    try:
        data = read_at_most(path, MAX_BYTES)
    except OSError as error:
        raise GalleryError(f"{shown}: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise GalleryError(f"{shown}: more than {MAX_BYTES // 1_000_000} MB")
    try:
        return _people(data, model, size)
    except GalleryError as error:
        raise GalleryError(f"{shown}: {error}") from error


def import_all(
    gallery: Gallery,
    people: Sequence[PersonRecord],
    limits: Limits,
    wall: float,
    *,
    replace: bool = False,
    anyway: bool = False,
) -> list[Change]:
    """Enroll everyone that `read` returned, or no one.

    Raises GalleryError if an id exists and `replace` is false, and DoubtError if someone's templates may be of another
    person and `anyway` is false.
    """
    with gallery.transaction():
        taken = {person.id for person in gallery.people()} & {person.id for person in people}
        if taken and not replace:
            raise GalleryError(f"already enrolled: {', '.join(sorted(taken)[:5])} (--replace overwrites them)")
        doubts = {one.id: why for one in people if (why := _doubt(gallery, limits, one)) is not None}
        if doubts and not anyway:
            raise DoubtError(doubts)
        changes = [gallery.replace(p.id, p.name, p.templates, wall, ignored=p.ignored) for p in people]
        changes = [dataclasses.replace(change, anyway=change.person in doubts) for change in changes]
        for one in people:
            gallery.link(one.id, one.look_alikes)
        dated = [p for p in people if p.consent or p.expires]
        return changes + [gallery.consent(p.id, wall, p.consent, p.expires) for p in dated]


def _doubt(gallery: Gallery, limits: Limits, one: PersonRecord) -> str | None:
    new = [t.embedding for t in one.templates if t.model == gallery.model]
    return doubt(gallery, limits, one.id, new, again=True)


def _record(gallery: Gallery, person: Person) -> dict[str, object]:
    return {
        "id": person.id,
        "name": person.name,
        "ignored": person.ignored,
        "consent": person.consent,
        "expires": person.expires,
        "look_alikes": person.look_alikes,
        "templates": [
            {
                "embedding": base64.b64encode(to_blob(template.embedding)).decode(),
                "model": template.model,
                "source": template.source,
                "wall": template.wall,
            }
            for template in gallery.templates(person.id)
        ],
    }


def _disclosed(gallery: Gallery, person: Person, rows: Sequence[JournalRow]) -> dict[str, object]:
    """What is known of a person beyond what can be imported."""
    pictures = gallery.pictures(person.id)
    return {
        "enrolled": rfc3339(person.enrolled),
        "pictures": [{"at": rfc3339(wall), "jpeg": base64.b64encode(jpeg).decode()} for wall, jpeg in pictures],
        "journal": [
            {"id": row.id, "kind": row.kind, "at": rfc3339(row.at), "facts": json.loads(row.payload)} for row in rows
        ],
    }


def _people(data: bytes, model: str, size: int) -> list[PersonRecord]:
    try:
        parsed: object = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise GalleryError("not a file written by edgeface export (not JSON)") from error
    if not isinstance(parsed, dict) or parsed.get("format") != FORMAT:
        raise GalleryError("not a file written by edgeface export")
    if parsed.get("version") not in READ:
        raise GalleryError(f"unknown version; this edgeface reads versions {READ[0]} to {READ[-1]}")
    people = [_person(record, model, size) for record in _list(parsed, "people")]
    ids = [person.id for person in people]
    if len(set(ids)) < len(ids):
        raise GalleryError("an id occurs twice")
    return people


def _person(record: object, model: str, size: int) -> PersonRecord:
    if not isinstance(record, dict):
        raise GalleryError("a person is not an object")
    person = _text(record, "id")
    check_id(person)
    templates = _list(record, "templates")
    if not 0 < len(templates) <= MAX_TEMPLATES:
        raise GalleryError(f"{person}: {len(templates)} templates; allowed are 1 to {MAX_TEMPLATES}")
    if not isinstance(record.get("ignored"), bool):
        raise GalleryError(f"{person}: ignored must be true or false")
    try:
        taken = tuple(_template(template, model, size) for template in templates)
        consent, expires = _day(record, "consent"), _day(record, "expires")
        alike = _ids(record, "look_alikes")
    except GalleryError as error:
        raise GalleryError(f"{person}: {error}") from error
    name = display_name(_text(record, "name"), person)
    return PersonRecord(person, name, record["ignored"], taken, consent, expires, alike)


def _template(record: object, model: str, size: int) -> Template:
    if not isinstance(record, dict):
        raise GalleryError("a template is not an object")
    try:
        blob = base64.b64decode(_text(record, "embedding"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise GalleryError("an embedding is not base64") from error
    made_by, source, wall = _text(record, "model"), _text(record, "source"), record.get("wall")
    if not _MODEL.fullmatch(made_by):
        raise GalleryError(f"{printable(made_by)}: not a model name")
    if source not in get_args(Source):
        raise GalleryError(f"{printable(source)}: not a template source")
    if isinstance(wall, bool) or not isinstance(wall, int | float) or not 0 <= wall <= MAX_WALL:
        raise GalleryError("the time of a template must be seconds since 1970")
    if len(blob) % 4 or not 0 < len(blob) <= 4 * MAX_SIZE or (made_by == model and len(blob) != 4 * size):
        raise GalleryError(f"an embedding of {len(blob)} bytes; {model} makes {4 * size}")
    embedding = from_blob(blob)
    check_embedding(embedding)
    return Template(embedding, made_by, source, float(wall))  # type: ignore[arg-type]  # checked above


def _day(record: Mapping[str, Any], key: str) -> str | None:
    return None if record.get(key) is None else check_day(_text(record, key))


def _ids(record: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """A list of ids that a file may leave out."""
    ids = tuple(_list(record, key)) if record.get(key) is not None else ()
    if len(ids) > MAX_ALIKE:
        raise GalleryError(f"{key}: {len(ids)} ids; at most {MAX_ALIKE}")
    for one in ids:
        check_id(one if isinstance(one, str) else "")
    return tuple(map(str, ids))


def _list(record: Mapping[str, Any], key: str) -> list[object]:
    value = record.get(key)
    if not isinstance(value, list):
        raise GalleryError(f"{key} is not a list")
    return value


def _text(record: Mapping[str, Any], key: str) -> str:
    value = record.get(key)
    if not isinstance(value, str):
        raise GalleryError(f"{key} is not text")
    return value
