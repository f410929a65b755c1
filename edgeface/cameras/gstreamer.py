"""Cameras that GStreamer reads: a Jetson's CSI camera, RTSP with little delay, V4L2, or any pipeline."""

from __future__ import annotations

import re
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import AfterValidator, Field, model_validator

from edgeface.cameras import base, gstreamer_presets
from edgeface.cameras.base import FrameRateLimiter
from edgeface.cameras.gstreamer_presets import Preset
from edgeface.cameras.network import diagnosis, faults
from edgeface.cameras.network.keys import NetworkCamera, has_password
from edgeface.core.clock import SystemClock
from edgeface.core.errors import CameraAddressError, CameraError
from edgeface.core.http.login import divided
from edgeface.core.settings import form
from edgeface.core.types import CameraImage

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from numpy.typing import NDArray

    from edgeface.core.clock import Clock

APT = "python3-gi gir1.2-gstreamer-1.0 gir1.2-gst-plugins-base-1.0"
"""The packages that contain GStreamer for Python."""

# Seconds between two checks of the bus while no frame comes.
_POLL_SECONDS = 0.1
# For an answer of an RTSP server; rtspsrc cannot be stopped while it waits for one.
_ANSWER_SECONDS = 4.0

_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^\s\"'!]+", re.IGNORECASE)

_Timeout = Annotated[float, Field(gt=0, le=60)]
_Text = Annotated[str, Field(min_length=1, max_length=4000)]
_require_rtsp = partial(base.require_address, schemes=("rtsp", "rtsps"))
_Address = Annotated[str, Field(max_length=2000), AfterValidator(_require_rtsp)]


class GstreamerCamera(NetworkCamera):
    """A camera that a GStreamer pipeline reads: a preset with its keys, or a pipeline."""

    restartless = NetworkCamera.restartless | {"insecure"}

    type: Literal["gstreamer"] = "gstreamer"
    preset: Preset | None = None
    """rtsp, jetson_rtsp (nvv4l2decoder), jetson_csi (nvarguscamerasrc), v4l2 or test."""
    pipeline: Annotated[_Text | None, Field(repr=False)] = None
    """What gst-launch-1.0 would accept, without a sink: edgeface appends its own."""
    url: Annotated[_Address | None, Field(repr=False)] = None
    """rtsp:// or rtsps://user:password@host:port/path"""
    transport: Literal["tcp", "udp"] = "tcp"
    """How an RTSP camera sends: udp delays less on a bad network, and loses packets; if it is refused, tcp is used."""
    latency: Annotated[int, Field(ge=0, le=10_000)] = 100
    """Maximum milliseconds to wait for a packet that is out of order."""
    codec: Literal["h264", "h265"] = "h264"
    """The codec that the camera sends, for jetson_rtsp."""
    device: Annotated[
        str,
        Field(
            pattern=r"^/dev/[A-Za-z0-9/_.:-]+$", max_length=200, json_schema_extra=form("a device such as /dev/video0")
        ),
    ] = "/dev/video0"
    """A V4L2 camera."""
    sensor: Annotated[int, Field(ge=0, le=15)] = 0
    """Number of a Jetson's CSI camera."""
    pattern: Literal["ball", "snow", "smpte"] = "ball"
    """For the preset test; smpte is still except for a corner of noise."""
    open_timeout: _Timeout = 10.0
    """Maximum seconds to wait for the first frame."""
    read_timeout: _Timeout = 2.0
    """Maximum seconds to wait for the next frame."""
    insecure: bool = False
    """Allow doors at this camera although its pictures come from another machine in plaintext."""

    @model_validator(mode="after")
    def _require_matching_keys(self) -> GstreamerCamera:
        if (self.preset is None) == (self.pipeline is None):
            raise ValueError("give a preset or a pipeline")
        all_keys = frozenset[str]().union(*gstreamer_presets.KEYS.values())
        allowed = gstreamer_presets.KEYS[self.preset] if self.preset is not None else frozenset()
        if unused := sorted(self.model_fields_set & (all_keys - allowed)):
            raise ValueError(f"{unused[0]} cannot be combined with {self.preset or 'a pipeline'}")
        if "url" in allowed and self.url is None:
            raise ValueError(f"{self.preset} needs a url")
        self.require_one_login(self.url or "")
        for address in _URL.findall(self.pipeline or ""):
            base.require_no_placeholder(address)
        return self

    @property
    def label(self) -> str:
        """The source as it may be shown."""
        if self.url is not None:
            return base.public_part(self.url)
        return self.device if self.preset == "v4l2" else self.preset or "the pipeline"

    @property
    def local_device(self) -> str | None:
        """A V4L2 device or a Jetson's CSI camera; None for streams and for a pipeline of your own."""
        return {"v4l2": self.device, "jetson_csi": f"CSI camera {self.sensor}"}.get(self.preset or "")

    @property
    def keys_in_use(self) -> frozenset[str]:
        """Those of its preset; none for a pipeline, which has everything in its text."""
        return gstreamer_presets.KEYS[self.preset] if self.preset is not None else frozenset()

    @property
    def recorded(self) -> bool:
        """True for the test picture; what a pipeline of one's own reads is not known."""
        return self.preset == "test"

    def hosts(self) -> tuple[str, ...]:
        """The hosts of `url` and of every address in `pipeline`."""
        return base.hosts_of(self.url or "", *_URL.findall(self.pipeline or ""))

    def plaintext(self) -> tuple[tuple[str, str], ...]:
        """The hosts of `url`, and of every address and network element in `pipeline`, without encryption."""
        if self.insecure:
            return ()
        given = [("url", self.url or ""), *(("pipeline", address) for address in self._addresses())]
        hosts = [(key, base.plaintext_host(address)) for key, address in given]
        return tuple((key, host) for key, host in hosts if host)

    def keys_with_passwords(self) -> tuple[str, ...]:
        """`url` or `pipeline`, if an address in it has a password."""
        given = {"url": [self.url or ""], "pipeline": _URL.findall(self.pipeline or "")}
        return tuple(key for key, addresses in given.items() if any(map(has_password, addresses)))

    def require_login(self) -> None:
        """Ask the camera of `url`, without a pipeline."""
        if self.url is not None:
            diagnosis.require_login(self.logged_in(self.url), self.label, SystemClock(), verify=True)

    def _addresses(self) -> list[str]:
        text = self.pipeline or ""
        return [*_URL.findall(text), *gstreamer_presets.network_elements(text)]

    def require_packages(self) -> None:
        """Raises CameraError if GStreamer for Python is missing."""
        _gstreamer()

    @classmethod
    def require_software(cls, board: str) -> None:
        """Raises CameraError if GStreamer for Python is missing on a Jetson, whose CSI cameras need it."""
        if "NVIDIA" in board:
            _gstreamer()

    def play(self, clock: Clock) -> Generator[CameraImage, None, None]:
        """Start the pipeline and yield its newest images; a timestamp is the buffer's (PTS), None if it has none.

        Raises CameraError if GStreamer or a plugin is missing, on an error, at the end, or if no frame comes in time.
        """
        running, problem, begun = self._start(), None, False
        try:
            limiter = FrameRateLimiter(self.fps)
            for sample in self._samples(running, clock):
                begun = True
                if limiter.due(clock.monotonic()):
                    yield self._image(running, sample)
        except CameraError as error:
            problem = error
        finally:
            running.pipeline.set_state(running.gst.State.NULL)
        if problem is not None:
            # The pipeline has left the camera, which may serve only one at a time.
            raise (None if begun else self._fault(problem, clock)) or problem

    def _fault(self, problem: CameraError, clock: Clock) -> CameraError | None:
        """What is wrong with an RTSP camera that gave no image."""
        if self.url is None or isinstance(problem, CameraAddressError):
            return None
        return diagnosis.fault(self.logged_in(self.url), self.label, clock, verify=True)

    def launch_text(self) -> str:
        """The pipeline as gst-launch accepts it; addresses and devices become properties of the element `source`."""
        if self.preset is None:
            return f"{(self.pipeline or '').strip()} ! {gstreamer_presets.TAIL}"
        protocols = "tcp" if self.transport == "tcp" else "udp+tcp"
        rtsp = f"rtspsrc name=source protocols={protocols} latency={self.latency} ! application/x-rtp,media=video"
        raw, nvmm = self._caps("video/x-raw"), self._caps("video/x-raw(memory:NVMM)")
        heads: dict[Preset, str] = {
            "rtsp": f"{rtsp} ! decodebin",
            "jetson_rtsp": f"{rtsp} ! rtp{self.codec}depay ! {self.codec}parse ! nvv4l2decoder ! nvvidconv",
            "jetson_csi": f"nvarguscamerasrc sensor-id={self.sensor} ! {nvmm} ! nvvidconv ! video/x-raw,format=BGRx",
            "v4l2": f'v4l2src name=source ! capsfilter caps="{raw};{self._caps("image/jpeg")}" ! decodebin',
            "test": f"videotestsrc is-live=true pattern={self.pattern} ! {raw}",
        }
        return f"{heads[self.preset]} ! {gstreamer_presets.TAIL}"

    def _caps(self, media: str) -> str:
        parts = [media]
        if (size := self.unrotated_size()) is not None:
            parts += [f"width={size[0]}", f"height={size[1]}"]
        # A V4L2 camera has its own rates; FrameRateLimiter drops the rest.
        if self.fps is not None and self.preset != "v4l2":
            parts.append(f"framerate={round(self.fps * 1000)}/1000")
        return ",".join(parts)

    def _start(self) -> _Running:
        gst, video = _gstreamer()
        try:
            pipeline = gst.parse_launch(self.launch_text())
        except import_module("gi.repository.GLib").Error as error:
            raise gstreamer_presets.parse_error(error) from None
        sink = _only_sink(gst, pipeline)
        self._configure(pipeline.get_by_name("source") if self.preset is not None else None)
        # A failure is reported on the bus.
        pipeline.set_state(gst.State.PLAYING)
        return _Running(gst, video, pipeline, sink, pipeline.get_bus())

    def _configure(self, source: Any) -> None:
        """Set text as properties: inside a pipeline's text a quote or a space would end it."""
        if source is not None and self.url is not None:
            source.set_property("location", self.logged_in(self.url))
            seconds = max(min(self.open_timeout, _ANSWER_SECONDS), self.read_timeout)
            source.set_property("tcp-timeout", round(seconds * 1e6))
        elif source is not None:
            source.set_property("device", self.device)

    def _samples(self, running: _Running, clock: Clock) -> Iterator[Any]:
        last, timeout = clock.monotonic(), self.open_timeout
        poll_ns, doubted = round(_POLL_SECONDS * running.gst.SECOND), self.url is None
        while True:
            sample = running.sink.emit("try-pull-sample", poll_ns)
            self._require_running(running)
            # A decoder that joins a stream between two key frames delivers smears, and marks them.
            if sample is not None and not sample.get_buffer().has_flags(running.gst.BufferFlags.CORRUPTED):
                last, timeout, doubted = clock.monotonic(), self.read_timeout, True
                yield sample
                last = clock.monotonic()
            elif clock.monotonic() - last > timeout:
                raise CameraError(f"{self.label} delivers no image for {timeout:g} s")
            elif not doubted and clock.monotonic() - last > diagnosis.SLOW_SECONDS:
                doubted = True
                self._require_no_certain_fault(clock)

    def _require_no_certain_fault(self, clock: Clock) -> None:
        found = diagnosis.certain_fault(self.logged_in(self.url or ""), self.label, clock, verify=True)
        if found is not None:
            raise found

    def _require_running(self, running: _Running) -> None:
        kinds = running.gst.MessageType
        message = running.bus.pop_filtered(kinds.ERROR | kinds.EOS)
        if message is None:
            return
        if message.type == kinds.EOS:
            raise CameraError(f"{self.label} stopped delivering images")
        error, _ = message.parse_error()
        if self.url is not None and (error.domain, error.code) == gstreamer_presets.WRONG_LOGIN:
            known = self.username is not None or divided(self.url)[1] is not None
            raise faults.of_login(self.label, known=known)
        factory = message.src.get_factory() if isinstance(message.src, running.gst.Element) else None
        element = factory.get_name() if factory else "bin"
        label = self.label if self.preset is not None else f"{self.label}'s {element}"
        raise gstreamer_presets.bus_error(label, error.domain, error.code, element)

    def _image(self, running: _Running, sample: Any) -> CameraImage:
        from edgeface.imaging.opencv import MAX_PIXELS

        # The size may change mid-stream, so read it from each sample.
        info = running.video.VideoInfo.new_from_caps(sample.get_caps())
        if info is None or info.width * info.height > MAX_PIXELS:
            raise CameraError(f"{self.label} delivers images that are too large")
        buffer = sample.get_buffer()
        seconds = None if buffer.pts == running.gst.CLOCK_TIME_NONE else buffer.pts / running.gst.SECOND
        return CameraImage(self.shaped(_rows(running.video, buffer, info)), seconds)


class _Running(NamedTuple):
    """A running pipeline and the modules that control it."""

    gst: Any
    video: Any
    pipeline: Any
    sink: Any
    bus: Any


def _gstreamer() -> tuple[Any, Any]:
    """The modules Gst and GstVideo, initialised; raises CameraError, with the packages to install, without them."""
    try:
        gi = import_module("gi")
        gi.require_version("Gst", "1.0")
        gi.require_version("GstVideo", "1.0")
        gst, video = import_module("gi.repository.Gst"), import_module("gi.repository.GstVideo")
    except ImportError:
        text = f"GStreamer for Python is missing: sudo apt install {APT}, in a venv made with --system-site-packages"
        raise CameraError(text) from None
    except ValueError:
        raise CameraError(f"GStreamer's descriptions are missing: sudo apt install {APT}") from None
    # It returns a pair, or a single value where python3-gst-1.0 is installed.
    gst.init_check(None)
    if not gst.is_initialized():
        raise CameraError("GStreamer cannot start")
    return gst, video


def _only_sink(gst: Any, pipeline: Any) -> Any:
    """Our appsink; raises CameraError if the pipeline shows, writes or sends frames anywhere else."""
    sinks = [child for child in pipeline.children if child.flags & gst.ElementFlags.SINK]
    if len(sinks) != 1 or sinks[0].get_name() != "edgeface_out":
        raise CameraError("the pipeline has a sink of its own: remove it, edgeface appends the only sink")
    return sinks[0]


def _rows(video: Any, buffer: Any, info: Any) -> NDArray[np.uint8]:
    """A buffer's rows without their padding: height x width x 3, a view of one copy."""
    meta = video.buffer_get_video_meta(buffer)
    stride, offset = (meta.stride[0], meta.offset[0]) if meta is not None else (info.stride[0], info.offset[0])
    data = np.frombuffer(buffer.extract_dup(0, buffer.get_size()), np.uint8)
    size = (info.height, info.width, 3)
    # The last row may come without its padding.
    if offset + stride * (info.height - 1) + info.width * 3 > data.size or stride < info.width * 3:
        raise CameraError("GStreamer delivered a truncated frame")
    return np.lib.stride_tricks.as_strided(data[offset:], size, (stride, 3, 1), writeable=False)
