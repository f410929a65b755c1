"""Reads photos from untrusted sources: checks size and header first, decodes last."""

from __future__ import annotations

import struct
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

from edgeface.core.errors import PhotoError
from edgeface.core.files import read_at_most
from edgeface.core.text import printable_path
from edgeface.imaging.sandbox import HEIC_SECONDS, PhotoDecoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from edgeface.core.types import Image

MAX_BYTES = 10_000_000
MAX_REDUCED_BYTES, MAX_REDUCED_PIXELS = 25_000_000, 110_000_000
"""Of a JPEG that is decoded at a fraction: phones take photos of 48 and 108 million pixels."""
SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp"})
"""Of files that are read without an extra."""
_MIN_SIDE = 16
# Chunks of a PNG, or markers before a JPEG's scan: real files have dozens; walking through millions takes seconds.
_MAX_PARTS = 50_000
_MAX_BRANDS = 100
_DECODER, _HEIC_DECODER = PhotoDecoder(), PhotoDecoder(HEIC_SECONDS, "edgeface.imaging.heic")


class Header(NamedTuple):
    """What is known of a photo before it is decoded."""

    width: int
    """In pixels, as `height`."""
    height: int
    reducible: bool = False
    """A JPEG in one scan, which is decoded at a fraction without a copy of the whole in memory."""


def load(path: Path, side: int | None = None) -> Image:
    """Read a JPEG, PNG, WebP, BMP or HEIC file as RGB, turned upright; raises PhotoError if it is rejected.

    HEIC needs the extra `heic`. With `side`, a JPEG is decoded at a half, a quarter or an eighth if its longer side
    then still has so many pixels.
    """
    shown = printable_path(path)
    try:
        return decode(read_at_most(path, MAX_BYTES if side is None else MAX_REDUCED_BYTES), side)
    except PhotoError as error:
        raise PhotoError(f"{shown}: {error}") from error
    except OSError as error:
        raise PhotoError(f"{shown}: {_reason(error)}") from error


def decode(data: bytes, side: int | None = None) -> Image:
    """Decode a photo in memory as `load` does; raises PhotoError, without a file name, if it is rejected."""
    most = MAX_BYTES if side is None else MAX_REDUCED_BYTES
    if len(data) > most:
        raise PhotoError(f"too large: more than {most / 1e6:.0f} MB")
    fraction = check(data, side)
    return (_HEIC_DECODER if is_heic(data) else _DECODER).decode(data, fraction)


def is_photo(beginning: bytes) -> bool:
    """Whether a file that begins with these bytes is a photo or a drawing, also one that cannot be read."""
    if beginning[4:8] == _FTYP:
        return _is_image(beginning)
    known = (*((magic, offset) for magic, offset, _ in _FORMATS), *((m, offset) for m, offset, _ in _UNSUPPORTED[:-2]))
    return any(beginning[offset : offset + len(magic)].lower() == magic.lower() for magic, offset in known)


def is_heic(data: bytes) -> bool:
    """Whether a file that `check` accepts is a HEIC photo, which OpenCV cannot decode."""
    return data[4:8] == _FTYP


def check(data: bytes, side: int | None = None) -> int:
    """Raise PhotoError unless the header is that of a complete photo of a supported format and size.

    Returns the fraction, 1, 2, 4 or 8, at which `decode` reads it for this `side`.
    """
    from edgeface.imaging.opencv import MAX_PIXELS

    width, height, reducible = _header(data)
    if min(width, height) < _MIN_SIDE:
        raise PhotoError(f"too small: {width} x {height} pixels")
    reduced = reducible and side is not None
    most = MAX_REDUCED_PIXELS if reduced else MAX_PIXELS
    if width * height > most:
        raise PhotoError(f"too large: {width} x {height} pixels; the maximum is {most / 1e6:.0f} million")
    if side is None or not reduced:
        return 1
    return next((part for part in (8, 4, 2) if max(width, height) >= part * side), 1)


def _reason(error: OSError) -> str:
    known = {FileNotFoundError: "no such file", IsADirectoryError: "a folder, not a photo"}
    return known.get(type(error), error.strerror or "cannot be read")


def _header(data: bytes) -> Header:
    """What the header says; raises PhotoError if it is not a complete photo of a supported format."""
    for magic, offset, read in _FORMATS:
        if data[offset : offset + len(magic)] == magic:
            try:
                return read(data)
            except (struct.error, IndexError) as error:
                raise PhotoError("truncated: the file ends too early") from error
    for magic, offset, kind in _UNSUPPORTED:
        if data[offset : offset + len(magic)].lower() == magic:
            raise PhotoError(f"{kind}; save it as JPEG or PNG")
    raise PhotoError("empty" if not data else "not a photo: neither JPEG, PNG, WebP, BMP nor HEIC")


def _png(data: bytes) -> Header:
    width, height = struct.unpack_from(">II", data, 16)
    at = 8
    for _ in range(_MAX_PARTS):
        if data[at + 4 : at + 8] == b"IEND":
            return Header(width, height)
        at += 12 + int(struct.unpack_from(">I", data, at)[0])
    raise PhotoError("damaged: it has too many parts")


# Start-of-frame markers: C0 to CF without DHT, JPG and DAC (ITU T.81, table B.1).
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
_SCAN, _END = 0xDA, 0xD9
# Sequential, with Huffman coding; the others are progressive, lossless or arithmetic.
_SEQUENTIAL = frozenset({0xC0, 0xC1})


def _jpeg(data: bytes) -> Header:
    size, components, at = None, 0, 2
    for _ in range(_MAX_PARTS):
        if data[at] == 0xFF and data[at + 1] == 0xFF:  # noqa: PLR2004 - fill bytes may precede a marker
            at += 1
            continue
        marker = data[at + 1]
        if data[at] != 0xFF or marker == _END:  # noqa: PLR2004 - the first byte of every marker
            raise PhotoError("damaged: not a whole JPEG")
        if marker in _BARE:
            at += 2
            continue
        length = int(struct.unpack_from(">H", data, at + 2)[0])
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            size = (int(width), int(height))
            components = data[at + 9] if marker in _SEQUENTIAL else 0
        at += 2 + length
        if marker == _SCAN:
            # Within a scan, FF is followed by 00 or a restart marker, so FFD9 can only be the end.
            if size is None or data.find(bytes([0xFF, _END]), at) < 0:
                raise PhotoError("truncated: the file ends too early")
            return Header(*size, reducible=data[at - length + 2] == components)
    raise PhotoError("damaged: it has too many parts")


def _webp(data: bytes) -> Header:
    if len(data) < 8 + int(struct.unpack_from("<I", data, 4)[0]):
        raise PhotoError("truncated: the file ends too early")
    kind = data[12:16]
    if kind == b"VP8X":
        return Header(1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little"))
    if kind == b"VP8L":
        bits = int(struct.unpack_from("<I", data, 21)[0])
        return Header(1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    width, height = struct.unpack_from("<HH", data, 26)
    return Header(width & 0x3FFF, height & 0x3FFF)


def _bmp(data: bytes) -> Header:
    if len(data) < int(struct.unpack_from("<I", data, 2)[0]):
        raise PhotoError("truncated: the file ends too early")
    width, height = struct.unpack_from("<ii", data, 18)
    return Header(abs(width), abs(height))


# ISO/IEC 23008-12: the brands of pictures; mif1 and msf1 are those of any coding.
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_FTYP = b"ftyp"
_BOX = struct.Struct(">I4s")
_META_HEAD = 4


def _is_image(data: bytes) -> bool:
    return data[8:12] in _HEIC_BRANDS | _AVIF_BRANDS


def _heic(data: bytes) -> Header:
    length = int(struct.unpack_from(">I", data)[0])
    brands = {data[at : at + 4] for at in (8, *range(16, min(length, 16 + 4 * _MAX_BRANDS), 4))}
    if not _is_image(data):
        raise PhotoError("a video; take a picture of it that shows the face")
    if brands & _AVIF_BRANDS:
        raise PhotoError("an AVIF photo; save it as JPEG or PNG")
    if find_spec("pi_heif") is None:
        raise PhotoError("a HEIC photo; save it as JPEG, or install the extra heic: pip install 'edgeface[heic]'")
    properties = _within(_within(_within(memoryview(data), b"meta")[_META_HEAD:], b"iprp"), b"ipco")
    # A picture of tiles has the size of a tile and that of the whole, and perhaps that of a preview.
    sizes = [struct.unpack_from(">II", box, 4) for kind, box in _boxes(properties) if kind == b"ispe"]
    if not sizes:
        raise PhotoError("damaged: not a whole HEIC photo")
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    return Header(width, height)


def _within(data: memoryview, wanted: bytes) -> memoryview:
    """The content of the first box of a kind; raises PhotoError if there is none."""
    # To the last box, which shows whether the file is whole.
    found = [box for kind, box in _boxes(data) if kind == wanted]
    if not found:
        raise PhotoError("damaged: not a whole HEIC photo")
    return found[0]


def _boxes(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Kind and content of the boxes of ISO/IEC 14496-12, in order; raises PhotoError if one ends too early."""
    at = 0
    for _ in range(_MAX_PARTS):
        if at == len(data):
            return
        length, kind = _BOX.unpack_from(data, at)
        head = _BOX.size
        if length == 1:
            head, length = 16, int(struct.unpack_from(">Q", data, at + 8)[0])
        # A length of 0 is "to the end of the file".
        end = len(data) if length == 0 else at + length
        if not at + head <= end <= len(data):
            raise PhotoError("truncated: the file ends too early")
        yield kind, data[at + head : end]
        at = end
    raise PhotoError("damaged: it has too many parts")


_FORMATS: tuple[tuple[bytes, int, Callable[[bytes], Header]], ...] = (
    (b"\xff\xd8\xff", 0, _jpeg),
    (b"\x89PNG\r\n\x1a\n", 0, _png),
    (b"WEBP", 8, _webp),
    (b"BM", 0, _bmp),
    (_FTYP, 4, _heic),
)
_UNSUPPORTED = (
    (b"gif8", 0, "a GIF"),
    (b"ii*\0", 0, "a TIFF or raw photo"),
    (b"mm\0*", 0, "a TIFF or raw photo"),
    (b"\0\0\0\x0cjxl ", 0, "a JPEG XL photo"),
    (b"\xff\x0a", 0, "a JPEG XL photo"),
    (b"\0\0\0\x0cjp", 0, "a JPEG 2000 photo"),
    (b"<svg", 0, "an SVG"),
    (b"%pdf", 0, "a PDF"),
    (b"<?xml", 0, "an SVG"),
)
