"""The search that proves an erasure must itself be proven: it finds what is there."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from edgeface.core.clock import SystemClock
from edgeface.core.errors import GalleryError
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import Template
from edgeface.gallery.unknowns import Unknown
from edgeface.journal.journal import Journal
from edgeface.journal.rows import JournalRow
from edgeface.people import trace_search
from edgeface.people.trace_search import SearchTerms
from tests.support.embeddings import unit

MODEL = "test-model:01234567"


SOUGHT = SearchTerms(("zuleika", "Zoë D."), (b"0123456789abcdef",), (unit(1), unit(2)))
NUMBERS = unit(2).astype("<f4").tobytes()


@pytest.mark.parametrize(
    "trace",
    [
        b"\x00zuleika\x01",
        '{"name":"Zoë D."}'.encode(),
        b'{"name":"Zo\\u00eb D."}',
        b"..0123456789abcdef..",
        NUMBERS[:16],
        b"x" + NUMBERS[400:416] + b"y",
        b"xyz" + NUMBERS[-16:],
    ],
)
@pytest.mark.parametrize("before", [0, 3_999_990, 8_000_000 - 9])
def test_a_trace_is_found_wherever_it_stands(tmp_path: Path, trace: bytes, before: int) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "clean").write_bytes(bytes(100))
    (tmp_path / "below" / "file").write_bytes(bytes(before) + trace + bytes(50))
    assert trace_search.search(tmp_path, SOUGHT) == (2, [tmp_path / "below" / "file"])


@pytest.mark.parametrize("at", range(9))
def test_each_of_hundreds_is_found_at_any_offset(tmp_path: Path, at: int) -> None:
    words = (*(f"person-{n:03}" for n in range(150)), "anna", "al", "ö", "abcdef")
    sought = SearchTerms(words, tuple(bytes([n]) * 16 for n in range(1, 200)), tuple(unit(n) for n in range(300)))
    file, noise = tmp_path / "file", np.random.default_rng(0).bytes(50_000)
    file.write_bytes(noise)
    assert trace_search.search(tmp_path, sought) == (1, [])
    numbers = unit(299).astype("<f4").tobytes()
    whole = [b"person-149", b'"anna"', b'"al"', '"ö"'.encode(), b'"\\u00f6"', b"abcdef", bytes([199]) * 16]
    for trace in (*whole, *(numbers[4 * n : 4 * n + 16] for n in (0, 1, 2, 3, 188))):
        for place in (at, 20_000 + at, len(noise) - at):
            file.write_bytes(noise[:place] + trace + noise[place:])
            assert trace_search.search(tmp_path, sought) == (1, [file]), (trace, place)


def test_a_name_of_a_file_counts_too(tmp_path: Path) -> None:
    (tmp_path / "zuleika.json").write_bytes(b"{}")
    assert trace_search.search(tmp_path, SOUGHT) == (1, [tmp_path / "zuleika.json"])


@pytest.mark.parametrize("near", [NUMBERS[:15], NUMBERS[:12] + bytes(4), bytes(100_000), b"zuleik", b"Zo"])
def test_what_is_nearly_a_trace_is_none(tmp_path: Path, near: bytes) -> None:
    (tmp_path / "file").write_bytes(b"\xff" + near + b"\xff" * 3)
    assert trace_search.search(tmp_path, SOUGHT) == (1, [])


def test_megabytes_of_sealed_rows_are_searched_soon_and_hold_no_trace_by_chance(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(np.random.default_rng(0).bytes(30_000_000))
    sought = SearchTerms(("al", "anna", "anna-maria"), (b"0123456789abcdef",), tuple(unit(n) for n in range(100)))
    clock = SystemClock()
    start = clock.monotonic()
    assert trace_search.search(tmp_path, sought) == (1, [])
    assert clock.monotonic() - start < 20


def test_ids_that_are_words_of_the_files_themselves_are_told_apart(tmp_path: Path) -> None:
    with closing(Gallery.open(tmp_path, MODEL)) as gallery, closing(Journal(tmp_path / "journal.db")) as journal:
        journal.append(JournalRow("1", "match", 1.0, "{}"))
        for person in ("people", "templates", "match", "sealed", "al"):
            gallery.enroll(person, None, [Template(unit(1), MODEL, "photo", 1.0)], 1.0)
            sought = trace_search.terms(gallery, [person], 0.5)
            gallery.remove([person])
            assert trace_search.search(tmp_path, sought)[1] == []
            (tmp_path / "left.json").write_text(f'{{"person":"{person}"}}')
            assert trace_search.search(tmp_path, sought)[1] == [tmp_path / "left.json"]
            (tmp_path / "left.json").unlink()


def test_a_person_who_is_still_there_is_found_by_the_tag(tmp_path: Path) -> None:
    with closing(Gallery.open(tmp_path, MODEL)) as gallery:
        gallery.enroll("zuleika", "Zoë D.", [Template(unit(1), MODEL, "photo", 1.0)], 1.0)
        gallery.store_unknowns([Unknown("u-0001", unit(1), (unit(1),), 2, 1, 1.0, 1.0, "porch")])
        sought = trace_search.terms(gallery, ["zuleika"], 0.5)
        assert sought.words == ("zuleika", "Zoë D.", "u-0001")
        assert len(sought.embeddings) == 3
        found = trace_search.search(tmp_path, sought)[1]
    assert {path.name for path in found} <= {"gallery.db", "gallery.db-wal"}
    assert found


def test_a_file_that_cannot_be_read_is_no_proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")

    def refuse(path: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied", str(path), None, mode)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(GalleryError, match="file: Permission denied: cannot be searched for traces"):
        trace_search.search(tmp_path, SOUGHT)
