"""The seeded corpus of hostile pictures: made of bytes alone, so that it is the same with every OpenCV.

`python -m tests.support.hostile` writes the small ones to tests/data/hostile, where README.md says what each is.
"""

from __future__ import annotations

import struct
import zlib
from functools import cache
from pathlib import Path

import numpy as np

DATA = Path(__file__).parents[1] / "data"
FOLDER = DATA / "hostile"
SMALL = 2_000
"""Bytes up to which a picture is kept as a file."""


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, rows: bytes, *more: bytes, depth: int = 8, colour: int = 2, lace: int = 0) -> bytes:
    """A PNG of these raw rows, whatever its header says; `more` chunks come before them."""
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, lace)
    body = zlib.compress(rows, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(more) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def bmp(width: int, height: int, pixels: bytes) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, len(pixels), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(pixels), 0, 0, 54) + head + pixels


def exif(*entries: tuple[int, int, int, int], start: int = 8) -> bytes:
    """An APP1 segment whose directory begins at `start` and has these tags, types, counts and values."""
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    tiff = b"II*\0" + struct.pack("<I", start) + directory + struct.pack("<I", 8)
    return b"\xff\xe1" + struct.pack(">H", 8 + len(tiff)) + b"Exif\0\0" + tiff


def jpeg_head(width: int, height: int) -> bytes:
    """A baseline JPEG with no tables, whose header says a size, and a scan of nothing."""
    frame = struct.pack(">BHHBBBB", 8, height, width, 1, 1, 0x11, 0)
    scan = bytes([1, 1, 0, 0, 63, 0])
    return (
        b"\xff\xd8\xff\xc0"
        + struct.pack(">H", 2 + len(frame))
        + frame
        + b"\xff\xda"
        + struct.pack(">H", 2 + len(scan))
        + scan
        + bytes(64)
        + b"\xff\xd9"
    )


@cache
def photo() -> bytes:
    """A real JPEG."""
    return (DATA / "obama3.jpg").read_bytes()


def _with(segment: bytes) -> bytes:
    return photo()[:2] + segment + photo()[2:]


@cache
def corpus() -> dict[str, bytes]:
    """Name and bytes of each; every one is refused, or is a picture."""
    blank = b"\0" + bytes(3 * 32)
    control = chunk(b"acTL", struct.pack(">II", 10**9, 0))
    riff = b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<I", 10) + bytes([2, 0, 0, 0]) + b"\xff" * 6
    return {
        "empty.jpg": b"",
        "huge-header.jpg": jpeg_head(65535, 65535),
        "no-tables.jpg": jpeg_head(64, 64),
        "no-size.jpg": jpeg_head(0, 64),
        "huge-header.png": png(65535, 65535, blank),
        "largest-header.png": png(2**31 - 1, 2**31 - 1, blank),
        "negative-header.png": png(2**32 - 1, 2**32 - 1, blank),
        "bomb-zeros.png": png(5000, 4999, (b"\0" + bytes(15_000)) * 4999),
        "bomb-deep.png": png(2500, 2500, (b"\0" + bytes(20_000)) * 2500, depth=16, colour=6, lace=1),
        "lying.png": png(4000, 4000, blank),
        "bomb-text.png": png(32, 32, blank * 32, *[chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(4_000_000), 9))] * 50),
        "bomb-profile.png": png(32, 32, blank * 32, chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(30_000_000), 9))),
        "animated.png": png(32, 32, blank * 32, control),
        "chunks.png": png(32, 32, blank * 32, chunk(b"tEXt", b"") * 100_000),
        "chunk-runs-off.png": png(32, 32, blank * 32)[:33] + b"\xff\xff\xff\xffIDAT" + bytes(100),
        "huge-header.bmp": bmp(2**31 - 1, -(2**31), b""),
        "minus.bmp": bmp(-64, -64, bytes(64 * 64 * 3)),
        "animated.webp": riff + bytes(4),
        "huge-header.webp": b"RIFF" + struct.pack("<I", 26) + b"WEBPVP8 " + bytes(10) + b"\xff\x3f\xff\x3f" + bytes(4),
        "animated.gif": b"GIF89a" + struct.pack("<HH", 65535, 65535) + bytes(100),
        "markers.jpg": b"\xff\xd8" + b"\xff\xd0" * 4_000_000 + photo()[2:],
        "fill.jpg": b"\xff\xd8" + b"\xff" * 9_000_000 + photo()[2:],
        "exif-orientation-9.jpg": _with(exif((0x0112, 3, 1, 9))),
        "exif-many.jpg": _with(exif(*[(0x0112, 3, 2**32 - 1, 6)] * 5000)),
        "exif-loop.jpg": _with(exif((0x8769, 4, 1, 8), (0x0112, 3, 1, 6))),
        "exif-outside.jpg": _with(exif((0x0112, 3, 1, 6), start=2**32 - 1)),
        "exif-empty.jpg": _with(b"\xff\xe1\0\x08Exif\0\0"[:10]),
        "polyglot-zip.jpg": photo() + b"PK\x03\x04" + bytes(100) + b"<script>alert(1)</script>",
        "polyglot-html.bmp": bmp(32, 32, (b"*/=1;<script>" * 300)[: 32 * 32 * 3]),
        "half.jpg": photo()[: len(photo()) // 2],
        "two.jpg": photo() * 2,
        "text.png": b"\x89PNG\r\n\x1a\n#!/bin/sh\nrm -rf /\n",
    }


def flipped(seed: int) -> bytes:
    """The real JPEG with 1 to 40 of its bytes changed; every other one in its head, where the tables are."""
    random = np.random.default_rng(seed)
    data = bytearray(photo())
    end = 700 if seed % 2 else len(data)
    for position in random.integers(2, end, random.integers(1, 41)):
        data[position] = random.integers(256)
    return bytes(data)


if __name__ == "__main__":
    for name, content in corpus().items():
        if len(content) <= SMALL:
            (FOLDER / name).write_bytes(content)
