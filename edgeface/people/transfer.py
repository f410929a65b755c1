"""Exports people to a file and imports them: JSON with the templates as base64 of little-endian float32."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, get_args

from edgeface.core.clock import MAX_WALL, rfc3339
from edgeface.core.errors import GalleryError, system_reason
from edgeface.core.files import put_whole, regular
from edgeface.core.text import check_id, check_new_id, counted, given_name, printable, printable_path
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
from edgeface.people.json_stream import START, members

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from edgeface.gallery.agreement import Limits
    from edgeface.gallery.gallery import Gallery
    from edgeface.gallery.rows import Change
    from edgeface.gallery.snapshot import Person
    from edgeface.journal.rows import JournalRow

FORMAT, VERSION = "edgeface-people", 2
READ = (1, VERSION)
"""Versions that can be read; 1 has no consent."""
MAX_BYTES = 256_000_000
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
    try:
        put_whole(path, _written(gallery, people, rows))
    except OSError as error:
        raise GalleryError(f"{printable_path(path)}: {system_reason(error)}") from error
    return len(people)


def _written(gallery: Gallery, people: Sequence[Person], rows: Sequence[JournalRow] | None) -> Iterator[bytes]:
    """The file in parts, one person a line."""
    head = json.dumps({"format": FORMAT, "version": VERSION, "people": []})
    before, _, after = head.partition("[")
    yield f"{before}[\n".encode()
    for number, person in enumerate(people):
        record = {**_record(gallery, person), **({} if rows is None else _disclosed(gallery, person, rows))}
        yield (json.dumps(record, ensure_ascii=False) + ("\n" if number + 1 == len(people) else ",\n")).encode()
    yield f"{after}\n".encode()


@dataclass(frozen=True, slots=True)
class PeopleFile:
    """The people in a file; each iteration reads and checks it again, so that only one person is in memory."""

    path: Path
    model: str
    size: int
    """Length of the embeddings of the embedder `model`."""
    count: int = 0

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[PersonRecord]:
        """Yield everyone; raises GalleryError at the first mistake, which may be at the end."""
        shown = printable_path(self.path)
        try:
            with regular(self.path) as file:
                _require_small(file)
                yield from _people(file, self.model, self.size)
        except OSError as error:
            raise GalleryError(f"{shown}: {system_reason(error)}") from error
        except GalleryError as error:
            raise GalleryError(f"{shown}: {error}") from error


def read(path: Path, model: str, size: int) -> PeopleFile:
    """Check a whole file; raises GalleryError with the first mistake. Its `format` and `version` come first.

    `size` is the length of the embeddings of the embedder `model`.
    """
    people = PeopleFile(path, model, size)
    return dataclasses.replace(people, count=sum(1 for _ in people))


def import_all(
    gallery: Gallery,
    people: Iterable[PersonRecord],
    limits: Limits,
    wall: float,
    *,
    replace: bool = False,
    anyway: bool = False,
) -> list[Change]:
    """Enroll everyone, or no one; `people` is iterated twice.

    Raises GalleryError if an id exists and `replace` is false, and DoubtError if someone's templates may be of another
    person and `anyway` is false.
    """
    with gallery.transaction():
        taken, doubts = _objections(gallery, people, limits)
        if taken and not replace:
            raise GalleryError(f"already enrolled: {', '.join(sorted(taken)[:5])} (--replace overwrites them)")
        if doubts and not anyway:
            raise DoubtError(doubts)
        changes, later = [], []
        for one in people:
            change = gallery.replace(one.id, one.name, one.templates, wall, ignored=one.ignored)
            changes.append(dataclasses.replace(change, anyway=one.id in doubts))
            if one.look_alikes or one.consent or one.expires:
                later.append(dataclasses.replace(one, templates=()))
        for one in later:
            gallery.link(one.id, one.look_alikes)
        dated = [one for one in later if one.consent or one.expires]
        return changes + [gallery.consent(one.id, wall, one.consent, one.expires) for one in dated]


def _objections(gallery: Gallery, people: Iterable[PersonRecord], limits: Limits) -> tuple[list[str], dict[str, str]]:
    """Who is already enrolled, and whose templates may be of another person, with the reason."""
    taken, doubts = [], {}
    for one in people:
        if gallery.knows(one.id):
            taken.append(one.id)
        why = _doubt(gallery, limits, one)
        if why is not None:
            doubts[one.id] = why
    return taken, doubts


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


def _people(file: BinaryIO, model: str, size: int) -> Iterator[PersonRecord]:
    facts: dict[str, object] = {}
    ids: set[str] = set()
    for key, value in _members(file):
        if key != "people" or value is START:
            facts[key] = value
            continue
        _require_ours(facts)
        person = _person(value, model, size)
        if person.id in ids:
            raise GalleryError("an id occurs twice")
        ids.add(person.id)
        yield person
    _require_ours(facts)
    if "people" not in facts:
        raise GalleryError("people is not a list")


def _require_small(file: BinaryIO) -> None:
    if os.fstat(file.fileno()).st_size > MAX_BYTES:
        raise GalleryError(f"more than {MAX_BYTES // 1_000_000} MB")


def _members(file: BinaryIO) -> Iterator[tuple[str, object]]:
    try:
        yield from members(file, "people")
    except (ValueError, RecursionError) as error:
        raise GalleryError("not a file written by edgeface export (not JSON)") from error


def _require_ours(facts: Mapping[str, object]) -> None:
    """Raise GalleryError unless these keys are those of a file that can be read; they come before the people."""
    if facts.get("format") != FORMAT:
        raise GalleryError("not a file written by edgeface export")
    if facts.get("version") not in READ:
        raise GalleryError(f"unknown version; this edgeface reads versions {READ[0]} to {READ[-1]}")


def _person(record: object, model: str, size: int) -> PersonRecord:
    if not isinstance(record, dict):
        raise GalleryError("a person is not an object")
    person = _text(record, "id")
    check_new_id(person)
    templates = _list(record, "templates")
    if not 0 < len(templates) <= MAX_TEMPLATES:
        raise GalleryError(f"{person}: {counted(len(templates), 'template')}; allowed are 1 to {MAX_TEMPLATES}")
    if not isinstance(record.get("ignored"), bool):
        raise GalleryError(f"{person}: ignored must be true or false")
    try:
        taken = tuple(_template(template, model, size) for template in templates)
        consent, expires = _day(record, "consent"), _day(record, "expires")
        alike = _ids(record, "look_alikes")
    except GalleryError as error:
        raise GalleryError(f"{person}: {error}") from error
    name = given_name(_text(record, "name"), person)
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
        raise GalleryError(f"an embedding of {counted(len(blob), 'byte')}; {model} makes {4 * size}")
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
