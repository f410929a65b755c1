"""Pictures as a camera would see them, made from the test photographs."""

from pathlib import Path

import numpy as np

from edgeface.chain import Chain
from edgeface.opencv import cv2
from edgeface.photos import load
from edgeface.portrait import face_of, faces
from edgeface.types import Embedding, Image

DATA = Path(__file__).parent / "data"


def frame(chain: Chain, name: str, *, mirrored: bool = False, height: int = 170, cap: bool = False) -> Image:
    """A 640 x 480 picture with the face of a photo `height` pixels high in its middle, with a cap on or not."""
    image = load(DATA / f"{name}.jpg")
    (face,) = faces(chain, image)
    scale = height / face.detection.box.height
    x, y = face.detection.box.centre
    move = np.array([[scale, 0, 320 - scale * x], [0, scale, 240 - scale * y]])
    shown = cv2.warpAffine(image, move, (640, 480), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    if cap:
        shown[: 240 - round(0.4 * height)] = 40
    return np.ascontiguousarray(shown[:, ::-1] if mirrored else shown)


def session(chain: Chain) -> list[Image]:
    """Somebody who comes close, looks ahead, turns to one side and the other, and puts a cap on."""
    return [
        np.full((480, 640, 3), 100, np.uint8),
        frame(chain, "obama", height=40),
        frame(chain, "obama"),
        frame(chain, "obama"),
        frame(chain, "obama2"),
        frame(chain, "obama2", mirrored=True),
        frame(chain, "obama", cap=True),
        frame(chain, "obama2", cap=True),
    ]


def embedding_of(chain: Chain, photo: Image) -> Embedding:
    """What the embedder makes of the one face of a photo."""
    face = face_of(chain, photo)
    return chain.embed(face.image, face.detection)
