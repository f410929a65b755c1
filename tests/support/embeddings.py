"""Embeddings of people who do not exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from edgeface.core.types import Embedding


def unit(seed: int, size: int = 192) -> Embedding:
    """A unit vector; those of two seeds are far apart."""
    vector = np.random.default_rng(seed).standard_normal(size).astype(np.float32)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)
