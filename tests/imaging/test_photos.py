import os
import struct
import time
import zlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgeface.core.errors import PhotoError
from edgeface.core.types import Image
from edgeface.imaging import photos
from edgeface.imaging.opencv import MAX_PIXELS, cv2
from edgeface.imaging.photos import MAX_BYTES, decode, load
from tests.support import hostile
from tests.support.photos import peak

DATA = Path(__file__).parents[1] / "data"
HEIC = (DATA / "obama.heic").read_bytes()
needs_heic = pytest.mark.skipif(find_spec("pi_heif") is None, reason="needs the extra heic")
ENDINGS = (".jpg", ".png", ".webp", ".bmp")


def sample() -> Image:
    """60 wide and 40 high: red above, blue below."""
    image = np.zeros((40, 60, 3), np.uint8)
    image[:20, :, 0] = 250
    image[20:, :, 2] = 250
    return image


def is_red(pixel: NDArray[np.uint8]) -> bool:
    red, _, blue = (int(value) for value in pixel)
    assert abs(red - blue) > 150
    return red > blue


def encoded(ending: str, image: Image | None = None) -> bytes:
    rgb = sample() if image is None else image
    done, data = cv2.imencode(ending, rgb[:, :, ::-1])
    assert done
    return data.tobytes()


@pytest.mark.parametrize("ending", ENDINGS)
def test_each_kind_is_read_as_rgb(tmp_path: Path, ending: str) -> None:
    path = tmp_path / "photo"
    path.write_bytes(encoded(ending))
    image = load(path)
    assert image.shape == (40, 60, 3)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert is_red(image[5, 30])
    assert not is_red(image[35, 30])


@needs_heic
def test_a_heic_photo_is_read_as_rgb(tmp_path: Path) -> None:
    path = tmp_path / "photo.heic"
    path.write_bytes(HEIC)
    image, jpeg = load(path), load(DATA / "obama.jpg")
    assert image.shape == (599, 480, 3)
    assert image.dtype == np.uint8
    assert np.abs(image.mean((0, 1)) - jpeg.mean((0, 1))).max() < 2


def test_without_the_extra_a_heic_photo_is_named_with_the_ways_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(photos, "find_spec", lambda _: None)
    path = tmp_path / "IMG_1.HEIC"
    path.write_bytes(HEIC)
    with pytest.raises(PhotoError, match=r"IMG_1\.HEIC: a HEIC photo; save .* or add what reads it: .*\[heic\]"):
        load(path)


def test_a_damaged_heic_photo_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photos, "find_spec", lambda _: True)
    for length in [*range(12, 400), *range(400, len(HEIC), 1009)]:
        with pytest.raises(PhotoError, match=r"truncated|damaged"):
            photos.check(HEIC[:length])
    sizes = (struct.pack(">II", 480, 599), struct.pack(">II", 480, 600))
    large = HEIC
    for size in sizes:
        large = large.replace(size, struct.pack(">II", 48000, 59900))
    with pytest.raises(PhotoError, match="too large: 48000 x 59900"):
        photos.check(large)


@needs_heic
def test_a_heic_photo_with_altered_bytes_is_read_or_rejected() -> None:
    random = np.random.default_rng(1)
    for _ in range(40):
        data = bytearray(HEIC)
        for place in random.integers(0, len(data), 5):
            data[place] = random.integers(0, 256)
        try:
            image = decode(bytes(data))
        except PhotoError:
            continue
        assert image.ndim == 3


@pytest.mark.parametrize(
    "beginning",
    [
        b"\xff\xd8\xff\xe0",
        b"\x89PNG\r\n\x1a\n",
        b"RIFF\0\0\0\0WEBPVP8 ",
        b"BM\0\0",
        b"\0\0\0\x18ftypheic",
        b"\0\0\0\x18ftypavif",
        b"GIF89a",
        b"II*\0",
        b"MM\0*",
        b"\xff\x0a",
        b"<svg ",
    ],
)
def test_how_photos_begin(beginning: bytes) -> None:
    assert photos.is_photo(beginning + bytes(20))


@pytest.mark.parametrize("beginning", [b"", b"\0", b"%PDF-1.7", b"<?xml ", b"\0\0\0\x18ftypisom", b"ID3", b"notes"])
def test_how_other_files_begin(beginning: bytes) -> None:
    assert not photos.is_photo(beginning)


def test_a_gray_photo_becomes_rgb() -> None:
    done, data = cv2.imencode(".png", np.full((30, 30), 77, np.uint8))
    assert done
    assert (decode(data.tobytes()) == 77).all()


def exif(orientation: int) -> bytes:
    tiff = b"II*\0" + struct.pack("<I", 8) + struct.pack("<HHHII", 1, 0x0112, 3, 1, orientation) + bytes(4)
    return b"\xff\xe1" + struct.pack(">H", 8 + len(tiff)) + b"Exif\0\0" + tiff


@pytest.mark.parametrize(
    ("orientation", "shape", "red"),
    [(1, (40, 60, 3), (5, 30)), (3, (40, 60, 3), (35, 30)), (6, (60, 40, 3), (30, 35)), (8, (60, 40, 3), (30, 5))],
)
def test_a_photo_stands_upright_as_its_exif_says(
    orientation: int, shape: tuple[int, int, int], red: tuple[int, int]
) -> None:
    plain = encoded(".jpg")
    image = decode(plain[:2] + exif(orientation) + plain[2:])
    assert image.shape == shape
    assert is_red(image[red])


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_truncated_photo_is_refused(ending: str) -> None:
    data = encoded(ending, np.random.default_rng(1).integers(0, 256, (80, 80, 3), np.uint8))
    for length in range(20, len(data) - 12, max(1, len(data) // 60)):
        with pytest.raises(PhotoError, match=r"truncated|damaged"):
            decode(data[:length])


def test_a_thumbnails_end_is_not_the_photos_end() -> None:
    plain = encoded(".jpg")
    thumbnail = b"\xff\xe1" + struct.pack(">H", 2 + len(plain)) + plain
    whole = plain[:2] + thumbnail + plain[2:]
    assert decode(whole).shape == (40, 60, 3)
    with pytest.raises(PhotoError, match="truncated"):
        decode(whole[:-20])


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(30_000, 30_000), (2**31 - 1, 2**31 - 1), (MAX_PIXELS // 16 + 1, 16)])
def test_a_bomb_is_refused_by_its_header(width: int, height: int) -> None:
    with pytest.raises(PhotoError, match=r"too large: .* pixels; the maximum is 25 million"):
        decode(png_header(width, height))


def phone_photo(width: int, height: int, *options: int) -> bytes:
    """A JPEG of this size: red above, blue below."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, :, 2] = 250
    image[height // 2 :, :, 0] = 250
    done, data = cv2.imencode(".jpg", image, list(options))
    assert done
    return data.tobytes()


@pytest.mark.parametrize(
    ("size", "side", "shape"),
    [
        ((8064, 6048), 2000, (1512, 2016, 3)),
        ((4032, 3024), 2000, (1512, 2016, 3)),
        ((3024, 4032), 2000, (2016, 1512, 3)),
        ((3999, 3000), 2000, (3000, 3999, 3)),
        ((1600, 1200), 200, (150, 200, 3)),
        ((4032, 3024), None, (3024, 4032, 3)),
    ],
)
def test_a_large_jpeg_is_decoded_at_a_fraction(
    size: tuple[int, int], side: int | None, shape: tuple[int, int, int]
) -> None:
    image = decode(phone_photo(*size), side)
    assert image.shape == shape
    assert is_red(image[5, 5])
    assert not is_red(image[-5, 5])


def test_a_photo_at_a_fraction_stands_upright() -> None:
    plain = phone_photo(4032, 3024)
    image = decode(plain[:2] + exif(6) + plain[2:], 2000)
    assert image.shape == (2016, 1512, 3)
    assert is_red(image[5, -5])
    assert not is_red(image[5, 5])


def test_48_million_pixels_take_less_memory_than_12_million_in_full() -> None:
    large, child = phone_photo(8064, 6048), photos._DECODER

    def grown(data: bytes, side: int | None) -> int:
        child.close()
        decode(encoded(".jpg"))
        before = peak(child.process)
        decode(data, side)
        return peak(child.process) - before

    assert grown(large, 2000) < 40e6
    assert grown(phone_photo(4032, 3024), None) > 60e6


@pytest.mark.parametrize("ending", [".png", ".webp"])
def test_only_a_jpeg_is_decoded_at_a_fraction(ending: str) -> None:
    image = np.zeros((200, 400, 3), np.uint8)
    assert decode(encoded(ending, image), 100).shape == (200, 400, 3)
    with pytest.raises(PhotoError, match="the maximum is 25 million"):
        decode(png_header(6000, 5000), 2000)


def test_a_jpeg_that_is_whole_in_memory_before_it_is_reduced_is_no_larger_than_other_photos() -> None:
    size = (5100, 5100)
    with pytest.raises(PhotoError, match="the maximum is 25 million"):
        decode(phone_photo(*size, cv2.IMWRITE_JPEG_PROGRESSIVE, 1), 2000)
    plain = phone_photo(*size)
    scan = plain.index(b"\xff\xda")
    assert plain[scan + 4] == 3
    # A scan for each component.
    with pytest.raises(PhotoError, match="the maximum is 25 million"):
        decode(plain[: scan + 4] + b"\x01" + plain[scan + 5 :], 2000)


@pytest.mark.parametrize("size", [(12_000, 9_200), (65_000, 65_000)])
def test_a_jpeg_of_too_many_pixels_is_refused_by_its_header(size: tuple[int, int]) -> None:
    with pytest.raises(PhotoError, match="the maximum is 110 million"):
        decode(hostile.jpeg_head(*size), 2000)


def test_a_large_jpeg_without_its_data_costs_nothing() -> None:
    decode(encoded(".jpg"))
    before, began = peak(photos._DECODER.process), time.monotonic()
    try:
        image = decode(hostile.jpeg_head(12_000, 9_000), 2000)
    except PhotoError as error:
        assert "damaged" in str(error)
    else:
        assert image.shape[0] * image.shape[1] <= MAX_PIXELS
    assert time.monotonic() - began < 30
    assert peak(photos._DECODER.process) - before < 200e6


def test_a_header_that_lies_about_its_data_is_refused_or_black() -> None:
    with pytest.raises(PhotoError, match="damaged"):
        decode(png_header(4000, 4000))


def test_a_large_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    with path.open("wb") as file:
        file.truncate(50 * MAX_BYTES)
    with pytest.raises(PhotoError, match="too large: more than 10 MB"):
        load(path)


def test_a_tiny_photo_is_refused() -> None:
    with pytest.raises(PhotoError, match="too small: 60 x 8 pixels"):
        decode(encoded(".png", sample()[:8]))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"hello, this is text", "not a photo"),
        (b"GIF89a" + bytes(100), "a GIF; save it as JPEG or PNG"),
        (b"\0\0\0\x18ftypheic" + bytes(100), "HEIC"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG"),
        (b"<?xml version='1.0'?><svg/>", "an SVG"),
        (b"II*\0" + bytes(100), "TIFF"),
        (b"%PDF-1.7", "a PDF"),
        (b"\xff\xd8\xff", "truncated"),
        (b"\xff\xd8\xff" + bytes(100), "damaged"),
        (b"\xff\xd8\xff\xd9" + bytes(100), "damaged"),
        (b"\x89PNG\r\n\x1a\n", "truncated"),
        (b"RIFF\xff\xff\xff\xffWEBPVP8 ", "truncated"),
        (b"BM", "truncated"),
    ],
)
def test_what_is_no_photo_is_refused_in_the_users_words(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)
    with pytest.raises(PhotoError, match=reason) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, reason in (("none.jpg", "no such file"), ("", "a folder"), ("pipe", "not a file")):
        with pytest.raises(PhotoError, match=reason):
            load(tmp_path / name)


def test_a_hostile_file_name_is_shown_on_one_line(tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match="no such file") as caught:
        load(tmp_path / "a\nedgeface: all is well\x1b[2J.jpg")
    assert str(caught.value).isprintable()


@settings(max_examples=300)
@given(st.sampled_from(ENDINGS), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=20))
def test_flipped_bytes_give_a_photo_or_a_photo_error(ending: str, flips: list[tuple[int, int]]) -> None:
    data = bytearray(encoded(ending))
    for position, value in flips:
        data[position % len(data)] = value
    try:
        image = decode(bytes(data))
    except PhotoError as error:
        assert str(error).isprintable()
    else:
        assert image.ndim == 3


@given(st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF....WEBP", b"BM", b""]), st.binary(max_size=200))
def test_garbage_is_a_photo_error(start: bytes, rest: bytes) -> None:
    with pytest.raises(PhotoError):
        decode(start + rest)


def test_the_photos_of_the_tests_load() -> None:
    for path in sorted(DATA.glob("*.jpg")):
        assert max(load(path).shape) == 512
