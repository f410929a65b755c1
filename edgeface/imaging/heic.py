"""Decodes HEIC photos in the sandbox's process, with libheif and libde265 (the package pi-heif)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgeface.imaging.sandbox import HEIC_SECONDS, serve_photos

if TYPE_CHECKING:
    from numpy.typing import NDArray


def decoded(data: bytes, _: int = 1) -> NDArray[Any] | None:
    """The photo as BGR, upright as libheif turns it; None if it cannot be decoded."""
    import pi_heif

    # Each thread would reserve address space, which the sandbox limits.
    pi_heif.options.DECODE_THREADS = 1
    try:
        # The pixels are decoded once they are asked for. Its EXIF repeats the turn and is not applied again.
        photo = pi_heif.open_heif(data, bgr_mode=True)
        image = np.asarray(photo)
    except (ValueError, RuntimeError, SyntaxError, OSError, EOFError, MemoryError):
        return None
    # The array does not own its memory: it would be freed with `photo`.
    return image[:, :, :3].copy() if image.ndim == 3 and image.dtype == np.uint8 else None  # noqa: PLR2004


if __name__ == "__main__":
    # Before the sandbox closes the file system.
    import pi_heif  # noqa: F401

    serve_photos(decoded, HEIC_SECONDS)
