"""What may be kept no longer goes: people by the calendar, unknowns and pictures by their age."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edgeface.config.configuration import Configuration, Privacy
from edgeface.core.errors import GalleryError, VaultError
from edgeface.core.sqlite import BEFORE_UPDATE
from edgeface.core.types import Probe
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.negatives import Negative
from edgeface.gallery.snapshot import NEVER, Template, day
from edgeface.gallery.thumbnails import Thumbnail
from edgeface.gallery.unknowns import Unknown
from edgeface.journal.journal import Journal
from edgeface.journal.rows import JournalRow
from edgeface.people import retention
from edgeface.recognition.settings import UnknownSettings
from tests.support.embeddings import unit

MODEL = "test-model:01234567"
NOON = 1_800_000_000.0
DAY = 86_400.0


@pytest.fixture(name="gallery")
def _gallery(tmp_path: Path) -> Iterator[Gallery]:
    opened = Gallery.open(tmp_path, MODEL)
    for seed, person in enumerate(("alice", "bob", "carol")):
        opened.enroll(person, person.title(), [Template(unit(seed), MODEL, "photo", NOON)], NOON)
    yield opened
    opened.close()


def keep(gallery: Gallery, wall: float, *, synced: bool = True, days: int = 30, picture_days: int = 30) -> int:
    configuration = Configuration.model_construct(
        cameras={},
        data=gallery.path.parent,
        unknown=UnknownSettings(days=days),
        privacy=Privacy(picture_days=picture_days),
    )
    return retention.expire(gallery, configuration, wall, synced=synced, alike=0.5)


def ids(gallery: Gallery) -> list[str]:
    return [person.id for person in gallery.people()]


def test_who_has_expired_is_erased_from_gallery_journal_and_album(gallery: Gallery, tmp_path: Path) -> None:
    gallery.consent("alice", NOON, day(NOON), day(NOON + DAY))
    gallery.consent("bob", NOON, None, day(NOON + 2 * DAY))
    gallery.store_pictures([Thumbnail("alice", NOON, b"of alice"), Thumbnail("bob", NOON, b"of bob")])
    with closing(Journal(tmp_path / "journal.db")) as journal:
        journal.append(JournalRow("1", "match", NOON, '{"event_type":"match","person":"alice"}'))
        journal.append(JournalRow("2", "match", NOON, '{"event_type":"match","person":"bob"}'))
        assert keep(gallery, NOON) == 0
        assert ids(gallery) == ["alice", "bob", "carol"]
        assert keep(gallery, NOON + DAY) == 1
        assert ids(gallery) == ["bob", "carol"]
        assert gallery.pictures("alice") == []
        assert [data for _, data in gallery.pictures("bob")] == [b"of bob"]
        assert journal.about("alice") == []
        assert len(journal.about("bob")) == 1
        (row,) = [entry.row for entry in journal.rows(kinds=["deleted"])]
        assert (row.at, row.payload) == (NOON + DAY, '{"why":"expired"}')
        assert journal.verify().fault is None
    assert gallery.tag("alice") not in b"".join(file.read_bytes() for file in tmp_path.iterdir())


def test_a_row_that_is_altered_behind_the_back_of_sqlite_is_found(gallery: Gallery) -> None:
    keep(gallery, NOON)
    with closing(sqlite3.connect(gallery.path)) as intruder:
        intruder.execute("DROP TRIGGER version_templates_update")
        intruder.execute("UPDATE templates SET sealed = zeroblob(length(sealed)) WHERE seq = 1")
        intruder.commit()
    with pytest.raises(VaultError, match="altered"):
        keep(gallery, NOON)


def test_a_clock_that_may_be_wrong_erases_nobody_and_matches_nobody_who_has_expired(gallery: Gallery) -> None:
    gallery.consent("alice", NOON, None, day(NOON))
    assert keep(gallery, NOON, synced=False) == 0
    assert ids(gallery) == ["alice", "bob", "carol"]
    assert [person.id for person in gallery.snapshot(NOON).people] == ["bob", "carol"]
    assert [person.id for person in gallery.snapshot(NOON - DAY).people] == ["alice", "bob", "carol"]


def test_the_copies_from_before_an_update_go_after_thirty_days_or_with_the_first_who_expires(
    gallery: Gallery, tmp_path: Path
) -> None:
    copies = tmp_path / BEFORE_UPDATE
    copies.mkdir()
    copy = copies / "gallery.db"
    copy.write_bytes(b"as it was")
    os.utime(copy, (NOON, NOON))
    keep(gallery, NOON + 31 * DAY, synced=False)
    keep(gallery, NOON + 30 * DAY)
    assert copy.exists()
    keep(gallery, NOON + 31 * DAY)
    assert not copies.exists()
    copies.mkdir()
    copy.write_bytes(b"as it was")
    gallery.consent("alice", NOON, day(NOON), day(NOON + DAY))
    assert keep(gallery, NOON + 2 * DAY) == 1
    assert not copies.exists()


def test_unknowns_of_every_model_and_pictures_go_by_their_age(gallery: Gallery) -> None:
    old, new = (
        Unknown(name, unit(seed), (unit(seed),), 2, 1, last, last, "porch")
        for name, seed, last in (("u-0001", 7, NOON - 31 * DAY), ("u-0002", 8, NOON - 29 * DAY))
    )
    gallery.store_unknowns([old, new])
    with closing(Gallery.open(gallery.path.parent, "another:89abcdef")) as other:
        other.store_unknowns([Unknown("u-0003", unit(9), (unit(9),), 2, 1, 0.0, NOON - 40 * DAY, "porch")])
    taken = [("alice", 6.0), ("alice", 1.0), ("bob", 6.0), ("u-0001", 1.0), ("u-0002", 1.0)]
    gallery.store_pictures([Thumbnail(who, NOON - days * DAY, f"{who} {days}".encode()) for who, days in taken])
    keep(gallery, NOON, synced=False, picture_days=5)
    assert len(gallery.unknowns()) == 2
    keep(gallery, NOON, synced=True, picture_days=5)
    assert [unknown.id for unknown in gallery.unknowns()] == ["u-0002"]
    with closing(Gallery.open(gallery.path.parent, "another:89abcdef")) as other:
        assert other.unknowns() == []
    left = {who: [data for _, data in gallery.pictures(who)] for who, _ in taken}
    assert left == {"alice": [b"alice 1.0"], "bob": [], "u-0001": [], "u-0002": [b"u-0002 1.0"]}


def test_probes_and_negative_templates_go_by_their_age(gallery: Gallery) -> None:
    days = {"E1": 8, "E2": 6, "E3": 366, "E4": 364}
    gallery.store_probes(Probe(one, "porch", NOON - days[one] * DAY, "alice", None, unit(7)) for one in ("E1", "E2"))
    for one in ("E3", "E4"):
        gallery.deny("alice", Negative(one, "porch", NOON - days[one] * DAY, unit(7)))
    gallery.snapshot()
    keep(gallery, NOON, synced=False)
    assert [one.event for one in gallery.negatives("alice")] == ["E3", "E4"]
    keep(gallery, NOON)
    assert [one.event for one in gallery.negatives("alice")] == ["E4"]
    assert [gallery.probe(one) is None for one in ("E1", "E2")] == [True, False]
    assert gallery.changed()


def test_what_corrections_keep_of_someone_expired_goes_with_them(gallery: Gallery) -> None:
    gallery.store_probes([Probe("E1", "porch", NOON, "alice", None, unit(7))])
    gallery.deny("alice", Negative("E1", "porch", NOON, unit(7)))
    gallery.deny("bob", Negative("E2", "porch", NOON, unit(0)))
    gallery.consent("alice", NOON, None, day(NOON))
    assert keep(gallery, NOON) == 1
    assert (gallery.probe("E1"), gallery.negatives("alice"), gallery.negatives("bob")) == (None, [], [])


def test_the_unknowns_who_look_like_somebody_expired_go_with_them(gallery: Gallery, tmp_path: Path) -> None:
    gallery.store_unknowns([Unknown("u-0001", unit(0), (unit(0),), 2, 1, NOON, NOON, "porch")])
    gallery.consent("alice", NOON, None, day(NOON))
    with closing(Journal(tmp_path / "journal.db")) as journal:
        journal.append(JournalRow("1", "unknown", NOON, '{"event_type":"unknown","unknown":"u-0001"}'))
        assert keep(gallery, NOON) == 1
        assert gallery.unknowns() == []
        assert journal.about("u-0001") == []


def test_an_erasure_is_written_down_also_when_a_reader_keeps_the_bytes(gallery: Gallery, tmp_path: Path) -> None:
    gallery.consent("alice", NOON, None, day(NOON))
    gallery._db.execute("PRAGMA busy_timeout = 50")
    reader = sqlite3.connect(gallery.path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM people").fetchall()
    with pytest.raises(GalleryError, match=r"leave traces|locked"):
        keep(gallery, NOON)
    reader.close()
    assert ids(gallery) == ["bob", "carol"]
    with closing(Journal(tmp_path / "journal.db")) as journal:
        assert [entry.row.payload for entry in journal.rows(kinds=["deleted"])] == ['{"why":"expired"}']


def test_consent_is_noted_changed_and_taken_back(gallery: Gallery) -> None:
    change = gallery.consent("alice", 5.0, "2026-11-22", "2027-11-22")
    assert (change.kind, change.facts) == (
        "consent",
        {"person": "alice", "given": "2026-11-22", "expires": "2027-11-22"},
    )
    gallery.enroll("alice", "Alice B.", [Template(unit(5), MODEL, "photo", NOON)], NOON)
    alice = gallery.person("alice")
    assert (alice.consent, alice.expires, alice.name) == ("2026-11-22", "2027-11-22", "Alice B.")
    gallery.consent("alice", 6.0, expires=NEVER)
    assert (gallery.person("alice").consent, gallery.person("alice").expires) == ("2026-11-22", None)


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-02-30", "20261122", "2026-1-2", "2026-W47-7", "22.11.2026", "x\x1b"]
)
def test_a_day_that_is_none_is_refused(gallery: Gallery, text: str) -> None:
    with pytest.raises(GalleryError, match="not a day"):
        gallery.consent("alice", 5.0, text)
    with pytest.raises(GalleryError, match="not a day"):
        gallery.consent("alice", 5.0, None, text)
    assert gallery.person("alice").consent is None


def test_consent_cannot_be_over_before_it_is_given(gallery: Gallery) -> None:
    with pytest.raises(GalleryError, match="alice: consent of 2026-11-22 cannot end on 2026-11-22"):
        gallery.consent("alice", 5.0, "2026-11-22", "2026-11-22")
    with pytest.raises(GalleryError, match="no one is enrolled"):
        gallery.consent("dave", 5.0, "2026-11-22")
