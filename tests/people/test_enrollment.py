from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeface.config.configuration import Configuration
from edgeface.core.errors import GalleryError, PhotoError
from edgeface.core.types import Embedding, Image
from edgeface.faces.analyzer import FaceAnalyzer
from edgeface.faces.embedder import embedder_name
from edgeface.faces.photo_face import PHOTO_SIDE, faces
from edgeface.faces.settings import QualityLimits
from edgeface.gallery.agreement import Limits
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.rows import Change
from edgeface.gallery.snapshot import Template, unit_mean
from edgeface.gallery.unknowns import Unknowns
from edgeface.imaging.opencv import cv2
from edgeface.imaging.photos import decode, load
from edgeface.people.enrollment import (
    DEFAULT,
    DoubtError,
    EnrollOptions,
    KnownFaces,
    OtherPersonError,
    Plan,
    candidate,
    carry_out,
    from_photos,
    from_unknown,
)
from edgeface.people.photo_folders import from_folder
from tests.support.embeddings import unit
from tests.support.photos import phone_photo
from tests.support.shots import embedding_of
from tests.support.unknowns import fixed

DATA = Path(__file__).parents[1] / "data"
OBAMA, OBAMA2, OBAMA3, BIDEN, ASTRONAUT = (
    DATA / f"{name}.jpg" for name in ("obama", "obama2", "obama3", "biden", "astronaut")
)
THRESHOLD = 0.5
LIMITS = Limits(0.45, 0.40, 0.57, 0.60, 0.65)
NOBODY = KnownFaces(LIMITS)


@pytest.fixture(name="analyzer", scope="module")
def _analyzer() -> FaceAnalyzer:
    limits = QualityLimits(height=50, sharpness=0.2, dark=0.12, bright=0.92, yaw=40.0, pitch=35.0)
    return Configuration.model_construct(cameras={}, quality=limits).open_analyzer()


@pytest.fixture(name="gallery")
def _gallery(tmp_path: Path) -> Iterator[Gallery]:
    opened = Gallery.open(tmp_path / "data", embedder_name())
    yield opened
    opened.close()


def saved(path: Path, image: Image) -> Path:
    assert cv2.imwrite(str(path), image[:, :, ::-1])
    return path


def scaled(image: Image, height: int) -> Image:
    width = round(image.shape[1] * height / image.shape[0])
    how = cv2.INTER_AREA if height < image.shape[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (width, height), interpolation=how), np.uint8)


def face_of(analyzer: FaceAnalyzer, path: Path, margin: float) -> Image:
    """The face of a photo with `margin` of its height around it."""
    image = load(path)
    (face,) = faces(analyzer, image)
    left, top, right, bottom = face.detection.box
    around = margin * face.detection.box.height
    height, width = image.shape[:2]
    rows = slice(max(0, round(top - around)), min(height, round(bottom + around)))
    return image[rows, max(0, round(left - around)) : min(width, round(right + around))]


def plan(analyzer: FaceAnalyzer, paths: Sequence[Path], known: KnownFaces = NOBODY, person: str = "obama") -> Plan:
    return from_photos(analyzer, known, person, None, paths)


def test_the_name_without_loading_is_the_embedders_own(analyzer: FaceAnalyzer) -> None:
    assert analyzer.embedder.name == embedder_name()


def test_photos_of_one_person_give_a_template_each(analyzer: FaceAnalyzer) -> None:
    made = plan(analyzer, [OBAMA, OBAMA2, OBAMA3])
    (candidate,) = made.candidates
    assert len(candidate.embeddings) == 3
    rows = np.stack(candidate.embeddings)
    assert (rows @ rows.T).min() > THRESHOLD
    assert (made.rejected, made.notes) == ((), ())


@pytest.mark.parametrize("height", [150, 300, 1000, 2400])
def test_a_face_is_found_and_embedded_alike_at_any_size(analyzer: FaceAnalyzer, height: int) -> None:
    reference = embedding_of(analyzer, load(OBAMA))
    photo = scaled(load(OBAMA), height) if height > 200 else scaled(face_of(analyzer, OBAMA, 0.5), height)
    assert float(embedding_of(analyzer, photo) @ reference) > 0.85


def test_a_photo_that_is_nearly_all_face_is_found(analyzer: FaceAnalyzer) -> None:
    assert len(faces(analyzer, scaled(face_of(analyzer, OBAMA, 0.1), 200))) == 1


def test_a_small_face_in_a_large_photo_is_found(analyzer: FaceAnalyzer) -> None:
    photo = np.full((1500, 2000, 3), 128, np.uint8)
    face = scaled(face_of(analyzer, OBAMA, 0.6), 330)
    photo[900 : 900 + face.shape[0], 1400 : 1400 + face.shape[1]] = face
    (found,) = faces(analyzer, photo)
    assert 120 < found.detection.box.height < 190


def refusal(analyzer: FaceAnalyzer, image: Image) -> str:
    with pytest.raises(PhotoError) as caught:
        embedding_of(analyzer, image)
    return str(caught.value)


def test_a_photo_without_a_face_is_refused(analyzer: FaceAnalyzer) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (400, 300, 3), np.uint8)
    for image in (noise, np.full((300, 300, 3), 90, np.uint8), load(OBAMA)[300:]):
        assert "no face found" in refusal(analyzer, image)


def test_a_photo_of_two_people_is_refused_with_the_count(analyzer: FaceAnalyzer) -> None:
    both = np.hstack([scaled(face_of(analyzer, path, 0.5), 240) for path in (OBAMA, ASTRONAUT)])
    assert refusal(analyzer, both) == "2 faces; crop the photo to one of them"


def test_a_face_that_is_too_small_is_refused_with_its_height(analyzer: FaceAnalyzer) -> None:
    text = refusal(analyzer, scaled(load(OBAMA), 140))
    assert "too small" in text
    assert "needs 50" in text
    assert 20 < int(text.split(" px")[0].split()[-1]) < 50


def test_bad_light_blur_and_an_edge_are_refused_by_name(analyzer: FaceAnalyzer) -> None:
    image = load(OBAMA)
    assert "too dark" in refusal(analyzer, (image * 0.15).astype(np.uint8))
    assert "too bright" in refusal(analyzer, (255 - (255 - image) * 0.08).astype(np.uint8))
    strict = replace(analyzer, limits=analyzer.limits.model_copy(update={"sharpness": 0.4}))
    assert "blurred" in refusal(strict, np.asarray(cv2.GaussianBlur(image, (0, 0), 5), np.uint8))
    (face,) = faces(analyzer, image)
    middle = round(face.detection.box.centre[0])
    assert refusal(analyzer, image[:, middle - 30 :]) == "the face is cut by the edge of the photo"


def test_a_turned_face_is_refused_with_its_angle(analyzer: FaceAnalyzer) -> None:
    strict = replace(analyzer, limits=analyzer.limits.model_copy(update={"yaw": 10.0}))
    assert "turned away" in refusal(strict, load(OBAMA2))


def test_a_face_that_is_somebody_elses_is_refused_with_their_id(analyzer: FaceAnalyzer) -> None:
    known = KnownFaces(
        LIMITS, {"barack": embedding_of(analyzer, load(OBAMA2)), "joe": embedding_of(analyzer, load(BIDEN))}
    )
    made = plan(analyzer, [OBAMA], known, "impostor")
    assert made.candidates == ()
    assert "this face is already enrolled as barack " in made.rejected[0]
    assert plan(analyzer, [OBAMA], known, "barack").rejected == ()


def test_photos_of_different_people_under_one_id_are_reported(analyzer: FaceAnalyzer) -> None:
    made = plan(analyzer, [OBAMA, OBAMA2, OBAMA3, ASTRONAUT])
    assert made.rejected == ()
    (note,) = made.notes
    assert "astronaut.jpg: unlike the other photos of obama" in note


def test_one_photo_is_allowed_with_the_advice_to_take_more(analyzer: FaceAnalyzer) -> None:
    assert "3 or more" in plan(analyzer, [OBAMA]).notes[0]


def test_a_refused_photo_leaves_the_gallery_as_it_was_unless_skipped(analyzer: FaceAnalyzer, gallery: Gallery) -> None:
    made = plan(analyzer, [OBAMA, DATA / "none.jpg", OBAMA2])
    assert made.rejected == (f"{DATA / 'none.jpg'}: no such file",)
    with pytest.raises(GalleryError, match="1 photo was rejected"):
        carry_out(gallery, made, 100.0)
    assert gallery.people() == []
    changes = carry_out(gallery, made, 100.0, EnrollOptions(skip_bad=True))
    assert [change.person for change in changes] == ["obama"]
    assert gallery.person("obama").templates == 2
    with pytest.raises(GalleryError, match="no photo can be used"):
        carry_out(gallery, plan(analyzer, [DATA / "none.jpg"]), 100.0, EnrollOptions(skip_bad=True))


def test_a_bad_id_is_refused_before_any_photo_is_read(analyzer: FaceAnalyzer) -> None:
    with pytest.raises(GalleryError, match="not an id"):
        plan(analyzer, [DATA / "none.jpg"], person="Barack/Obama")


class Counted:
    def __init__(self) -> None:
        self.seen: list[Path] = []
        self.total = 0

    def __call__(self, paths: Sequence[Path]) -> Iterable[Path]:
        self.total = len(paths)
        for path in paths:
            self.seen.append(path)
            yield path


def people_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "people"
    for name, photos in {"Barack_Obama": [OBAMA, OBAMA2], "Eileen Collins": [ASTRONAUT]}.items():
        (folder / name).mkdir(parents=True)
        for photo in photos:
            (folder / name / photo.name).write_bytes(photo.read_bytes())
    (folder / ".hidden").mkdir()
    (folder / "readme.txt").write_text("not a person")
    return folder


def test_a_folder_of_folders_enrolls_everybody(analyzer: FaceAnalyzer, gallery: Gallery, tmp_path: Path) -> None:
    progress = Counted()
    made = from_folder(analyzer, NOBODY, people_folder(tmp_path), progress)
    carry_out(gallery, made, 100.0)
    people = [(p.id, p.name, p.templates) for p in gallery.people()]
    assert people == [("barack_obama", "Barack Obama", 2), ("eileen-collins", "Eileen Collins", 1)]
    assert (len(progress.seen), progress.total) == (3, 3)


def test_somebody_who_stands_in_two_folders_is_refused(
    analyzer: FaceAnalyzer, gallery: Gallery, tmp_path: Path
) -> None:
    folder = people_folder(tmp_path)
    (folder / "Eileen Collins" / "wrong.jpg").write_bytes(OBAMA3.read_bytes())
    made = from_folder(analyzer, NOBODY, folder, iter)
    assert len(made.rejected) == 1
    assert "wrong.jpg: this face is already enrolled as barack_obama " in made.rejected[0]
    with pytest.raises(GalleryError, match="no one was enrolled: 1 photo was rejected"):
        carry_out(gallery, made, 100.0)


def test_folders_that_cannot_be_used_are_one_clear_line(analyzer: FaceAnalyzer, tmp_path: Path) -> None:
    def refused(folder: Path) -> str:
        with pytest.raises(GalleryError) as caught:
            from_folder(analyzer, NOBODY, folder, iter)
        return str(caught.value)

    assert "No such file" in refused(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    assert "no folders of people" in refused(tmp_path / "empty")
    folder = people_folder(tmp_path)
    (folder / "eileen collins").mkdir()
    (folder / "eileen collins" / "notes.txt").write_text("no photo")
    assert "both folders give the id eileen-collins" in refused(folder)


def test_a_folder_without_photos_is_refused_and_can_be_left_out(
    analyzer: FaceAnalyzer, gallery: Gallery, tmp_path: Path
) -> None:
    folder = people_folder(tmp_path)
    (folder / "Notes").mkdir()
    (folder / "Notes" / "notes.txt").write_text("no photo")
    made = from_folder(analyzer, NOBODY, folder, iter)
    assert len(made.rejected) == 1
    assert "Notes: no photos in it" in made.rejected[0]
    with pytest.raises(GalleryError, match="was rejected"):
        carry_out(gallery, made, 100.0)
    assert len(carry_out(gallery, made, 100.0, EnrollOptions(skip_bad=True))) == 2


def test_empty_folders_and_what_systems_put_into_folders_are_passed_over(
    analyzer: FaceAnalyzer, tmp_path: Path
) -> None:
    folder = people_folder(tmp_path)
    own = folder / "Eileen Collins"
    for name in ("@eaDir", "__MACOSX", "Empty", "Eileen Collins/@eaDir", "Eileen Collins/.thumbnails"):
        (folder / name).mkdir()
    for path in (folder / "@eaDir" / "x.jpg", own / "@eaDir" / "x.jpg", own / "._astronaut.jpg", own / ".DS_Store"):
        path.write_bytes(ASTRONAUT.read_bytes())
    for path in (own / "Thumbs.db", folder / "Thumbs.db", folder / "Empty" / "Thumbs.db", own / "desktop.ini"):
        path.write_bytes(ASTRONAUT.read_bytes())
    made = from_folder(analyzer, NOBODY, folder, iter)
    assert made.rejected == ()
    assert [(one.person, len(one.embeddings)) for one in made.candidates] == [
        ("barack_obama", 2),
        ("eileen-collins", 1),
    ]


def test_each_file_that_looks_like_a_photo_and_is_not_read_is_named(analyzer: FaceAnalyzer, tmp_path: Path) -> None:
    folder = people_folder(tmp_path)
    own = folder / "Eileen Collins"
    (own / "astronaut.jpg").rename(own / "astronaut.JFIF")
    (own / "2.tif").write_bytes(b"II*\0" + bytes(100))
    (own / "3.avif").write_bytes(b"\0\0\0\x1cftypavif" + bytes(100))
    (own / "4.DNG").write_bytes(b"II*\0" + bytes(100))
    (own / "5").write_bytes(b"GIF89a" + bytes(100))
    (own / "6.mp4").write_bytes(b"\0\0\0\x1cftypisom" + bytes(100))
    (own / "7.txt").write_text("no photo")
    (own / "8").write_bytes(OBAMA.read_bytes())
    (own / "2019").mkdir()
    (own / "2019" / "old.jpg").write_bytes(ASTRONAUT.read_bytes())
    (own / "empty").mkdir()
    (folder / "loose.heic").write_bytes(b"")
    made = from_folder(analyzer, NOBODY, folder, iter)
    rejected = sorted(str(Path(line.split(":")[0]).relative_to(folder)) for line in made.rejected)
    names = ["2.tif", "2019", "3.avif", "4.DNG", "5", "8"]
    assert rejected == [*(f"Eileen Collins/{name}" for name in names), "loose.heic"]
    said = "\n".join(made.rejected)
    for why in ("a TIFF or raw photo", "an AVIF photo", "a GIF", "already enrolled as barack_obama", "not read; move"):
        assert why in said
    assert [(one.person, len(one.embeddings)) for one in made.candidates] == [
        ("barack_obama", 2),
        ("eileen-collins", 1),
    ]


def test_the_name_of_a_folder_in_any_script_becomes_the_name_and_gives_the_id(
    analyzer: FaceAnalyzer, tmp_path: Path
) -> None:
    folder = people_folder(tmp_path)
    anna, alexander = "\u0410\u043d\u043d\u0430", "\u0410\u043b\u0435\u043a\u0441\u0430\u043d\u0434\u0440"
    (folder / "Eileen Collins").rename(folder / anna)
    (folder / "Barack_Obama").rename(folder / alexander)
    made = from_folder(analyzer, NOBODY, folder, iter, {"anna"}.__contains__)
    assert [(one.person, one.name) for one in made.candidates] == [("aleksandr", alexander), ("anna-2", anna)]
    # Someone who has the id is the person of the folder.
    known = replace(NOBODY, means={"anna": made.candidates[1].embeddings[0]})
    made = from_folder(analyzer, known, folder, iter, {"anna"}.__contains__)
    assert [one.person for one in made.candidates] == ["aleksandr", "anna"]


def test_an_unknown_is_enrolled_from_what_was_kept(analyzer: FaceAnalyzer, gallery: Gallery) -> None:
    unknowns = Unknowns("boot", fixed(THRESHOLD))
    seen = [embedding_of(analyzer, load(path)) for path in (OBAMA, OBAMA2)]
    identity = unknowns.see(seen, 50.0, "porch")
    assert identity is not None
    gallery.store_unknowns(*unknowns.take_changes())
    carry_out(gallery, from_unknown(gallery, NOBODY, "obama", "Barack", identity), 100.0)
    match = gallery.snapshot().match(embedding_of(analyzer, load(OBAMA3)))
    assert match is not None
    assert match.person == "obama"
    assert match.score > THRESHOLD
    assert gallery.unknowns() == []
    assert identity in gallery.retired_ids()
    assert {t.source for t in gallery.templates("obama")} == {"unknown"}
    with pytest.raises(GalleryError, match="no such unknown"):
        from_unknown(gallery, NOBODY, "obama", None, identity)


def test_an_unknown_who_is_somebody_else_is_refused(analyzer: FaceAnalyzer, gallery: Gallery) -> None:
    unknowns = Unknowns("boot", fixed(THRESHOLD))
    seen = [embedding_of(analyzer, load(path)) for path in (OBAMA, OBAMA2)]
    identity = unknowns.see(seen, 50.0, "porch")
    assert identity is not None
    gallery.store_unknowns(*unknowns.take_changes())
    gallery.enroll("barack", None, [Template(embedding_of(analyzer, load(OBAMA3)), gallery.model, "photo", 1.0)], 1.0)
    known = KnownFaces.of(gallery.snapshot(), LIMITS)
    with pytest.raises(GalleryError, match="already enrolled as barack "):
        from_unknown(gallery, known, "impostor", None, identity)


def shots(person: int, *numbers: int) -> tuple[Embedding, ...]:
    """Embeddings of one person that have cosines of about 0.74."""
    return tuple(unit_mean([unit(person) + np.float32(0.6) * unit(1000 * person + n)]) for n in numbers)


def put(
    gallery: Gallery,
    person: str,
    embeddings: tuple[Embedding, ...],
    options: EnrollOptions = DEFAULT,
    *,
    different_people: bool = False,
) -> Change:
    known = KnownFaces.of(gallery.snapshot(), LIMITS, different_people=different_people)
    (change,) = carry_out(gallery, Plan(LIMITS, (candidate(known, person, None, embeddings, "photo"),)), 100.0, options)
    return change


def test_another_face_is_added_only_if_someone_insists(gallery: Gallery) -> None:
    assert put(gallery, "alice", shots(1, 0, 1, 2)).facts == {"person": "alice"}
    assert put(gallery, "alice", shots(1, 3)).facts == {"person": "alice"}
    for new in (shots(2, 0), shots(2, 0, 1, 2)):
        with pytest.raises(
            DoubtError, match=r"alice: the face differs from the enrolled one: cosine -?0\.\d\d, needs 0.45"
        ):
            put(gallery, "alice", new)
    assert gallery.person("alice").templates == 4
    change = put(gallery, "alice", shots(2, 0), EnrollOptions(anyway=True))
    assert change.facts == {"person": "alice", "anyway": True}
    assert gallery.person("alice").templates == 5


def test_photos_of_two_people_are_not_one_enrollment(gallery: Gallery) -> None:
    mixed = (*shots(1, 0, 1, 2), *shots(2, 0, 1, 2))
    with pytest.raises(DoubtError, match=r"alice: the photos show two people: 3 of 6 differ .* needs 0\.60") as caught:
        put(gallery, "alice", mixed)
    assert caught.value.plan is not None
    assert gallery.people() == []
    change = carry_out(gallery, caught.value.plan, 100.0, EnrollOptions(anyway=True))
    assert [one.facts for one in change] == [{"person": "alice", "anyway": True}]
    assert [person for person, _ in gallery.divided(LIMITS).items()] == ["alice"]


def test_one_wrong_photo_among_five_is_refused(gallery: Gallery) -> None:
    with pytest.raises(DoubtError, match=r"alice: the photos show two people: 1 of 5 differs? .*"):
        put(gallery, "alice", (*shots(1, 0, 1, 2, 3), *shots(2, 0)))


def test_a_second_person_is_not_added_one_by_one_between_two_faces(gallery: Gallery) -> None:
    between = tuple(unit_mean([a + b]) for a, b in zip(shots(1, 5), shots(2, 5), strict=True))
    put(gallery, "alice", shots(1, 0, 1))
    put(gallery, "alice", between)
    with pytest.raises(DoubtError):
        put(gallery, "alice", shots(2, 0, 1, 2))


def test_a_second_person_who_resembles_the_first_is_not_added_later(gallery: Gallery) -> None:
    """Six photos that would be refused at once are refused in two steps, too; each group alone is one person."""
    resembling = unit_mean([np.float32(0.64) * unit(1) + np.float32(0.77) * unit(2)])
    later = tuple(unit_mean([resembling + np.float32(0.6) * unit(2000 + n)]) for n in range(3))
    put(gallery, "alice", shots(1, 0, 1, 2))
    with pytest.raises(DoubtError, match="alice: the templates and the new photos show two people: 3 of 6 differ"):
        put(gallery, "alice", later)
    assert put(gallery, "anna", later).facts == {"person": "anna"}


def test_replaced_templates_are_compared_with_those_before(gallery: Gallery) -> None:
    put(gallery, "alice", shots(1, 0, 1, 2))
    again = EnrollOptions(again=True)
    assert put(gallery, "alice", shots(1, 3, 4), again).facts == {"person": "alice"}
    with pytest.raises(DoubtError, match="differs from the enrolled one"):
        put(gallery, "alice", shots(2, 0, 1), again)
    assert put(gallery, "alice", shots(2, 0), replace(again, anyway=True)).anyway
    assert gallery.person("alice").templates == 1


def test_the_same_face_under_two_ids_needs_two_people(gallery: Gallery) -> None:
    put(gallery, "alice", shots(1, 0, 1, 2))
    with pytest.raises(OtherPersonError, match="already enrolled as alice "):
        put(gallery, "anna", shots(1, 3, 4))
    change = put(gallery, "anna", shots(1, 3, 4), different_people=True)
    assert change.facts == {"person": "anna", "different_people": True}
    assert [one.look_alikes for one in gallery.people()] == [("anna",), ("alice",)]
    # More of each is added as of anyone, if it is nearer to them than to the other.
    assert put(gallery, "anna", (unit_mean(shots(1, 3, 4, 5)),)).facts == {"person": "anna"}
    with pytest.raises(OtherPersonError, match="already enrolled as alice "):
        put(gallery, "anna", (unit_mean(shots(1, 0, 1, 2)),))
    assert put(gallery, "bob", shots(2, 0), different_people=True).facts == {"person": "bob"}


@pytest.mark.parametrize("name", ["obama", "biden"])
def test_a_photo_of_a_phone_gives_nearly_the_same_template_at_a_fraction(analyzer: FaceAnalyzer, name: str) -> None:
    data = phone_photo(name)
    full, reduced = (embedding_of(analyzer, decode(data, side)) for side in (None, PHOTO_SIDE))
    assert float(full @ reduced) >= 0.98
    shrunk = cv2.resize(decode(data)[:, :, ::-1], None, fx=PHOTO_SIDE / 4032, fy=PHOTO_SIDE / 4032, interpolation=3)
    sent = cv2.imencode(".jpg", shrunk, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
    assert len(sent) < 700_000
    assert float(full @ embedding_of(analyzer, decode(sent))) >= 0.98
