"""What is on the disk: a stolen card, another key, and a disk that cannot be written."""

import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from edgeface.cli import main
from edgeface.config.configuration import Configuration, Privacy
from edgeface.core.errors import GalleryError, VaultError
from edgeface.core.types import Embedding
from edgeface.daemon.session import RecognitionSession
from edgeface.faces.embedder import embedder_name
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import Template, day
from edgeface.gallery.thumbnails import Thumbnail
from edgeface.gallery.unknowns import Unknown
from edgeface.journal.journal import Journal
from edgeface.journal.rows import JournalRow
from tests.support.disks import _small_disk, mount  # noqa: F401 - a fixture
from tests.support.embeddings import unit

DATA = Path(__file__).parents[1] / "data"
MODEL = "test-model:01234567"
NOON = 1_800_000_000.0


def template(seed: int, model: str = MODEL) -> Template:
    return Template(unit(seed), model, "photo", 5.5)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def runs(embedding: Embedding) -> list[bytes]:
    data = embedding.astype("<f4").tobytes()
    return [data[at : at + 16] for at in range(0, len(data) - 15, 4)]


def test_a_stolen_card_names_nobody_and_has_no_number_of_a_face(tmp_path: Path) -> None:
    data = tmp_path / "data"
    arguments = ["--config", str(tmp_path / "none.yaml"), "--data", str(data)]
    photos = [str(DATA / f"{name}.jpg") for name in ("obama", "obama2", "obama3")]
    assert (
        main.main(["enroll", *arguments, "barack", "--name", "Barack Obama", "--expires", "2037-08-04", *photos]) == 0
    )
    assert main.main(["enroll", *arguments, "joseph", "--name", "Joe Biden", str(DATA / "biden.jpg")]) == 0
    with closing(Gallery.open(data, embedder_name())) as gallery:
        stranger = Unknown("u-7f3a99", unit(9), (unit(9), unit(10)), 2, 1, 40.0, 50.0, "porch-camera")
        gallery.store_unknowns([stranger])
        gallery.store_pictures([Thumbnail("u-7f3a99", 5.0, b"\xff\xd8 a picture of somebody")])
        embeddings = [t.embedding for who in ("barack", "joseph") for t in gallery.templates(who)]
    with closing(Journal(data / "journal.db")) as journal:
        facts = '{"event_type":"match","person":"barack","name":"Barack Obama","camera":"porch-camera"}'
        assert journal.append(JournalRow("01J1", "match", 100.0, facts))
        assert journal.append(JournalRow("01J2", "unknown", 101.0, '{"event_type":"unknown","unknown":"u-7f3a99"}'))
        lying = b"".join(files(data).values()) + b"".join(name.encode() for name in files(data))
    words = [
        b"barack",
        b"Barack",
        b"Obama",
        b"joseph",
        b"Biden",
        b"u-7f3a99",
        b"porch-camera",
        b"2037-08-04",
        b"somebody",
    ]
    assert [word for word in words if word in lying] == []
    assert [run for vector in (*embeddings, unit(9), unit(10)) for run in runs(vector) if run in lying] == []
    assert len(embeddings) == 4


@pytest.mark.parametrize("how", ["another", "missing", "both files missing"])
def test_another_key_or_none_starts_nothing_and_writes_nothing(tmp_path: Path, how: str) -> None:
    with closing(Gallery.open(tmp_path, MODEL)) as gallery:
        gallery.enroll("alice", "Alice", [template(1)], 100.0)
    other = tmp_path / "other"
    Gallery.open(other, MODEL).close()
    if how == "another":
        shutil.copy(other / "key", tmp_path / "key")
    else:
        (tmp_path / "key").unlink()
    if how == "both files missing":
        (tmp_path / "key.id").unlink()
    shutil.rmtree(other)
    before = files(tmp_path)
    with pytest.raises(VaultError, match=r"key [0-9a-f]{8}"):
        Gallery.open(tmp_path, MODEL)
    after = files(tmp_path)
    assert {name: after[name] for name in before} == before
    assert main.main(["people", "--config", str(tmp_path / "none"), "--data", str(tmp_path)]) == 78


def test_a_row_that_was_altered_or_moved_to_another_person_is_refused(tmp_path: Path) -> None:
    with closing(Gallery.open(tmp_path, MODEL)) as gallery:
        gallery.enroll("alice", "Alice", [template(1)], 100.0)
        gallery.enroll("bob", "Bob", [template(2)], 100.0)
        alice, bob = gallery.tag("alice"), gallery.tag("bob")
        with closing(sqlite3.connect(gallery.path)) as thief, thief:
            thief.execute(
                "UPDATE templates SET sealed = (SELECT sealed FROM templates WHERE person = ?) WHERE person = ?",
                (bob, alice),
            )
        thief.close()
        with pytest.raises(VaultError, match="altered"):
            gallery.snapshot()
        assert [person.id for person in gallery.people()] == ["alice", "bob"]


def fill(folder: Path) -> None:
    with suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    assert shutil.disk_usage(folder).free == 0


@pytest.mark.parametrize("how", ["full", "full, after a crash", "read-only", "read-only, after a crash"])
def test_a_disk_that_cannot_be_written_is_read_and_taken_up_again(small_disk: Path, how: str) -> None:
    data = small_disk / "data"
    before = Gallery.open(data, MODEL)
    before.enroll("alice", "Alice", [template(1)], 100.0)
    if how.endswith("crash"):
        # What a killed process leaves: the row is in the log, and the shared memory is there.
        copies = files(data)
        before.close()
        for name, content in copies.items():
            (data / name).write_bytes(content)
    else:
        before.close()
    fill(small_disk) if how.startswith("full") else mount("-o", "remount,ro", small_disk)
    with closing(Gallery.open(data, MODEL)) as gallery:
        match = gallery.snapshot().match(unit(1))
        assert match is not None
        assert match.person == "alice"
        with pytest.raises(GalleryError, match="cannot be written"):
            gallery.enroll("bob", "Bob", [template(n) for n in range(2, 60)], 100.0)
        assert [person.id for person in gallery.people()] == ["alice"]
    (small_disk / "filler").unlink() if how.startswith("full") else mount("-o", "remount,rw", small_disk)
    with closing(Gallery.open(data, MODEL)) as gallery:
        assert gallery.problem is None
        gallery.enroll("bob", "Bob", [template(2)], 100.0)
        assert len(gallery.snapshot().people) == 2


def session(data: Path, wall: float = NOON, **privacy: object) -> RecognitionSession:
    configuration = Configuration.model_construct(cameras={}, data=data, privacy=Privacy.model_validate(privacy))
    return RecognitionSession(configuration, "boot", wall, synced=lambda: True)


def known(bench: RecognitionSession, person: str) -> bool:
    """Whether the pipeline could match them."""
    return bench.pipeline._gallery.name(person) is not None


def enroll(data: Path, *people: str, expires: str | None = None) -> None:
    with closing(Gallery.open(data, embedder_name())) as gallery:
        for seed, person in enumerate(people):
            gallery.enroll(person, None, [template(seed, gallery.model)], NOON)
            gallery.consent(person, NOON, None, expires)


def test_the_workbench_matches_on_a_full_disk_and_takes_it_up_again(small_disk: Path) -> None:
    data = small_disk / "data"
    enroll(data, "alice")
    fill(small_disk)
    bench = session(data)
    assert known(bench, "alice")
    configuration = bench._configuration
    for _ in range(3):
        with pytest.raises(GalleryError, match="gallery: cannot be written: "):
            bench.refresh(configuration, NOON)
    (small_disk / "filler").unlink()
    enroll(data, "alice", "bob")
    for _ in range(30):
        try:
            bench.refresh(configuration, NOON)
        except GalleryError:
            continue
    bench.refresh(configuration, NOON)
    assert known(bench, "bob")
    bench.close()


def test_who_expires_while_the_daemon_runs_drops_out_at_the_next_refresh(tmp_path: Path) -> None:
    tomorrow = NOON + 86_400
    enroll(tmp_path, "alice", expires=day(tomorrow))
    bench = session(tmp_path)
    bench._synced = lambda: False
    bench.refresh(bench._configuration, NOON + 1)
    assert known(bench, "alice")
    bench.refresh(bench._configuration, tomorrow)
    assert not known(bench, "alice")
    # The clock was wrong.
    bench.refresh(bench._configuration, NOON + 2)
    assert known(bench, "alice")
    bench.close()
    late = session(tmp_path, tomorrow)
    assert not known(late, "alice")
    late._synced = lambda: True
    late.refresh(late._configuration, tomorrow)
    late.close()
    with closing(Gallery.open(tmp_path, MODEL)) as gallery:
        assert gallery.people() == []


def test_the_rows_of_one_folder_open_in_no_other(tmp_path: Path) -> None:
    one, two = Gallery.open(tmp_path / "one", MODEL), Gallery.open(tmp_path / "two", MODEL)
    sealed = one._codec.seal("person", b"tag", {"id": "alice"})
    assert one._codec.unseal("person", b"tag", sealed) == ({"id": "alice"}, b"")
    with pytest.raises(VaultError, match="altered"):
        two._codec.unseal("person", b"tag", sealed)
    assert one.tag("alice") != two.tag("alice")
    one.close()
    two.close()
