"""What GStreamer reads: a Jetson's CSI camera, RTSP with little delay, V4L2, or any pipeline."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import AfterValidator, Field, model_validator

from edgeface.cameras import base, gstreamer_presets
from edgeface.cameras.base import CameraBase, FrameRateLimiter
from edgeface.cameras.gstreamer_presets import Preset
from edgeface.core.clock import SystemClock
from edgeface.core.errors import CameraError
from edgeface.core.types import CameraImage

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from numpy.typing import NDArray

    from edgeface.core.clock import Clock

APT = "python3-gi gir1.2-gstreamer-1.0 gir1.2-gst-plugins-base-1.0"
"""The packages that GStreamer for Python comes from."""

# How often the bus is looked at while no picture comes, seconds.
_SLICE = 0.1

_Timeout = Annotated[float, Field(gt=0, le=60)]
_Text = Annotated[str, Field(min_length=1, max_length=4000)]


def _stream(url: str) -> str:
    return base.checked(url, ("rtsp", "rtsps"))


_Address = Annotated[str, Field(max_length=2000), AfterValidator(_stream)]


class GstreamerCamera(CameraBase):
    """A camera that a GStreamer pipeline reads: a preset with its keys, or a pipeline."""

    type: Literal["gstreamer"] = "gstreamer"
    preset: Preset | None = None
    """rtsp, jetson_rtsp (nvv4l2decoder), jetson_csi (nvarguscamerasrc), v4l2 or test."""
    pipeline: Annotated[_Text | None, Field(repr=False)] = None
    """What gst-launch-1.0 would be given, without a sink: ours comes behind it."""
    url: Annotated[_Address | None, Field(repr=False)] = None
    """rtsp:// or rtsps://user:password@host:port/path"""
    latency: Annotated[int, Field(ge=0, le=10_000)] = 100
    """Most milliseconds that a packet out of order is waited for."""
    codec: Literal["h264", "h265"] = "h264"
    """What the camera sends, for jetson_rtsp."""
    device: Annotated[str, Field(pattern=r"^/dev/[A-Za-z0-9/_.:-]+$", max_length=200)] = "/dev/video0"
    """A V4L2 camera."""
    sensor: Annotated[int, Field(ge=0, le=15)] = 0
    """Number of a Jetson's CSI camera."""
    pattern: Literal["ball", "snow", "smpte"] = "ball"
    """Of test: smpte stands still but for a corner of noise."""
    open_timeout: _Timeout = 10.0
    """Seconds that the first picture may take."""
    read_timeout: _Timeout = 2.0
    """Seconds that the next picture may take."""

    @model_validator(mode="after")
    def _keys_go_together(self) -> GstreamerCamera:
        if (self.preset is None) == (self.pipeline is None):
            raise ValueError("give a preset or a pipeline")
        every = frozenset[str]().union(*gstreamer_presets.KEYS.values())
        known = gstreamer_presets.KEYS[self.preset] if self.preset is not None else frozenset()
        if strange := sorted(self.model_fields_set & (every - known)):
            raise ValueError(f"{strange[0]} does not go with {self.preset or 'a pipeline'}")
        if "url" in known and self.url is None:
            raise ValueError(f"{self.preset} needs a url")
        return self

    @property
    def label(self) -> str:
        """The source as it may be shown."""
        if self.url is not None:
            return base.shown(self.url)
        return self.device if self.preset == "v4l2" else self.preset or "the pipeline"

    def images(self) -> Generator[CameraImage, None, None]:
        """Start the pipeline and give its newest pictures; a timestamp is the buffer's (PTS), None where it has none.

        CameraError when GStreamer or a plugin is missing, and for an error, an end, or no picture in time.
        """
        return self._live(SystemClock())

    def launch_text(self) -> str:
        """What gst-launch would be given; addresses and devices are set as properties of the element `source`."""
        if self.preset is None:
            return f"{(self.pipeline or '').strip()} ! {gstreamer_presets.TAIL}"
        rtsp = f"rtspsrc name=source protocols=tcp latency={self.latency} ! application/x-rtp,media=video"
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
        if self.size is not None:
            width, height = self.size if self.rotation in {0, 180} else self.size[::-1]
            parts += [f"width={width}", f"height={height}"]
        # A V4L2 camera has rates of its own: there the rest is thinned out.
        if self.fps is not None and self.preset != "v4l2":
            parts.append(f"framerate={round(self.fps * 1000)}/1000")
        return ",".join(parts)

    def _live(self, clock: Clock) -> Generator[CameraImage, None, None]:
        running = self._started()
        try:
            thinner = FrameRateLimiter(self.fps)
            for sample in self._samples(running, clock):
                if thinner.due(clock.monotonic()):
                    yield self._picture(running, sample)
        finally:
            running.pipeline.set_state(running.gst.State.NULL)

    def _started(self) -> _Running:
        gst, video = _gstreamer()
        try:
            pipeline = gst.parse_launch(self.launch_text())
        except import_module("gi.repository.GLib").Error as error:
            raise gstreamer_presets.unparsed(error) from None
        sink = _only_sink(gst, pipeline)
        self._configure(pipeline.get_by_name("source") if self.preset is not None else None)
        # A failure is told on the bus.
        pipeline.set_state(gst.State.PLAYING)
        return _Running(gst, video, pipeline, sink, pipeline.get_bus())

    def _configure(self, source: Any) -> None:
        """Set what is text as properties: inside a pipeline's text a quote or a blank would end it."""
        if source is not None and self.url is not None:
            source.set_property("location", self.url)
            source.set_property("tcp-timeout", round(self.open_timeout * 1e6))
        elif source is not None:
            source.set_property("device", self.device)

    def _samples(self, running: _Running, clock: Clock) -> Iterator[Any]:
        last, patience = clock.monotonic(), self.open_timeout
        slice_ns = round(_SLICE * running.gst.SECOND)
        while True:
            sample = running.sink.emit("try-pull-sample", slice_ns)
            self._require_well(running)
            # A decoder that joins a stream between two key frames gives smears, and says so.
            if sample is not None and not sample.get_buffer().has_flags(running.gst.BufferFlags.CORRUPTED):
                last, patience = clock.monotonic(), self.read_timeout
                yield sample
                last = clock.monotonic()
            elif clock.monotonic() - last > patience:
                raise CameraError(f"{self.label} gives no picture for {patience:g} s")

    def _require_well(self, running: _Running) -> None:
        kinds = running.gst.MessageType
        message = running.bus.pop_filtered(kinds.ERROR | kinds.EOS)
        if message is None:
            return
        if message.type == kinds.EOS:
            raise CameraError(f"{self.label} stopped giving pictures")
        error, _ = message.parse_error()
        factory = message.src.get_factory() if isinstance(message.src, running.gst.Element) else None
        element = factory.get_name() if factory else "bin"
        label = self.label if self.preset is not None else f"{self.label}'s {element}"
        raise gstreamer_presets.failed(label, error.domain, error.code, element)

    def _picture(self, running: _Running, sample: Any) -> CameraImage:
        from edgeface.imaging.opencv import MAX_PIXELS

        # The size may change in mid-stream, so each sample is taken at its own word.
        info = running.video.VideoInfo.new_from_caps(sample.get_caps())
        if info is None or info.width * info.height > MAX_PIXELS:
            raise CameraError(f"{self.label} gives pictures that are too large")
        buffer = sample.get_buffer()
        known = buffer.pts != running.gst.CLOCK_TIME_NONE
        bgr = _rows(running.video, buffer, info)
        return CameraImage(self.shaped(bgr), buffer.pts / running.gst.SECOND if known else None)


def require() -> None:
    """Find GStreamer for Python; CameraError, with the packages to install, when it is missing."""
    _gstreamer()


class _Running(NamedTuple):
    """A pipeline that plays, and the modules that it is spoken to with."""

    gst: Any
    video: Any
    pipeline: Any
    sink: Any
    bus: Any


def _gstreamer() -> tuple[Any, Any]:
    """The modules Gst and GstVideo, initialised."""
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
    # Its answer is a pair, or one word where python3-gst-1.0 is installed.
    gst.init_check(None)
    if not gst.is_initialized():
        raise CameraError("GStreamer cannot start")
    return gst, video


def _only_sink(gst: Any, pipeline: Any) -> Any:
    """Our appsink; CameraError when the pipeline shows, writes or sends pictures anywhere else."""
    sinks = [child for child in pipeline.children if child.flags & gst.ElementFlags.SINK]
    if len(sinks) != 1 or sinks[0].get_name() != "edgeface_out":
        raise CameraError("the pipeline has a sink of its own: leave it out, pictures go nowhere but here")
    return sinks[0]


def _rows(video: Any, buffer: Any, info: Any) -> NDArray[np.uint8]:
    """A buffer's rows without their padding: height x width x 3, a view of one copy."""
    meta = video.buffer_get_video_meta(buffer)
    stride, offset = (meta.stride[0], meta.offset[0]) if meta is not None else (info.stride[0], info.offset[0])
    data = np.frombuffer(buffer.extract_dup(0, buffer.get_size()), np.uint8)
    size = (info.height, info.width, 3)
    # The last row may come without its padding.
    if offset + stride * (info.height - 1) + info.width * 3 > data.size or stride < info.width * 3:
        raise CameraError("GStreamer gave a picture that is cut short")
    return np.lib.stride_tricks.as_strided(data[offset:], size, (stride, 3, 1), writeable=False)
