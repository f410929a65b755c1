import base64
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeface.core.errors import GalleryError
from edgeface.gallery.agreement import Limits
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import Template
from edgeface.people import transfer
from tests.support.embeddings import unit

LIMITS = Limits(0.45, 0.40, 0.57, 0.60, 0.65)
MODEL = "test-model:01234567"
OLD = "old-model:00000000"


@pytest.fixture(name="gallery")
def _gallery(tmp_path: Path) -> Iterator[Gallery]:
    opened = Gallery.open(tmp_path / "data", MODEL)
    opened.enroll("alice", "Alice Ä.", [Template(unit(1), MODEL, "photo", 5.5), Template(unit(2), OLD, "camera", 6)], 7)
    opened.enroll("statue", None, [Template(unit(3), MODEL, "unknown", 8.0)], 9.0, ignored=True)
    yield opened
    opened.close()


def record(**changes: Any) -> dict[str, Any]:
    template = {
        "embedding": base64.b64encode(unit(1).tobytes()).decode(),
        "model": MODEL,
        "source": "photo",
        "wall": 5.0,
    }
    person = {"id": "bob", "name": "Bob", "ignored": False, "templates": [template | changes.pop("template", {})]}
    return {"format": "edgeface-people", "version": 1, "people": [person | changes]}


def read(path: Path, content: object) -> list[transfer.PersonRecord]:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    found = transfer.read(path, MODEL, 192)
    people = [*found]
    assert len(found) == len(people)
    return people


def test_people_come_back_as_they_went(gallery: Gallery, tmp_path: Path) -> None:
    file = tmp_path / "people.json"
    assert transfer.write(gallery, file) == 2
    assert file.stat().st_mode & 0o777 == 0o600
    fresh = Gallery.open(tmp_path / "fresh", MODEL)
    changes = transfer.import_all(fresh, transfer.read(file, MODEL, 192), LIMITS, 50.0)
    assert [(c.kind, c.person) for c in changes] == [("enrolled", "alice"), ("enrolled", "statue")]
    alice, statue = fresh.people()
    assert (alice.name, alice.ignored, alice.templates, alice.foreign) == ("Alice Ä.", False, 1, 1)
    assert (statue.name, statue.ignored, statue.templates) == ("statue", True, 1)
    first, second = fresh.templates("alice")
    assert (first.model, first.source, first.wall) == (MODEL, "photo", 5.5)
    np.testing.assert_array_equal(second.embedding, unit(2))
    fresh.close()


def test_one_person_is_written_alone(gallery: Gallery, tmp_path: Path) -> None:
    file = tmp_path / "alice.json"
    assert transfer.write(gallery, file, "alice") == 1
    assert b"statue" not in file.read_bytes()
    with pytest.raises(GalleryError, match="no one is enrolled with this id"):
        transfer.write(gallery, file, "carol")


def test_people_who_are_there_are_replaced_only_when_told_to(gallery: Gallery, tmp_path: Path) -> None:
    people = read(tmp_path / "f.json", record(id="alice", name="Other"))
    with pytest.raises(GalleryError, match=r"already enrolled: alice \(--replace"):
        transfer.import_all(gallery, people, LIMITS, 50.0)
    assert gallery.person("alice").name == "Alice Ä."
    transfer.import_all(gallery, people, LIMITS, 50.0, replace=True)
    alice = gallery.person("alice")
    assert (alice.name, alice.templates, alice.foreign, alice.enrolled) == ("Other", 1, 0, 50.0)


def test_nobody_is_taken_in_when_one_is_refused(gallery: Gallery, tmp_path: Path) -> None:
    both = record()
    both["people"].append(record(id="alice")["people"][0])
    people = read(tmp_path / "f.json", both)
    with pytest.raises(GalleryError, match="already enrolled"):
        transfer.import_all(gallery, people, LIMITS, 50.0)
    assert [p.id for p in gallery.people()] == ["alice", "statue"]


def encoded(vector: Any) -> dict[str, str]:
    return {"embedding": base64.b64encode(vector.tobytes()).decode()}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"a": 1e999}', "not a file written by edgeface export"),
        ("[]", "not a file written by edgeface export"),
        ({"format": "other"}, "not a file written by edgeface export"),
        ({"format": "edgeface-people", "version": 3}, "unknown version"),
        ({"format": "edgeface-people", "version": 1}, "people is not a list"),
        ({"format": "edgeface-people", "version": 1, "people": [1]}, "a person is not an object"),
        (record(id="../etc"), "not an id"),
        (record(id="a" * 65), "not an id"),
        (record(id="u-7f3a"), "reserved for unknowns"),
        (record(id=5), "id is not text"),
        (record(name=None), "name is not text"),
        (record(ignored=1), "ignored must be true or false"),
        (record(templates=[]), "0 templates"),
        (record(templates={}), "templates is not a list"),
        (record(templates=[1]), "a template is not an object"),
        (record(templates=[{}] * 101), "101 templates"),
        (record(template={"embedding": "?"}), "not base64"),
        (record(template={"embedding": "ä"}), "not base64"),
        (record(template={"embedding": "AAA="}), "an embedding of 2 bytes"),
        (record(template={"embedding": ""}), "an embedding of 0 bytes"),
        (record(template=encoded(unit(1, 128))), "an embedding of 512 bytes; test-model:01234567 makes 768"),
        (record(template=encoded(unit(1) * 2)), "length one"),
        (record(template=encoded(np.full(192, np.nan, np.float32))), "length one"),
        (record(template={"model": "x"}), "not a model name"),
        (record(template={"model": "a/../b:01234567"}), "not a model name"),
        (record(template={"source": "magic"}), "not a template source"),
        (record(template={"wall": "now"}), "seconds since 1970"),
        (record(template={"wall": float("nan")}), "seconds since 1970"),
        (record(template={"wall": True}), "seconds since 1970"),
        (record(template={"wall": 1e300}), "seconds since 1970"),
        (record(template={"wall": -1}), "seconds since 1970"),
    ],
)
def test_a_hostile_file_is_one_clear_line(tmp_path: Path, content: object, reason: str) -> None:
    with pytest.raises(GalleryError) as caught:
        read(tmp_path / "f.json", content)
    assert reason in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'f.json'}: ")
    assert str(caught.value).isprintable()


def test_consent_goes_and_comes_and_a_file_of_version_1_has_none(gallery: Gallery, tmp_path: Path) -> None:
    (old,) = read(tmp_path / "old.json", record())
    assert (old.consent, old.expires) == (None, None)
    gallery.consent("alice", 9.0, "2026-11-22", "2027-11-22")
    transfer.write(gallery, tmp_path / "new.json")
    assert json.loads((tmp_path / "new.json").read_text())["version"] == 2
    fresh = Gallery.open(tmp_path / "fresh", MODEL)
    changes = transfer.import_all(fresh, transfer.read(tmp_path / "new.json", MODEL, 192), LIMITS, 50.0)
    assert [(change.kind, change.person) for change in changes] == [
        ("enrolled", "alice"),
        ("enrolled", "statue"),
        ("consent", "alice"),
    ]
    alice, statue = fresh.people()
    assert (alice.consent, alice.expires, statue.consent) == ("2026-11-22", "2027-11-22", None)
    fresh.close()


@pytest.mark.parametrize("value", ["soon", 5, "", "2026-02-30", ["2026-11-22"]])
@pytest.mark.parametrize("key", ["consent", "expires"])
def test_a_day_that_is_none_is_refused(tmp_path: Path, key: str, value: object) -> None:
    with pytest.raises(GalleryError, match=r"not a day|not text"):
        read(tmp_path / "f.json", record(**{key: value}))


def test_the_same_id_twice_is_refused(tmp_path: Path) -> None:
    twice = record()
    twice["people"] *= 2
    with pytest.raises(GalleryError, match="an id occurs twice"):
        read(tmp_path / "f.json", twice)


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "f.json").open("wb") as file:
        file.truncate(10 * transfer.MAX_BYTES)
    with pytest.raises(GalleryError, match="more than 256 MB"):
        transfer.read(tmp_path / "f.json", MODEL, 192)


def test_a_name_from_a_file_is_cleaned(tmp_path: Path) -> None:
    (person,) = read(tmp_path / "f.json", record(name="B\x1b[2Job\n\u202e"))
    assert person.name == "B [2Job"


def test_embeddings_of_one_model_have_one_size_in_a_gallery(gallery: Gallery, tmp_path: Path) -> None:
    people = read(tmp_path / "f.json", record(template={"model": OLD} | encoded(unit(1, 128))))
    with pytest.raises(GalleryError, match=r"embeddings of \[128, 192\] numbers"):
        transfer.import_all(gallery, people, LIMITS, 50.0)


def test_a_file_that_cannot_be_written_or_read_is_one_clear_line(gallery: Gallery, tmp_path: Path) -> None:
    for target in (tmp_path / "none" / "people.json", tmp_path):
        with pytest.raises(GalleryError, match=str(target)):
            transfer.write(gallery, target)
        with pytest.raises(GalleryError, match=str(target)):
            transfer.read(target, MODEL, 192)
    assert [f.name for f in tmp_path.iterdir()] == ["data"]


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=20) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(["id", "name", "ignored", "templates", "template"]), JSON)
def test_whatever_stands_in_a_file_it_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, key: str, value: Any
) -> None:
    if key == "template":
        value = {"model": value, "wall": value} if not isinstance(value, dict) else value
    file = tmp_path_factory.getbasetemp() / "hypothesis.json"
    try:
        people = read(file, record(**{key: value}))
    except GalleryError as error:
        assert str(error).isprintable()
    else:
        assert [len(p.templates) for p in people] == [1]


def test_an_id_that_is_enrolled_at_the_last_moment_is_not_replaced(
    gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = read(tmp_path / "people.json", record(id="late"))
    begin = gallery.transaction

    def late() -> AbstractContextManager[None]:
        monkeypatch.undo()
        with closing(Gallery.open(gallery.path.parent, MODEL)) as other:
            other.enroll("late", "Other", [Template(unit(9), MODEL, "photo", 1.0)], 1.0)
        return begin()

    monkeypatch.setattr(gallery, "transaction", late)
    with pytest.raises(GalleryError, match="already enrolled: late"):
        transfer.import_all(gallery, people, LIMITS, 50.0)
    assert gallery.person("late").name == "Other"
