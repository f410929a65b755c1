"""What every camera type shares: its keys, what the rest of the program may ask of it, and how images are shaped."""

from __future__ import annotations

import re
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from edgeface.core.clock import SystemClock
from edgeface.core.errors import CameraError
from edgeface.core.settings import Id, Settings, Unit
from edgeface.core.text import is_one_line
from edgeface.imaging.resize import resized

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from numpy.typing import NDArray

    from edgeface.core.clock import Clock
    from edgeface.core.types import CameraImage, Image


MAX_NAME = 60
"""Characters of a camera's display name."""


def _require_one_line(name: str) -> str:
    if not is_one_line(name):
        raise ValueError("a name is one line of printable text, without blanks at its ends or several in a row")
    return name


_Side = Annotated[int, Field(ge=32, le=7680)]
_Fraction = Annotated[float, Field(ge=0, le=1)]

_ENCRYPTED = frozenset({"https", "rtsps", "rtspsu", "rtspst", "rtspsh", "rtmps", "wss"})
_AUTHORITY = re.compile(r"(?:[^@/?#\s]*@)?([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?")
_PLACEHOLDER = re.compile(r"\$?\{\{?\s*[A-Za-z0-9_.:-]*\s*\}?\}|\$\([A-Za-z0-9_]+\)")
_MAX_PORT = 65535


class Camera(Protocol):
    """A source of images; the settings object of a camera is the camera."""

    def images(self) -> Generator[CameraImage, None, None]:
        """Open the device and yield images until a clip ends; raises CameraError. It holds all state of the device.

        Closing the generator closes the device.
        """


@dataclass(frozen=True, slots=True)
class AttachedCamera:
    """A camera that is plugged into this machine."""

    name: str
    """Names its snapshot file."""
    where: str
    what: str
    camera: CameraBase | None
    """None if it cannot deliver a frame."""
    hint: str
    """What to write into config.yaml, or what to do first."""


class CameraBase(Settings):
    """The keys of every camera, and what other rooms ask of it; a camera type overrides what its defaults miss."""

    restartless: ClassVar[frozenset[str]] = frozenset({"name", "region", "people"})

    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME), AfterValidator(_require_one_line)] | None = None
    """What people call the camera; left out: its ID. Topics, doors, rules and the journal have the ID."""
    rotation: Literal[0, 90, 180, 270] = 0
    """Degrees to rotate the image clockwise."""
    flip: Literal["none", "horizontal", "vertical"] = "none"
    """horizontal swaps left and right, vertical swaps top and bottom; after rotation."""
    size: Annotated[tuple[_Side, _Side] | None, Field(strict=False, examples=[[1280, 720]])] = None
    """[width, height] in pixels to scale the image to, after rotation and flip; left out: the camera's own size."""
    fps: Annotated[float, Field(ge=0.5, le=240)] | None = None
    """Maximum frames per second; left out: no limit. Below 0.8, people are not recognised in time."""
    region: Annotated[
        tuple[_Fraction, _Fraction, _Fraction, _Fraction] | None, Field(strict=False, examples=[[0.2, 0.1, 0.8, 1]])
    ] = None
    """[left, top, right, bottom] as fractions of the image: the area to search for faces; left out: the whole image."""
    people: Id | None = None
    """The group of the people who are matched here; everyone else is unknown. Left out: everyone who is enrolled."""
    enabled: bool = True
    """Whether the camera is on when the daemon starts; MQTT can switch it."""

    @model_validator(mode="after")
    def _require_an_area(self) -> CameraBase:
        if self.region is not None:
            left, top, right, bottom = self.region
            if left >= right or top >= bottom:
                raise ValueError("region is [left, top, right, bottom] with left < right and top < bottom")
        return self

    def images(self) -> Generator[CameraImage, None, None]:
        """Open the device and yield images, as `Camera` describes."""
        return self.play(SystemClock())

    @abstractmethod
    def play(self, clock: Clock) -> Generator[CameraImage, None, None]:
        """As `images`, with the times of `clock`."""

    def hosts(self) -> tuple[str, ...]:
        """The network hosts that this camera connects to; raises CameraError if an address cannot be parsed."""
        return ()

    def plaintext(self) -> tuple[tuple[str, str], ...]:
        """The keys that name a connection in plaintext, each with its host; none if `insecure` allows it."""
        return ()

    def keys_with_passwords(self) -> tuple[str, ...]:
        """The keys whose addresses have a password written into them."""
        return ()

    def why_no_password(self) -> str | None:
        """Why this process cannot read the camera's password, although the service may; None if it can."""
        return None

    def require_login(self) -> None:
        """Raise CameraLoginError if the camera, which has refused the login, still does; the stream is not opened."""

    @property
    def local_device(self) -> str | None:
        """The device of this machine that the camera opens, such as /dev/video0; None if it opens none."""
        return None

    @property
    def exclusive(self) -> bool:
        """Whether only one program can read this camera at a time."""
        return self.local_device is not None

    @property
    def recorded(self) -> bool:
        """Whether it plays a recording, or drawn pictures, by configuration: that its pictures repeat is no attack."""
        return False

    @property
    def missing_file(self) -> bool:
        """Whether its source can only be a file, and there is none."""
        return False

    @property
    def keys_in_use(self) -> frozenset[str]:
        """The keys that this camera reads."""
        return frozenset(type(self).model_fields)

    @property
    def measures(self) -> Unit | None:
        """What its 16-bit values are; None for a camera that takes ordinary pictures."""
        return None

    def same_device(self, other: CameraBase) -> bool:
        """Whether both open the same device of this machine."""
        return self.local_device is not None and self.local_device == other.local_device

    @classmethod
    def attached(cls) -> Iterator[AttachedCamera]:
        """Find the cameras of this type that are plugged into this machine."""
        yield from ()

    def require_packages(self) -> None:
        """Raises CameraError, with the packages to install, if software that this camera needs is missing."""

    @classmethod
    def require_software(cls, board: str) -> None:
        """Raises CameraError, with the packages to install, if this type lacks software on a board of this model."""

    def shaped(self, bgr: NDArray[Any]) -> Image:
        """A camera's BGR image as RGB, rotated, flipped and scaled; always a new array. Raises CameraError."""
        from edgeface.imaging.opencv import cv2

        try:
            image = self.turned_and_flipped(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
            if self.size is not None and (image.shape[1], image.shape[0]) != self.size:
                image = resized(image, self.size, shrinks=self.size[0] < image.shape[1])
        except cv2.error as error:
            raise CameraError(f"an image of shape {bgr.shape} cannot be used ({error.err})") from error
        return image.astype("uint8", copy=False)

    def turned_and_flipped(self, image: NDArray[Any]) -> NDArray[Any]:
        """An image of any kind, rotated and then flipped as the keys say."""
        from edgeface.imaging.opencv import cv2

        if self.rotation:
            turns = {90: cv2.ROTATE_90_CLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_COUNTERCLOCKWISE}
            image = cv2.rotate(image, turns[self.rotation])
        return image if self.flip == "none" else cv2.flip(image, 1 if self.flip == "horizontal" else 0)

    def turned(self, turn: int) -> int:
        """The `rotation` that turns the images of this camera by `turn` more degrees clockwise, flipped as they are."""
        # A flip mirrors the turn, which comes before it.
        return (self.rotation + (turn if self.flip == "none" else -turn)) % 360

    def unrotated_size(self) -> tuple[int, int] | None:
        """`size` as the device sees it, before rotation."""
        return self.size if self.size is None or self.rotation in {0, 180} else self.size[::-1]


class FrameRateLimiter:
    """Keeps at most so many frames per second, evenly spaced, whatever the rate of the source."""

    def __init__(self, fps: float | None) -> None:
        self._period = 0.0 if fps is None else 1 / fps
        self._due: float | None = None

    def due(self, seconds: float) -> bool:
        """Whether to keep the frame of this time; times of one source, rising."""
        # A quarter of a period early still counts, so that jitter does not turn 15 of 30 into 10 of 30.
        slack = self._period / 4
        if self._due is None or abs(seconds - self._due) > 2 * self._period:
            self._due = seconds
        if seconds < self._due - slack:
            return False
        self._due += self._period
        return True


def require_address(address: str, schemes: tuple[str, ...] = ("rtsp", "rtsps", "http", "https")) -> str:
    """Return the address; raises ValueError, without repeating it, if it is malformed or would reveal its password."""
    scheme, _, rest = address.partition("://")
    if scheme.lower() not in schemes:
        raise ValueError(f"a stream's address begins with one of {', '.join(schemes)}")
    require_no_placeholder(address)
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if re.fullmatch(r"([^@]*@)?(:\d*)?", authority):
        raise ValueError("the address names no camera: a host or an IP address belongs after :// and the password")
    # A password with a bare / or @ would be taken for part of the host, and be shown.
    matched = _AUTHORITY.fullmatch(authority)
    if matched is None or "@" in rest[len(authority) :]:
        raise ValueError("the address is not scheme://user:password@host:port/path; write @ as %40, / as %2F, # as %23")
    if int(matched[2] or 0) > _MAX_PORT:
        raise ValueError(f"a port is a number up to {_MAX_PORT}")
    return address


def require_no_placeholder(address: str) -> None:
    """Raise ValueError, without repeating the address, if it has a name in braces, as other programs replace."""
    if _PLACEHOLDER.search(address) is not None:
        raise ValueError(
            "edgeface does not replace {NAME} or ${NAME} in an address: leave user name and password out of it, and set"
            " username with password_env, password_file or password_credential"
        )


def public_part(address: str) -> str:
    """Scheme, host and port alone: cameras put passwords into paths and queries too."""
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{re.split(r'[/?#]', rest, maxsplit=1)[0].rpartition('@')[2]}"


def plaintext_host(address: str) -> str | None:
    """The host from which an address takes pictures in plaintext; None if it is encrypted or names no host."""
    scheme = address.partition("://")[0].lower()
    if scheme in _ENCRYPTED or (scheme == "srt" and "passphrase=" in address):
        return None
    try:
        return next(iter(hosts_of(address)), None)
    except CameraError:
        return "an address that cannot be parsed"


def hosts_of(*addresses: str) -> tuple[str, ...]:
    """The hosts of the addresses that have one; raises CameraError if one cannot be parsed."""
    try:
        found = [urlsplit(address).hostname for address in addresses if not address.startswith("file:")]
    except ValueError:
        raise CameraError("a camera's address cannot be parsed") from None
    return tuple(host for host in found if host)
