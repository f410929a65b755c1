"""What is asked of a search worker over its socket, and what it answers: JSON objects."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

import numpy as np
from pydantic import Field

from edgeface.core.errors import GalleryError
from edgeface.core.settings import Id
from edgeface.core.types import Embedding  # noqa: TC001 - as above
from edgeface.gallery.snapshot import check_embedding
from edgeface.web.api.models import ApiModel

PATH, STATE_PATH = "/search", "/state"
MOST = 50
"""Candidates of one answer."""
MOST_SITES = 500
"""Sites of one question."""


class Question(ApiModel):
    """A face to search for; no photo of it."""

    model: Annotated[str, Field(max_length=120)]
    """The embedder that has made it."""
    embedding: Annotated[str, Field(max_length=24_000)]
    """Base64 of little-endian float32."""
    sites: Annotated[list[Id], Field(max_length=MOST_SITES)] | None
    """Only people of these sites are compared with; null: all."""
    most: Annotated[int, Field(ge=1, le=MOST)]

    def vector(self) -> Embedding:
        """The embedding; raises ValueError unless it is a vector of length one."""
        try:
            vector: Embedding = np.frombuffer(base64.b64decode(self.embedding, validate=True), "<f4").astype(np.float32)
            check_embedding(vector)
        except (binascii.Error, GalleryError):
            raise ValueError("embedding: not base64 of a float32 vector of length one") from None
        return vector


class Nearest(ApiModel):
    """One person who looks like the face."""

    site: str
    person: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    """Their random number."""
    score: float
    """Cosine, -1 to 1."""


class Answer(ApiModel):
    """The people who look most like the face, the best first."""

    candidates: list[Nearest]


class State(ApiModel):
    """What the workers of one machine do, whichever of them answers."""

    people: int
    """Templates in memory."""
    ready: int
    """Workers that can answer."""
    restarts: int
    """Workers that have ended and were replaced."""
    answers: int
    """Searches that were answered."""
    seconds: float
    """Time that these took."""


def to_text(embedding: Embedding) -> str:
    """An embedding as `Question.embedding`."""
    return base64.b64encode(embedding.astype("<f4").tobytes()).decode()
