"""QR codes as `edgeface pass` draws them. OpenCV's own encoder makes codes that OpenCV 4.10 cannot read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from edgeface.core.types import Image

_QUIET = 4
"""Modules of white around a code (ISO/IEC 18004)."""


def modules(text: str) -> Image:
    """A code with its quiet zone: one grey pixel for each module."""
    segno = pytest.importorskip("segno", reason="the extra `pass`")
    dark = np.array([list(row) for row in segno.make_qr(text, error="l", boost_error=False).matrix], np.uint8)
    return np.asarray(np.pad(255 * (1 - dark), _QUIET, constant_values=255), np.uint8)
