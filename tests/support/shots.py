"""Pictures as a camera would see them, made from the test photographs."""

from pathlib import Path

import numpy as np

from edgeface.core.types import Embedding, Image
from edgeface.faces.analyzer import FaceAnalyzer
from edgeface.faces.photo_face import faces, find_face
from edgeface.imaging.opencv import cv2
from edgeface.imaging.photos import load

DATA = Path(__file__).parents[1] / "data"


def frame(analyzer: FaceAnalyzer, name: str, *, mirrored: bool = False, height: int = 170, cap: bool = False) -> Image:
    """A 640 x 480 picture with the face of a photo `height` pixels high in its middle, with a cap on or not."""
    image = load(DATA / f"{name}.jpg")
    (face,) = faces(analyzer, image)
    scale = height / face.detection.box.height
    x, y = face.detection.box.centre
    move = np.array([[scale, 0, 320 - scale * x], [0, scale, 240 - scale * y]])
    shown = cv2.warpAffine(image, move, (640, 480), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    if cap:
        shown[: 240 - round(0.4 * height)] = 40
    return np.ascontiguousarray(shown[:, ::-1] if mirrored else shown)


def session(analyzer: FaceAnalyzer) -> list[Image]:
    """Somebody who comes close, looks ahead, turns to one side and the other, and puts a cap on."""
    return [
        np.full((480, 640, 3), 100, np.uint8),
        frame(analyzer, "obama", height=40),
        frame(analyzer, "obama"),
        frame(analyzer, "obama"),
        frame(analyzer, "obama2"),
        frame(analyzer, "obama2", mirrored=True),
        frame(analyzer, "obama", cap=True),
        frame(analyzer, "obama2", cap=True),
    ]


def embedding_of(analyzer: FaceAnalyzer, photo: Image) -> Embedding:
    """What the embedder makes of the one face of a photo."""
    face = find_face(analyzer, photo)
    return analyzer.embed(face.image, face.detection)
