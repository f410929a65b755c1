"""Visits: the fold of rows, and the reader that finds them in a large journal."""

from __future__ import annotations

import random
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from edgeface.journal import removal
from edgeface.journal.journal import Journal
from edgeface.journal.rows import JournalRow, StoredRow
from edgeface.journal.visit_reader import VisitReader, announced_after, announced_before
from edgeface.journal.visits import LONGEST, DoorUse, FoldedVisits, fold
from tests.support.visits import announced, left, noted, visit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

NOON = 1_764_504_000.0
"""2025-11-30T12:00:00Z"""
DAY = 86_400.0
MIDNIGHT = NOON - DAY / 2
LATER = NOON + 3 * DAY


def stored(rows: Iterable[JournalRow], **state: bool) -> list[StoredRow]:
    """Rows as the journal gives them, in this order."""
    flags = {"published": True, "redacted": False, "altered": False, **state}
    return [StoredRow(seq, row, link="", **flags) for seq, row in enumerate(rows, 1)]


def folded(*rows: JournalRow, now: float = LATER, **more: dict[str, str]) -> FoldedVisits:
    return fold(stored(rows), now, **more)


def test_a_visit_has_its_first_and_last_time_its_person_and_its_camera() -> None:
    (one,) = folded(*visit(NOON, 7, 20.0, person="alice")).visits
    assert (one.first_seen, one.last_seen, one.over) == (NOON, NOON + 20.0, True)
    assert (one.kind, one.person, one.name, one.unknown, one.camera) == ("match", "alice", "Alice", None, "porch")
    assert (one.score, one.corrected, one.doors, one.who) == (0.7, False, (), "alice")


def test_the_last_announcement_of_a_visit_says_who_it_was() -> None:
    rows = [announced(NOON, 1, "unknown", unknown="u-aaaa"), announced(NOON + 3, 1, person="alice")]
    (one,) = folded(*rows).visits
    assert (one.kind, one.person, one.unknown, one.event) == ("match", "alice", None, rows[1].id)
    assert one.first_seen == NOON


def test_another_face_on_a_track_is_another_visit() -> None:
    rows = [
        announced(NOON, 1, person="alice"),
        noted("opened", NOON + 1, door="front", person="alice", grant_seq=1),
        announced(NOON + 4, 1, "unknown", unknown="u-aaaa"),
        announced(NOON + 6, 1, person="bob"),
        announced(NOON + 8, 1, person="carol"),
        left(NOON + 30, 1, 25.0, person="carol"),
    ]
    carol, bob, alice = folded(*rows, now=NOON + 40).visits
    assert [one.who for one in (carol, bob, alice)] == ["carol", "bob", "alice"], "the stranger turned out to be bob"
    assert [(one.first_seen, one.last_seen) for one in (alice, bob)] == [(NOON, NOON + 4), (NOON + 4, NOON + 8)]
    assert (carol.first_seen, carol.last_seen, carol.over) == (NOON + 8, NOON + 25, True)
    assert [len(one.doors) for one in (alice, bob, carol)] == [1, 0, 0]
    two = [announced(NOON, 1, "unknown", unknown="u-aaaa"), announced(NOON + 4, 1, "unknown", unknown="u-bbbb")]
    assert [one.who for one in folded(*two).visits] == ["u-bbbb", "u-aaaa"]
    # The same stranger, who has an id now; and a picture that is held up after the person.
    assert len(folded(announced(NOON, 1, "unknown"), two[1]).visits) == 1
    assert len(folded(rows[0], announced(NOON + 4, 1, "spoof", reason="challenge")).visits) == 1


def test_visits_are_told_apart_by_boot_camera_and_track() -> None:
    rows = [
        announced(NOON, 1, person="alice"),
        announced(NOON + 1, 2, person="alice"),
        announced(NOON + 2, 1, person="alice", camera="yard"),
        announced(NOON + 3, 1, person="alice", boot="b2"),
    ]
    assert [one.first_seen for one in folded(*rows).visits] == [NOON + 3, NOON + 2, NOON + 1, NOON]


@pytest.mark.parametrize("seed", range(20))
def test_any_order_of_the_rows_gives_the_same_visits(seed: int) -> None:
    rows = stored(
        [
            *visit(NOON, 1, person="alice"),
            *visit(NOON + 5, 2, unknown="u-aaaa"),
            noted("granted", NOON + 1, door="front", person="alice", visit=1, grant_seq=1),
            noted("opened", NOON + 2, door="front", person="alice", grant_seq=1),
            *visit(NOON + 60, 3, unknown="u-bbbb"),
            noted("merged", NOON + 90, unknown="u-aaaa", merged="u-bbbb"),
            noted("enrolled", NOON + 99, person="bob", unknown="u-aaaa"),
            announced(NOON + 120, 4, "uncertain", reason="two_people"),
            noted("started", NOON + 200),
        ]
    )
    expected = fold(rows, LATER)
    mixed = rows[:]
    random.Random(seed).shuffle(mixed)
    assert fold(mixed, LATER) == expected
    assert [one.who for one in expected.visits] == ["", "bob", "bob", "alice"]


def test_what_the_window_cuts_off_leaves_out_a_visit_and_never_raises() -> None:
    rows = stored([*visit(NOON, 1, person="alice"), announced(NOON + 1, 2), *visit(NOON + 2, 3, unknown="u-aaaa")])
    for start in range(len(rows) + 1):
        for end in range(start, len(rows) + 1):
            for one in fold(rows[start:end], LATER).visits:
                assert one.first_seen <= one.last_seen
                assert one.seq in {row.seq for row in rows[start:end]}
    assert fold(rows[1:2], LATER).visits == ()


def test_a_visit_goes_on_until_the_face_has_left_the_daemon_has_ended_or_the_row_was_lost() -> None:
    begun = announced(NOON, 1, person="alice")
    assert not folded(begun, now=NOON + 60).visits[0].over
    assert folded(begun, left(NOON + 30, 1, 25.0), now=NOON + 60).visits[0].over
    assert folded(begun, noted("stopped", NOON + 30), now=NOON + 60).visits[0].over
    assert folded(begun, noted("started", NOON + 30), now=NOON + 60).visits[0].over
    assert not folded(noted("started", NOON - 30), begun, now=NOON + 60).visits[0].over
    assert folded(begun, now=NOON + LONGEST + 1).visits[0].over


def test_corrections_say_who_it_was() -> None:
    event = announced(NOON, 1, person="alice")
    (denied,) = folded(event, noted("corrected", NOON + 60, person="alice", event=event.id)).visits
    assert (denied.person, denied.name, denied.kind, denied.corrected) == (None, None, "unknown", True)
    (other,) = folded(
        event,
        noted("corrected", NOON + 60, person="alice", event=event.id),
        noted("enrolled", NOON + 60, person="bob", event=event.id),
    ).visits
    assert (other.person, other.kind, other.corrected) == ("bob", "match", True)
    (again,) = folded(
        event,
        noted("corrected", NOON + 60, 1, person="alice", event=event.id),
        noted("restored", NOON + 90, person="alice", event=event.id),
    ).visits
    assert (again.person, again.corrected) == ("alice", False)
    stranger = announced(NOON, 1, "unknown", unknown="u-aaaa")
    (named,) = folded(stranger, noted("enrolled", NOON + 60, person="bob", event=stranger.id)).visits
    assert (named.person, named.unknown) == ("bob", None)
    # A correction of another event.
    assert folded(event, noted("corrected", NOON, person="alice", event="other")).visits[0].person == "alice"


def test_an_unknown_has_the_id_or_the_person_that_it_is_now() -> None:
    seen = announced(NOON, 1, "unknown", unknown="u-cccc")
    merged = noted("merged", NOON + 1, 1, unknown="u-bbbb", merged="u-cccc")
    again = noted("merged", NOON + 2, 2, unknown="u-aaaa", merged="u-bbbb")
    assert folded(seen, merged, again).visits[0].unknown == "u-aaaa"
    (one,) = folded(seen, merged, again, noted("enrolled", NOON + 3, person="bob", unknown="u-aaaa")).visits
    assert (one.person, one.unknown, one.kind) == ("bob", None, "match")
    # A circle, which edgeface does not write.
    loop = noted("merged", NOON + 4, 3, unknown="u-cccc", merged="u-aaaa")
    assert folded(seen, merged, again, loop).visits[0].unknown in {"u-aaaa", "u-bbbb", "u-cccc"}


def test_a_visit_has_what_the_doors_did_to_its_person() -> None:
    rows = [
        announced(NOON, 1, person="alice"),
        announced(NOON, 2, person="bob"),
        noted("granted", NOON + 1, door="front", person="alice", visit=1, grant_seq=1),
        noted("opened", NOON + 2, door="front", person="alice", grant_seq=1),
        noted("refused", NOON + 2, door="shed", person="bob", reason="schedule"),
        noted("granted", NOON + 3, door="garage", person="alice", visit=1, grant_seq=2),
        noted("opened", NOON + 900, door="front", person="alice", grant_seq=9),
        noted("opened", NOON + 4, door="front", person=None, grant_seq=None),
        left(NOON + 20, 1, 18.0, person="alice"),
    ]
    alice, bob = sorted(folded(*rows).visits, key=lambda one: one.who)
    assert alice.doors == (DoorUse("front", "opened", None), DoorUse("garage", "granted", None))
    assert bob.doors == (DoorUse("shed", "refused", "schedule"),)
    # A door has one camera: the same person at another one did not open it.
    (yard,) = fold(stored([announced(NOON, 1, person="alice"), rows[3]]), LATER, {"front": "yard"}).visits
    assert yard.doors == ()


def test_redacted_and_altered_rows_are_counted_and_not_shown() -> None:
    rows = list(visit(NOON, 1, person="alice"))
    empty = [JournalRow(row.id, row.kind, row.at, "{}") for row in rows]
    assert fold(stored(empty, redacted=True), LATER) == FoldedVisits((), 1, 0)
    assert fold(stored(empty, altered=True), LATER) == FoldedVisits((), 0, 2)


HOSTILE = ("[]", "1", "null", '{"track": []}', '{"boot": 1, "camera": {}, "person": ["a"], "score": "x"}')


@pytest.mark.parametrize("payload", HOSTILE)
def test_a_payload_of_another_form_is_no_error(payload: str) -> None:
    rows = [JournalRow(f"{n}", kind, NOON, payload) for n, kind in enumerate(("match", "left", "opened", "merged"))]
    found = fold(stored(rows), LATER)
    assert [one.who for one in found.visits] == [""]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal.db")) as made:
        yield made


def write(journal: Journal, rows: Iterable[JournalRow]) -> None:
    assert journal.write(rows, ())


def test_a_day_is_found_between_its_midnights_and_a_visit_belongs_to_the_day_it_began(journal: Journal) -> None:
    write(journal, visit(MIDNIGHT - 100, 1, person="alice"))
    write(journal, [announced(MIDNIGHT - 10, 2, "unknown", unknown="u-aaaa")])
    write(journal, [announced(MIDNIGHT + 10, 2, person="bob"), left(MIDNIGHT + 30, 2, 38.0, person="bob")])
    write(journal, visit(NOON, 3, person="carol"))
    write(journal, visit(MIDNIGHT + DAY - 5, 4, 60.0, person="dora"))
    reader = VisitReader()
    today = reader.between(journal, MIDNIGHT, MIDNIGHT + DAY, LATER)
    assert [(one.who, one.last_seen) for one in today.visits] == [
        ("dora", MIDNIGHT + DAY + 55),
        ("carol", NOON + 20),
    ]
    before = reader.between(journal, MIDNIGHT - DAY, MIDNIGHT, LATER)
    assert [one.who for one in before.visits] == ["bob", "alice"]
    assert announced_before(journal, MIDNIGHT) == MIDNIGHT - 10
    assert announced_before(journal, MIDNIGHT - 100) is None
    assert announced_after(journal, MIDNIGHT) == MIDNIGHT + 10
    assert announced_after(journal, MIDNIGHT + DAY) is None


def test_corrections_and_merges_of_later_days_count(journal: Journal) -> None:
    event = announced(NOON, 1, person="alice")
    write(journal, [event, *visit(NOON + 60, 2, unknown="u-bbbb")])
    reader = VisitReader()
    assert {one.who for one in reader.between(journal, MIDNIGHT, MIDNIGHT + DAY, LATER).visits} == {"alice", "u-bbbb"}
    write(journal, [*visit(NOON + 5 * DAY, 3, person="alice")])
    write(
        journal,
        [
            noted("enrolled", NOON + 6 * DAY, person="carol", event=event.id),
            noted("enrolled", NOON + 7 * DAY, 1, person="bob", unknown="u-bbbb"),
        ],
    )
    found = reader.between(journal, MIDNIGHT, MIDNIGHT + DAY, NOON + 8 * DAY)
    assert {one.who for one in found.visits} == {"carol", "bob"}


def test_the_visits_of_someone_are_found_under_all_their_ids_page_by_page(journal: Journal) -> None:
    write(journal, visit(NOON, 1, unknown="u-bbbb"))
    write(journal, visit(NOON + 60, 2, unknown="u-aaaa"))
    write(journal, [noted("merged", NOON + 90, unknown="u-aaaa", merged="u-bbbb")])
    write(journal, [noted("enrolled", NOON + 99, person="bob", unknown="u-aaaa")])
    event = announced(NOON + 100, 3, person="alice")
    write(journal, [event, noted("enrolled", NOON + 120, 1, person="bob", event=event.id)])
    wrong = announced(NOON + 200, 4, person="bob")
    write(journal, [wrong, noted("corrected", NOON + 220, person="bob", event=wrong.id)])
    reader = VisitReader()
    assert [one.first_seen for one in reader.about(journal, ["bob"], LATER).visits] == [NOON + 100, NOON + 60, NOON]
    assert reader.about(journal, ["alice"], LATER).visits == ()
    assert reader.about(journal, ["nobody-known"], LATER) == ((), None)
    write(journal, [row for n in range(700) for row in visit(NOON + DAY + 60 * n, 100 + n, person="bob")])
    pages, before = [], None
    while True:
        page = reader.about(journal, ["bob"], LATER, before=before)
        pages.append(page.visits)
        before = page.older
        if before is None:
            break
    shown = [one for visits in pages for one in visits]
    assert len(pages) == 3
    assert [one.first_seen for one in shown] == sorted({one.first_seen for one in shown}, reverse=True)
    assert len(shown) == 703
    assert all(one.over and one.last_seen - one.first_seen in {0.0, 20.0} for one in shown)


def test_the_visit_of_someone_is_over_when_another_face_or_a_restart_has_ended_it(journal: Journal) -> None:
    reader = VisitReader()
    write(journal, [announced(NOON, 1, person="alice")])
    assert [one.over for one in reader.about(journal, ["alice"], NOON + 60).visits] == [False]
    write(journal, [announced(NOON + 5, 1, "unknown", unknown="u-aaaa"), left(NOON + 9, 1, 7.0, unknown="u-aaaa")])
    (one,) = reader.about(journal, ["alice"], NOON + 60).visits
    assert (one.over, one.last_seen) == (True, NOON + 5)
    write(journal, [announced(NOON + 20, 2, person="bob"), noted("started", NOON + 30)])
    assert [one.over for one in reader.about(journal, ["bob"], NOON + 60).visits] == [True]


def test_all_visits_are_read_day_by_day_also_over_empty_weeks(journal: Journal) -> None:
    times = [NOON, NOON + 60, NOON + 30 * DAY, NOON + 31 * DAY, NOON + 31 * DAY + 10]
    write(journal, [row for n, at in enumerate(times) for row in visit(at, n, person="alice")])
    end = NOON + 40 * DAY
    found = [one.first_seen for one in VisitReader().before(journal, end, 0.0, end)]
    assert found == sorted(times, reverse=True)
    some = [one.first_seen for one in VisitReader().before(journal, NOON + 31 * DAY + 10, NOON + 60, end)]
    assert some == [NOON + 31 * DAY, NOON + 30 * DAY, NOON + 60]


def test_who_is_forgotten_is_in_no_visit_and_neither_is_who_they_were_before(journal: Journal, tmp_path: Path) -> None:
    write(journal, visit(NOON, 1, unknown="u-aaaa"))
    write(journal, [noted("enrolled", NOON + 60, person="bob", unknown="u-aaaa"), *visit(NOON + 90, 2, person="bob")])
    write(journal, visit(NOON + 120, 3, person="alice"))
    reader, path = VisitReader(), tmp_path / "journal.db"
    assert len(reader.between(journal, MIDNIGHT, MIDNIGHT + DAY, LATER).visits) == 3
    assert removal.aliases(path, ["bob"]) == {"u-aaaa"}
    removal.redact(path, "bob", *removal.aliases(path, ["bob"]))
    found = reader.between(journal, MIDNIGHT, MIDNIGHT + DAY, LATER)
    assert [one.who for one in found.visits] == ["alice"]
    assert found.erased == 2
    assert reader.about(journal, ["bob"], LATER).visits == ()


def test_an_altered_row_is_counted_on_its_day(journal: Journal, tmp_path: Path) -> None:
    write(journal, [*visit(NOON, 1, person="alice"), *visit(NOON + DAY, 2, person="bob")])
    with closing(sqlite3.connect(tmp_path / "journal.db")) as other, other:
        other.execute("UPDATE rows SET payload = x'00' WHERE seq = 1")
    found = VisitReader().between(journal, MIDNIGHT, MIDNIGHT + DAY, LATER)
    assert (found.visits, found.altered) == ((), 1)
    assert VisitReader().between(journal, MIDNIGHT + DAY, MIDNIGHT + 2 * DAY, LATER).altered == 0


def test_rows_of_a_clock_that_was_not_set_do_not_hide_a_day(journal: Journal) -> None:
    for day in range(40):
        write(journal, [row for n in range(20) for row in visit(NOON + day * DAY + n, day * 100 + n, person="alice")])
        # The clock starts in 2000 after each power cut.
        write(journal, [announced(946_684_800.0 + n, 9_000 + n, boot=f"b{day}", person="bob") for n in range(30)])
    reader, end = VisitReader(), NOON + 41 * DAY
    for day in range(40):
        found = reader.between(journal, MIDNIGHT + day * DAY, MIDNIGHT + (day + 1) * DAY, end)
        assert len(found.visits) == 20, day
        assert announced_before(journal, MIDNIGHT + (day + 1) * DAY) == NOON + day * DAY + 19
        assert announced_after(journal, MIDNIGHT + day * DAY) == NOON + day * DAY
    assert sum(one.person == "alice" for one in reader.before(journal, end, 0.0, end)) == 800


def test_a_journal_that_was_set_aside_is_read_from_its_start(tmp_path: Path) -> None:
    reader, path = VisitReader(), tmp_path / "journal.db"
    with closing(Journal(path)) as journal:
        write(journal, [row for n in range(20) for row in visit(NOON + n, n, person="alice")])
        assert len(reader.between(journal, MIDNIGHT, MIDNIGHT + DAY, LATER).visits) == 20
    path.rename(tmp_path / "aside.db")
    with closing(Journal(path)) as journal:
        event = announced(NOON, 1, person="alice")
        write(journal, [event, noted("corrected", NOON + 2 * DAY, person="alice", event=event.id)])
        (one,) = reader.between(journal, MIDNIGHT, MIDNIGHT + DAY, LATER).visits
        assert one.corrected


def test_a_journal_that_cannot_be_read_has_no_visits(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    write(journal, visit(NOON, 1, person="alice"))
    journal.close()
    assert VisitReader().between(journal, MIDNIGHT, MIDNIGHT + DAY, LATER) == FoldedVisits((), 0, 0)
    assert VisitReader().about(journal, ["alice"], LATER) == ((), None)
    assert list(VisitReader().before(journal, LATER, 0.0, LATER)) == []


@pytest.mark.slow(seconds=40)
def test_a_day_of_500_visits_among_100_000_rows_is_read_without_the_others(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "journal.db")) as journal:
        days = 100
        for day in range(days):
            rows = [
                row for n in range(500) for row in visit(NOON + day * DAY + 20 * n, day * 500 + n, person=f"p{n % 40}")
            ]
            write(journal, rows)
        end = NOON + days * DAY
        reader, read = VisitReader(), 0
        reader.between(journal, end, end + 1, end)  # the first call looks at the kind of every row
        plain = journal.rows

        def counted(**chosen: object) -> list[StoredRow]:
            nonlocal read
            found = plain(**chosen)  # type: ignore[arg-type]
            read += len(found)
            return found

        journal.rows = counted  # type: ignore[method-assign]
        took = []
        for day in (0, 50, 99):
            began = time.perf_counter()
            found = reader.between(journal, MIDNIGHT + day * DAY, MIDNIGHT + (day + 1) * DAY, end)
            took.append(time.perf_counter() - began)
            assert len(found.visits) == 500
        assert read <= 3 * 2_500
        # 0.1 s on an idle x86-64 core; the machine may be busy with other tests.
        assert min(took) < 1.0
