"""Pictures: who has any, how many, and that no one else can see them."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeface.cli import main
from edgeface.config.configuration import Configuration, Privacy
from edgeface.core.types import Box, Event, EventType
from edgeface.daemon.session import RecognitionSession
from edgeface.faces.embedder import embedder_name
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import Template
from edgeface.gallery.thumbnails import HEIGHT, KEPT, Thumbnail, thumbnail
from edgeface.gallery.unknowns import Unknown
from tests.support.embeddings import unit
from tests.support.photos import photo

DATA = Path(__file__).parents[1] / "data"
MODEL = "test-model:01234567"
NOON = 1_800_000_000.0


def stranger(identity: str) -> Unknown:
    return Unknown(identity, unit(9), (unit(9),), 2, 1, NOON, NOON, "porch")


@pytest.fixture(name="gallery")
def _gallery(tmp_path: Path) -> Iterator[Gallery]:
    opened = Gallery.open(tmp_path, MODEL)
    opened.enroll("alice", "Alice", [Template(unit(1), MODEL, "photo", NOON)], NOON)
    opened.store_unknowns([stranger("u-0001")])
    yield opened
    opened.close()


def test_the_newest_few_are_kept_and_none_of_who_is_not_in_the_gallery(gallery: Gallery) -> None:
    gallery.store_pictures([Thumbnail("alice", NOON + n, b"picture %d" % n) for n in range(KEPT + 2)])
    gallery.store_pictures([Thumbnail("u-0001", NOON, b"stranger"), Thumbnail("nobody", NOON, b"nobody")])
    assert gallery.pictures("alice") == [(NOON + n, b"picture %d" % n) for n in (4, 3, 2)]
    assert gallery.pictures("u-0001") == [(NOON, b"stranger")]
    assert gallery.pictures("nobody") == []
    lying = b"".join(file.read_bytes() for file in gallery.path.parent.iterdir())
    assert b"picture" not in lying.replace(b"pictures", b"")
    assert b"stranger" not in lying


def test_the_picture_of_a_template_stays_however_many_follow_and_once_only(gallery: Gallery) -> None:
    made = [Thumbnail("alice", NOON, b"%d" % n, "0f3a9c417be2") for n in range(2)]
    seen = [Thumbnail("alice", NOON + 1, b"seen %d" % n) for n in range(KEPT + 1)]
    gallery.store_pictures([*made, *seen])
    assert [jpeg for _, jpeg in gallery.pictures("alice")] == [b"seen 3", b"seen 2", b"seen 1", b"1"]
    assert gallery.pictures_of_templates("alice") == {"0f3a9c417be2": KEPT}


def test_who_is_forgotten_or_gone_has_no_pictures(gallery: Gallery) -> None:
    gallery.store_pictures([Thumbnail("alice", NOON, b"a"), Thumbnail("u-0001", NOON, b"u")])
    gallery.store_unknowns([stranger("u-0001")])
    assert len(gallery.pictures("u-0001")) == 1
    gallery.remove(["alice"])
    gallery.remove(["u-0001"])
    assert gallery.pictures("alice") == gallery.pictures("u-0001") == []
    # A camera saw them a moment before.
    gallery.store_pictures([Thumbnail("alice", NOON, b"a"), Thumbnail("u-0001", NOON, b"u")])
    assert gallery.pictures("alice") == gallery.pictures("u-0001") == []


@pytest.mark.parametrize("keep", [True, False])
def test_the_pictures_of_an_unknown_are_handed_over_or_erased(gallery: Gallery, *, keep: bool) -> None:
    gallery.store_pictures([Thumbnail("u-0001", NOON + n, b"u%d" % n) for n in range(3)])
    gallery.enroll(
        "dave", None, [Template(unit(9), MODEL, "unknown", NOON)], NOON, unknown="u-0001", keep_pictures=keep
    )
    assert gallery.pictures("u-0001") == []
    assert [data for _, data in gallery.pictures("dave")] == ([b"u2", b"u1", b"u0"] if keep else [])
    (count,) = gallery._db.execute("SELECT count(*) FROM pictures").fetchone()
    assert count == 3 * keep


def test_a_portrait_is_small_and_shows_the_face() -> None:
    image = photo("obama")
    data = thumbnail(np.repeat(np.repeat(image, 4, axis=0), 4, axis=1), Box(400, 200, 1400, 1500))
    shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert max(shown.shape) == HEIGHT
    assert len(data) < 40_000


@dataclass(frozen=True)
class Said:
    """What `Workbench.picture` reads of an event."""

    type: EventType
    person: str | None = None
    unknown: str | None = None

    def event(self) -> Event:
        return Event(
            self.type, "id", "boot", 1, "front", "porch", 1, 5.0, NOON, Box(150, 60, 330, 300), (512, 512), 1, "m",
            person=self.person, unknown=self.unknown,
        )  # fmt: skip


@pytest.mark.parametrize(("wanted", "kept"), [("none", (0, 0)), ("unknown", (0, 1)), ("all", (1, 1))])
def test_the_setting_says_whose_pictures_are_kept(tmp_path: Path, wanted: str, kept: tuple[int, int]) -> None:
    with closing(Gallery.open(tmp_path, embedder_name())) as gallery:
        gallery.enroll("alice", None, [Template(unit(1), gallery.model, "photo", NOON)], NOON)
        gallery.store_unknowns([stranger("u-0001")])
    privacy = Privacy.model_validate({"pictures": wanted})
    bench = RecognitionSession(Configuration.model_construct(cameras={}, data=tmp_path, privacy=privacy), "boot", NOON)
    for said in (Said("match", person="alice"), Said("unknown", unknown="u-0001"), Said("uncertain"), Said("unknown")):
        bench.keep_thumbnail(said.event(), photo("obama"))
    bench.keep_thumbnail(Said("left", person="alice").event(), photo("obama"))
    bench.refresh(bench._configuration, NOON)
    bench.close()
    with closing(Gallery.open(tmp_path, embedder_name())) as gallery:
        assert (len(gallery.pictures("alice")), len(gallery.pictures("u-0001"))) == kept


@pytest.mark.parametrize(("wanted", "count"), [("all", 2), ("unknown", 0)])
def test_enrollment_from_photos_keeps_a_portrait_only_when_all_may_be_kept(
    tmp_path: Path, wanted: str, count: int
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        f"data: {tmp_path / 'data'}\nprivacy: {{pictures: {wanted}}}\n"
        f"cameras: {{porch: {{type: replay, path: {DATA}}}}}\n"
    )
    photos = [str(DATA / f"{name}.jpg") for name in ("obama", "obama2")]
    assert main.main(["enroll", "--config", str(config), "barack", *photos]) == 0
    with closing(Gallery.open(tmp_path / "data", embedder_name())) as gallery:
        kept = gallery.pictures("barack")
    assert len(kept) == count
    assert all(data.startswith(b"\xff\xd8") and len(data) < 40_000 for _, data in kept)


def test_the_picture_of_a_template_goes_with_it(gallery: Gallery) -> None:
    templates = [Template(unit(seed), MODEL, "photo", NOON) for seed in (1, 2)]
    gallery.enroll("alice", None, templates, NOON)
    first, second = map(gallery.template_id, templates)
    gallery.store_pictures(
        [
            Thumbnail("alice", NOON, b"first", first),
            Thumbnail("alice", NOON, b"none"),
            Thumbnail("alice", NOON, b"second", second),
        ]
    )
    assert gallery.pictures_of_templates("alice") == {second: 0, first: 2}
    gallery.remove_template("alice", first, NOON)
    assert gallery.pictures_of_templates("alice") == {second: 0}
    assert [jpeg for _, jpeg in gallery.pictures("alice")] == [b"second", b"none"]
