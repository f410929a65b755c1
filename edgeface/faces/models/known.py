"""The model files that edgeface knows and does not ship: a user brings them, `edgeface models add` converts them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgeface.faces.models.minifasnet_network import V1SE, V2

if TYPE_CHECKING:
    from edgeface.faces.models.minifasnet_network import Architecture

FOLDER = "models"
"""Below the data folder."""

_COMMIT = "b6d5f04a"
_MINIFASNET = f"https://github.com/minivision-ai/Silent-Face-Anti-Spoofing/raw/{_COMMIT}/resources/anti_spoof_models"


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A file that a user may bring, and what it becomes."""

    name: str
    purpose: str
    setting: str
    """The key of config.yaml that names it."""
    type: str | None
    """The `type` that the key's section must have; None if it has none."""
    file: str
    """The name of the file at its source."""
    size: int
    """Bytes of that file."""
    sha256: str
    """Of that file."""
    source: str
    """Where to download it."""
    licence: str
    architecture: Architecture
    converted: str
    """SHA-256 of the .tflite file that it becomes."""

    @property
    def installed(self) -> str:
        """The name of the converted file in FOLDER."""
        return f"{self.name}.tflite"


MINIFASNET_V2 = KnownModel(
    name="minifasnet-v2",
    purpose="liveness: screens and prints, close to the face",
    setting="liveness.near",
    type="minifasnet",
    file="2.7_80x80_MiniFASNetV2.pth",
    size=1_849_453,
    sha256="a5eb02e1843f19b5386b953cc4c9f011c3f985d0ee2bb9819eea9a142099bec0",
    source=f"{_MINIFASNET}/2.7_80x80_MiniFASNetV2.pth",
    licence="Apache-2.0 (of the repository; the training photos are not named)",
    architecture=V2,
    converted="1355fd008b17fbbf39661dd08888b315ec79d20324d470e6f79aa9b28daa50c4",
)
MINIFASNET_V1SE = KnownModel(
    name="minifasnet-v1se",
    purpose="liveness: screens and prints, with their surroundings",
    setting="liveness.wide",
    type="minifasnet",
    file="4_0_0_80x80_MiniFASNetV1SE.pth",
    size=1_856_130,
    sha256="84ee1d37d96894d5e82de5a57df044ef80a58be2b218b5ed7cdfd875ec2f5990",
    source=f"{_MINIFASNET}/4_0_0_80x80_MiniFASNetV1SE.pth",
    licence="Apache-2.0 (of the repository; the training photos are not named)",
    architecture=V1SE,
    converted="c34242c8e46e9d9aeb2653acea76770ea8d14506afa3056487f175d999db0d9b",
)

KNOWN = (MINIFASNET_V2, MINIFASNET_V1SE)
