from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from edgeface.access.policy import AllowRule, unguaranteed
from edgeface.cameras.replay import ReplayCamera
from edgeface.config import loader
from edgeface.config.configuration import Configuration, Privacy
from edgeface.core.clock import SystemClock
from edgeface.core.errors import GalleryError, VaultError
from edgeface.core.types import Embedding
from edgeface.daemon.daemon import Daemon
from edgeface.daemon.session import RecognitionSession
from edgeface.daemon.snapshot_reader import LARGE
from edgeface.faces.embedder import embedder_name
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import Template
from edgeface.gallery.unknowns import Unknown
from edgeface.recognition.settings import Recognition
from tests.support.connections import Connections
from tests.support.disks import full_disk
from tests.support.doors import SHORT, ship

NOON = 1_800_000_000.0


def spoil(folder: Path, person: str) -> None:
    """Alters the rows of all people, and has one read again."""
    with closing(Gallery.open(folder, embedder_name())) as gallery:
        gallery._db.execute("UPDATE templates SET sealed = zeroblob(length(sealed))")
        gallery.rename(person, "Altered", NOON)


@pytest.fixture(name="altered")
def _altered(tmp_path: Path) -> Configuration:
    """A configuration whose gallery opens, with a row that does not."""
    with closing(Gallery.open(tmp_path, embedder_name())) as gallery:
        gallery.enroll(
            "alice", "Alice", [Template(np.eye(192, dtype=np.float32)[0], gallery.model, "photo", 5.0)], 100.0
        )
    spoil(tmp_path, "alice")
    return Configuration(data=tmp_path, cameras={"porch": ReplayCamera(type="replay", path=Path("clip.mp4"))})


def test_a_session_that_cannot_be_opened_closes_the_gallery(altered: Configuration, connections: Connections) -> None:
    with connections.all_closed(), pytest.raises(VaultError, match="altered"):
        RecognitionSession(altered, "boot", 1e9)


def test_a_daemon_that_cannot_start_closes_the_journal_and_the_gallery(
    altered: Configuration, connections: Connections
) -> None:
    with connections.all_closed(), pytest.raises(VaultError, match="altered"):
        Daemon(altered).run()


def face(seed: int) -> Embedding:
    vector = np.random.default_rng(seed).standard_normal(192).astype(np.float32)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def test_people_are_matched_at_a_laxer_level_while_theirs_cannot_be_guaranteed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = ship(SHORT, monkeypatch)
    most = table.most("high")
    configuration = Configuration.model_construct(cameras={}, data=tmp_path, recognition=Recognition(level="high"))
    with closing(Gallery.open(tmp_path, embedder_name())) as gallery:
        for seed in range(most):
            gallery.enroll(f"person-{seed}", None, [Template(face(seed), gallery.model, "photo", NOON)], NOON)
        with closing(RecognitionSession(configuration, "boot", NOON, synced=lambda: True)) as session:
            assert not session.problems
            assert session.pipeline._limits.thresholds.level == "high"
            gallery.enroll("one-more", None, [Template(face(most), gallery.model, "photo", NOON)], NOON)
            session.refresh(configuration, NOON)
            why = f"level 'high' cannot be guaranteed for {most + 1} people, only for {most}"
            assert session.problems == (f"{why}: people are matched at level 'normal'",)
            accept = session.pipeline._limits.thresholds
            assert (accept.level, accept.accept) == ("normal", table.threshold("normal", most + 1))


def test_unknowns_stay_while_the_clock_may_be_wrong(tmp_path: Path) -> None:
    configuration = Configuration.model_construct(cameras={}, data=tmp_path, privacy=Privacy())
    old = NOON - (configuration.unknown.days + 1) * 86_400
    with closing(Gallery.open(tmp_path, embedder_name())) as gallery:
        gallery.store_unknowns([Unknown("u-7f3a", face(1), (face(1),), 2, 1, old, old, "porch")])
    right = [False]
    with closing(RecognitionSession(configuration, "boot", NOON, synced=lambda: right[0])) as session:
        session.refresh(configuration, NOON)
        assert session.unknowns == {"u-7f3a"}
        right[0] = True
        session.refresh(configuration, NOON)
        assert session.unknowns == frozenset()


def seen_by(session: RecognitionSession, seed: int, wall: float = NOON) -> str:
    given = session._unknowns.see([face(seed)] * 2, wall, "porch")
    assert given is not None
    return given


def test_a_merge_and_an_enrollment_by_another_program_are_taken_up(tmp_path: Path) -> None:
    configuration = Configuration.model_construct(cameras={}, data=tmp_path, privacy=Privacy())
    with closing(RecognitionSession(configuration, "boot", NOON, synced=lambda: True)) as session:
        one, other, third = (seen_by(session, seed, NOON + seed) for seed in (1, 2, 3))
        session.refresh(configuration, NOON + 5)
        assert session.stored()
        with closing(Gallery.open(tmp_path, embedder_name())) as gallery:
            gallery.merge_unknowns(one, other, NOON + 6)
            gallery.enroll(
                "carol", "Carol", [Template(face(3), gallery.model, "unknown", NOON)], NOON + 7, unknown=third
            )
        session.refresh(configuration, NOON + 8)
        assert session.unknowns == {one}
        assert session._unknowns._facts[one].merged == (other,)
        session.refresh(configuration, NOON + 9)
        assert session.stored()
        with closing(Gallery.open(tmp_path, embedder_name())) as gallery:
            assert [(kept.id, kept.sightings) for kept in gallery.unknowns()] == [(one, 2)]


def refreshed(session: RecognitionSession, configuration: Configuration, until: Callable[[], bool]) -> None:
    """Refresh as the vision thread does until this is so; another thread may read the gallery."""
    clock = SystemClock()
    end = clock.monotonic() + 10
    while not until():
        assert clock.monotonic() < end, "not taken up"
        session.refresh(configuration, NOON + 5)
        clock.sleep(0.01)


def crowd(gallery: Gallery, count: int) -> None:
    with gallery.transaction():
        for seed in range(10, 10 + count):
            gallery.enroll(f"p-{seed}", None, [Template(face(seed), gallery.model, "photo", NOON)], NOON)


@pytest.mark.parametrize("count", [3, LARGE], ids=["small", "large"])
def test_unknowns_that_another_program_removes_and_merges_are_taken_up_although_no_person_changes(
    tmp_path: Path, count: int
) -> None:
    configuration = Configuration.model_construct(cameras={}, data=tmp_path, privacy=Privacy())
    with closing(Gallery.open(tmp_path, embedder_name())) as gallery:
        crowd(gallery, count)
        with closing(RecognitionSession(configuration, "boot", NOON, synced=lambda: True)) as session:
            one, other, third = (seen_by(session, seed, NOON + seed) for seed in (1, 2, 3))
            session.refresh(configuration, NOON + 4)
            assert session.stored()
            view = session.pipeline.gallery
            gallery.remove([third])
            refreshed(session, configuration, lambda: third not in session.unknowns)
            gallery.merge_unknowns(one, other, NOON + 6)
            refreshed(session, configuration, lambda: other not in session.unknowns)
            assert session.unknowns == {one}
            assert session.pipeline.gallery is view


def test_while_nothing_changes_in_a_large_gallery_the_file_is_not_touched(tmp_path: Path) -> None:
    configuration = Configuration.model_construct(cameras={}, data=tmp_path, privacy=Privacy())
    with closing(Gallery.open(tmp_path, embedder_name())) as gallery:
        crowd(gallery, LARGE)
    with closing(RecognitionSession(configuration, "boot", NOON, synced=lambda: True)) as session:
        read: list[str] = []
        session._gallery._db.set_trace_callback(read.append)
        for _ in range(20):
            session.refresh(configuration, NOON)
            SystemClock().sleep(0.01)
        assert read == []


@pytest.mark.parametrize("count", [1, LARGE], ids=["small", "large"])
def test_an_unknown_that_was_removed_goes_although_the_row_of_a_person_was_altered(tmp_path: Path, count: int) -> None:
    configuration = Configuration.model_construct(cameras={}, data=tmp_path, privacy=Privacy())
    with closing(Gallery.open(tmp_path, embedder_name())) as gallery:
        crowd(gallery, count)
        with closing(RecognitionSession(configuration, "boot", NOON, synced=lambda: True)) as session:
            gone = seen_by(session, 2)
            session.refresh(configuration, NOON)
            assert session.stored()
            spoil(tmp_path, "p-10")
            gallery.remove([gone])
            with pytest.raises(GalleryError, match="altered"):
                refreshed(session, configuration, lambda: False)
            assert session.unknowns == frozenset()


def test_a_person_who_was_erased_goes_although_the_row_of_an_unknown_was_altered(tmp_path: Path) -> None:
    configuration = Configuration.model_construct(cameras={}, data=tmp_path, privacy=Privacy())
    with closing(Gallery.open(tmp_path, embedder_name())) as gallery:
        for who, seed in (("alice", 4), ("bob", 5)):
            gallery.enroll(who, None, [Template(face(seed), gallery.model, "photo", NOON)], NOON)
        with closing(RecognitionSession(configuration, "boot", NOON, synced=lambda: True)) as session:
            one, other = (seen_by(session, seed, NOON + seed) for seed in (1, 2))
            session.refresh(configuration, NOON)
            assert session.stored()
            gallery.merge_unknowns(one, other, NOON)
            gallery.remove(["alice"])
            gallery._db.execute("UPDATE unknowns SET sealed = zeroblob(length(sealed))")
            for _ in range(3):
                with pytest.raises(GalleryError, match="altered"):
                    session.refresh(configuration, NOON)
                assert session.people == {"bob"}


def test_an_unknown_that_is_learnt_of_by_a_merge_is_missed_when_it_is_removed(tmp_path: Path) -> None:
    configuration = Configuration.model_construct(cameras={}, data=tmp_path, privacy=Privacy())
    with (
        closing(Gallery.open(tmp_path, embedder_name())) as gallery,
        closing(RecognitionSession(configuration, "boot", NOON, synced=lambda: True)) as session,
    ):
        seen = [Unknown(f"u-000{n}", face(n), (face(n),), 2, 1, NOON + n, NOON + n, "porch") for n in (1, 2)]
        gallery.store_unknowns(seen)
        gallery.merge_unknowns("u-0001", "u-0002", NOON)
        session.refresh(configuration, NOON)
        assert session.unknowns == {"u-0001"}
        gallery.remove(["u-0001"])
        session.refresh(configuration, NOON)
        assert session.unknowns == frozenset()


def test_a_stricter_level_holds_although_the_gallery_cannot_be_read(
    guarded: RecognitionSession, tmp_path: Path
) -> None:
    lax, strict = (
        configured(tmp_path).model_copy(update={"recognition": Recognition(level=level)}) for level in ("low", "normal")
    )
    guarded.refresh(lax, NOON)
    before = guarded.pipeline._limits.thresholds.accept
    spoil(tmp_path, "p0")
    with pytest.raises(GalleryError, match="altered"):
        guarded.refresh(strict, NOON)
    assert guarded.pipeline._limits.thresholds.accept > before
    assert guarded.thresholds["porch"].level == "normal"


def test_who_is_not_stored_yet_is_not_taken_for_removed(tmp_path: Path) -> None:
    configuration = Configuration.model_construct(cameras={}, data=tmp_path, privacy=Privacy())
    with closing(RecognitionSession(configuration, "boot", NOON, synced=lambda: True)) as session:
        with closing(Gallery.open(tmp_path, embedder_name())) as gallery, gallery.transaction():
            waiting = seen_by(session, 1)
            session.refresh(configuration, NOON + 1)
            # The other program has the lock until it has enrolled someone, so nothing is stored yet.
            assert not session.stored(0.1)
            gallery.enroll("dave", "Dave", [Template(face(4), gallery.model, "photo", NOON)], NOON)
            later = seen_by(session, 2)
        session.refresh(configuration, NOON + 2)
        assert session.unknowns == {waiting, later}
        assert session.stored()
        session.refresh(configuration, NOON + 3)
        assert session.stored()
        with closing(Gallery.open(tmp_path, embedder_name())) as gallery:
            assert {one.id for one in gallery.unknowns()} == {waiting, later}


def test_a_disk_that_refuses_is_a_problem_until_it_accepts(tmp_path: Path) -> None:
    configuration = Configuration.model_construct(cameras={}, data=tmp_path, privacy=Privacy())
    with closing(RecognitionSession(configuration, "boot", NOON, synced=lambda: True)) as session:
        with full_disk():
            kept = seen_by(session, 1)
            session.refresh(configuration, NOON)
            assert not session.stored()
            for _ in range(3):
                with pytest.raises(GalleryError, match=r"gallery\.db: "):
                    session.refresh(configuration, NOON)
                assert not session.stored()
        with pytest.raises(GalleryError, match=r"gallery\.db: "):
            session.refresh(configuration, NOON)
        assert session.stored()
        session.refresh(configuration, NOON)
        assert session.unknowns == {kept}
    with closing(Gallery.open(tmp_path, embedder_name())) as gallery:
        assert [one.id for one in gallery.unknowns()] == [kept]


def configured(tmp_path: Path, more: str = "", camera: str = "") -> Configuration:
    """With the groups `two`, `four` and `gone`, and a door of level high for a group."""
    groups = "{two: [p0, p1], four: [p0, p1, p2, p3, gone], gone: [gone]}"
    text = (
        f"data: {tmp_path}\ncameras: {{porch: {{type: replay, path: clip.mp4{camera}}}}}\nmqtt: {{}}\n"
        f"groups: {groups}\ndoors:\n  front: {{camera: porch, allow: [{{group: two}}]{more}}}\n"
    )
    return loader.parse(text.encode(), "config.yaml")


@pytest.fixture(name="guarded")
def _guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RecognitionSession]:
    """Four people are enrolled, and level high is possible for two."""
    ship(SHORT, monkeypatch)
    with closing(Gallery.open(tmp_path, embedder_name())) as gallery:
        for seed in range(4):
            gallery.enroll(f"p{seed}", None, [Template(face(seed), gallery.model, "photo", NOON)], NOON)
    with closing(RecognitionSession(configured(tmp_path), "boot", NOON, synced=lambda: True)) as opened:
        yield opened


def test_the_limits_of_a_door_follow_its_group_without_a_restart(
    guarded: RecognitionSession, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    front = guarded.policy.limits_of("front")
    assert (front.people, front.of("high").cosine) == (2, SHORT.threshold("high", 2))
    assert unguaranteed(guarded.policy) == {}
    wanted = configured(tmp_path)
    door = wanted.doors["front"].model_copy(update={"allow": (AllowRule(group="four"),)})
    more = wanted.model_copy(update={"doors": {"front": door}})
    guarded.refresh(more, NOON)
    front = guarded.policy.limits_of("front")
    assert (front.people, front.of("high").cosine) == (4, None)
    line = "door front: level 'high' cannot be guaranteed: 4 of 2 people"
    assert [record.getMessage().startswith(line) for record in caplog.records] == [True]
    with closing(Gallery.open(tmp_path, embedder_name())) as gallery:
        gallery.rename("p0", "P", NOON)
    guarded.refresh(more, NOON)
    assert len(caplog.records) == 1, "logged once"
    lax = more.model_copy(update={"doors": {"front": door.model_copy(update={"level": "normal"})}})
    guarded.refresh(lax, NOON)
    assert unguaranteed(guarded.policy) == {}
    assert guarded.pipeline._cameras["porch"].doors == (SHORT.threshold("normal", 4),) * 2


def test_the_limits_of_a_door_follow_the_gallery(guarded: RecognitionSession, tmp_path: Path) -> None:
    four = configured(tmp_path).model_copy(update={"groups": {"two": ("p0", "p1", "p4")}})
    guarded.refresh(four, NOON)
    assert guarded.policy.limits_of("front").people == 2
    with closing(Gallery.open(tmp_path, embedder_name())) as gallery:
        gallery.enroll("p4", None, [Template(face(4), gallery.model, "photo", NOON)], NOON)
    guarded.refresh(four, NOON)
    assert guarded.policy.limits_of("front").people == 3
    assert "front" in unguaranteed(guarded.policy)


def test_the_group_of_a_camera_changes_without_a_restart(guarded: RecognitionSession, tmp_path: Path) -> None:
    running = configured(tmp_path)
    assert guarded.thresholds["porch"].people == 4
    for group, count in (("two", 2), ("four", 4), ("gone", 0)):
        merged, kept = loader.merge(running, configured(tmp_path, camera=f", people: {group}"))
        assert kept == ()
        guarded.refresh(merged, NOON)
        accept = guarded.thresholds["porch"]
        assert (accept.people, accept.accept) == (count, SHORT.threshold("normal", count))
        limits = guarded.pipeline._cameras["porch"]
        assert limits.group is not None
        assert len(limits.group.people) == count
    guarded.refresh(running, NOON)
    assert guarded.pipeline._cameras["porch"].group is None


def test_a_door_that_is_gone_grants_nothing_although_the_gallery_cannot_be_read(
    guarded: RecognitionSession, tmp_path: Path
) -> None:
    spoil(tmp_path, "p0")
    without = configured(tmp_path).model_copy(update={"doors": {}})
    with pytest.raises(GalleryError, match="altered"):
        guarded.refresh(without, NOON)
    assert guarded.policy.doors == {}


def test_a_stricter_level_of_a_person_sets_what_the_camera_seeks(guarded: RecognitionSession, tmp_path: Path) -> None:
    wanted = configured(tmp_path)
    rules = (AllowRule(group="two"), AllowRule(person="p0", level="high"))
    door = wanted.doors["front"].model_copy(update={"allow": rules, "level": "low"})
    guarded.refresh(wanted.model_copy(update={"doors": {"front": door}}), NOON)
    assert guarded.pipeline._cameras["porch"].doors == (SHORT.threshold("low", 2), SHORT.threshold("high", 2))
