"""A network camera that only gives still pictures, which are fetched several times per second."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import AfterValidator, Field

from edgeface.cameras import base
from edgeface.cameras.network import faults
from edgeface.cameras.network.connection import tls_context
from edgeface.cameras.network.http_client import HttpClient
from edgeface.cameras.network.keys import AddressCamera
from edgeface.core.errors import CameraAddressError, CameraError, PhotoError
from edgeface.core.types import CameraImage

if TYPE_CHECKING:
    from collections.abc import Generator

    from edgeface.cameras.network.http_client import Answer
    from edgeface.core.clock import Clock
    from edgeface.core.types import Image
    from edgeface.imaging.sandbox import PhotoDecoder

_require_http = partial(base.require_address, schemes=("http", "https"))


class SnapshotCamera(AddressCamera):
    """A camera whose address gives one JPEG, PNG, WebP or BMP picture, the newest."""

    type: Literal["snapshot"] = "snapshot"
    url: Annotated[str, Field(max_length=2000, repr=False), AfterValidator(_require_http)]
    """http:// or https://host:port/path of the picture"""
    # Slower, and no one is recognised in time (recognition.settings.MIN_FPS).
    fps: Annotated[float, Field(ge=0.8, le=10)] = 2.0
    """Pictures to fetch per second."""
    read_timeout: Annotated[float, Field(gt=0, le=4)] = 2.0
    """Maximum seconds for a picture."""
    ca: Path | None = Field(default=None, strict=False)
    """CA certificate for https://, PEM; by default the system's."""

    def play(self, clock: Clock) -> Generator[CameraImage, None, None]:
        """Fetch pictures and yield them, also if one is the same as the last, so that a frozen camera is noticed.

        They have no timestamps. Raises CameraError at the first that fails.
        """
        from edgeface.imaging.photos import MAX_BYTES
        from edgeface.imaging.sandbox import PhotoDecoder

        tls = tls_context(ca=self.ca) if self.url.lower().startswith("https:") else None
        client = HttpClient(self.logged_in(self.url), self.label, clock, tls)
        data, image = b"", None
        with closing(PhotoDecoder()) as decoder:
            while True:
                due = clock.monotonic() + 1 / self.fps
                answer = client.get(MAX_BYTES + 1, self.read_timeout)
                if image is None or answer.body != data:
                    data, image = answer.body, self._decoded(answer, decoder)
                yield CameraImage(image, None)
                clock.sleep(max(0.0, due - clock.monotonic()))

    def _decoded(self, answer: Answer, decoder: PhotoDecoder) -> Image:
        from edgeface.imaging import photos

        if answer.kind.startswith("multipart/"):
            raise CameraAddressError(f"{self.label} {faults.STREAM}")
        if (content := faults.no_picture(answer.kind)) is not None:
            raise CameraAddressError(f"{self.label} {faults.NO_PICTURE.format(content=content)}")
        if len(answer.body) > photos.MAX_BYTES:
            raise CameraError(f"{self.label} gives a picture of more than {photos.MAX_BYTES / 1e6:.0f} MB")
        try:
            rgb = decoder.decode(answer.body, photos.check(answer.body))
        except PhotoError as error:
            raise CameraError(f"{self.label} gives a picture that cannot be used: {error}") from error
        return self.shaped(np.ascontiguousarray(rgb[..., ::-1]))
