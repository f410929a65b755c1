"""An RTSP camera, for the system's own Python: H.264 pictures that carry the time they were taken.

    /usr/bin/python3 tests/support/rtsp_server.py PORT [USER PASSWORD basic|digest]
    /usr/bin/python3 tests/support/rtsp_server.py PORT still
    /usr/bin/python3 tests/support/rtsp_server.py PORT loop SECONDS [stamps]

`still` encodes one picture again and again; `loop` encodes so many seconds once and sends the same bytes in a loop,
with `stamps` their timestamps too.

Its film is at /door, and /sound has no video.

It says "ready" on standard output, then obeys lines on standard input: "size 640 480", "quit".
"""

import random
import sys
import threading
import time
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402 - the versions have to be named first

FPS = 30
BITS = 40
ACROSS = 20
ENCODER = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 bitrate=1500 threads=1"
PAY = "rtph264pay name=pay0 pt=96 config-interval=-1"


SOUND = "( audiotestsrc is-live=true ! audioconvert ! rtpL16pay name=pay0 )"


def coded(milliseconds: int) -> int:
    """32 bits of time and an 8-bit sum of their bytes."""
    time32 = milliseconds & 0xFFFFFFFF
    return time32 << 8 | sum(time32.to_bytes(4, "big")) & 0xFF


def drawn(width: int, height: int, milliseconds: int) -> bytes:
    """I420: two rows of 20 black or white squares with the time, and a bar that wanders below; width in twenties."""
    side, bits = width // ACROSS, coded(milliseconds)
    rows = []
    for first in (0, ACROSS):
        line = b"".join((b"\xeb" if bits >> (BITS - 1 - first - n) & 1 else b"\x10") * side for n in range(ACROSS))
        rows.append(line * side)
    bar = milliseconds // 10 % (width - 16)
    below = b"\x60" * bar + b"\xc0" * 16 + b"\x60" * (width - 16 - bar)
    luma = b"".join(rows) + below * (height - 2 * side)
    return luma + b"\x80" * (width * height // 2)


class Film:
    """Pushes pictures into the source of the one medium that all clients share."""

    def __init__(self) -> None:
        self.size = (320, 240)
        self.source: Any = None
        self.told: object = None

    def attach(self, _factory: object, media: Any) -> None:
        self.source = media.get_element().get_child_by_name("source")
        self.told = None

    def run(self) -> None:
        due = time.monotonic()
        while True:
            due += 1 / FPS
            time.sleep(max(0.0, due - time.monotonic()))
            source = self.source
            if source is not None and source.get_state(0)[1] == Gst.State.PLAYING:
                self.push(source)

    def drawn(self) -> bytes:
        return drawn(*self.size, int(time.monotonic() * 1000))

    def push(self, source: Any) -> None:
        width, height = self.size
        if self.told != (source, self.size):
            self.told = (source, self.size)
            text = f"video/x-raw,format=I420,width={width},height={height},framerate={FPS}/1"
            source.set_property("caps", Gst.Caps.from_string(text))
        source.emit("push-buffer", Gst.Buffer.new_wrapped(self.drawn()))


class Still(Film):
    """One picture with much detail, in which nothing moves."""

    def __init__(self) -> None:
        super().__init__()
        width, height = self.size
        dots = random.Random(1)
        luma = bytes(dots.randrange(60, 180) for _ in range(width * height))
        self.picture = luma + b"\x80" * (width * height // 2)

    def drawn(self) -> bytes:
        return self.picture


class Recording(Film):
    """Sends what an encoder made of a few seconds, in a loop."""

    def __init__(self, seconds: float, *, stamps: bool) -> None:
        super().__init__()
        self.stamps = stamps
        width, height = self.size
        raw = f"video/x-raw,format=I420,width={width},height={height},framerate={FPS}/1"
        coded = f"video/x-h264,stream-format=byte-stream,alignment=au,width={width},height={height},framerate={FPS}/1"
        line = Gst.parse_launch(f"appsrc name=source format=time caps={raw} ! {ENCODER} ! {coded} ! appsink name=sink")
        source, sink = line.get_by_name("source"), line.get_by_name("sink")
        line.set_state(Gst.State.PLAYING)
        for number in range(round(seconds * FPS)):
            buffer = Gst.Buffer.new_wrapped(drawn(width, height, 5000 + number * 1000 // FPS))
            buffer.pts = number * Gst.SECOND // FPS
            source.emit("push-buffer", buffer)
        source.emit("end-of-stream")
        self.units = []
        while (sample := sink.emit("pull-sample")) is not None:
            buffer = sample.get_buffer()
            self.units.append(buffer.extract_dup(0, buffer.get_size()))
        line.set_state(Gst.State.NULL)
        self.caps, self.sent = Gst.Caps.from_string(coded), 0

    def push(self, source: Any) -> None:
        if self.told is not source:
            self.told = source
            source.set_property("caps", self.caps)
        number = self.sent % len(self.units)
        buffer = Gst.Buffer.new_wrapped(self.units[number])
        if self.stamps:
            source.set_property("do-timestamp", False)
            buffer.pts = buffer.dts = number * Gst.SECOND // FPS
        source.emit("push-buffer", buffer)
        self.sent += 1


def guarded(server: Any, factory: Any, user: str, password: str, how: str) -> None:
    """Let in only one user, by basic or digest authentication."""
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth = GstRtspServer.RTSPAuth()
    if how == "basic":
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    else:
        auth.add_digest(user, password, token)
        gi.require_version("GstRtsp", "1.0")
        from gi.repository import GstRtsp

        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("viewer", "media.factory.access", True)
    permissions.add_permission_for_role("viewer", "media.factory.construct", True)
    factory.set_permissions(permissions)
    server.set_auth(auth)


def obeyed(film: Film, loop: Any) -> None:
    for line in sys.stdin:
        verb, *numbers = line.split()
        if verb == "size":
            film.size = (int(numbers[0]), int(numbers[1]))
    loop.quit()


def main(arguments: list[str]) -> None:
    Gst.init(None)
    kind = arguments[1] if len(arguments) > 1 else ""
    film = Still() if kind == "still" else Film()
    if kind == "loop":
        film = Recording(float(arguments[2]), stamps="stamps" in arguments)
    server, factory, loop = GstRtspServer.RTSPServer(), GstRtspServer.RTSPMediaFactory(), GLib.MainLoop()
    server.set_address("127.0.0.1")
    server.set_service(arguments[0])
    source = "appsrc name=source is-live=true format=time do-timestamp=true"
    factory.set_launch(f"( {source} ! {'h264parse' if kind == 'loop' else ENCODER} ! {PAY} )")
    factory.set_shared(True)
    factory.set_latency(0)
    factory.connect("media-configure", film.attach)
    server.get_mount_points().add_factory("/door", factory)
    sound = GstRtspServer.RTSPMediaFactory()
    sound.set_launch(SOUND)
    server.get_mount_points().add_factory("/sound", sound)
    if kind not in {"", "still", "loop"}:
        guarded(server, factory, *arguments[1:])
    if server.attach(None) == 0:
        sys.exit(f"port {arguments[0]} is taken")
    threading.Thread(target=film.run, daemon=True).start()
    threading.Thread(target=obeyed, args=(film, loop), daemon=True).start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    loop.run()


if __name__ == "__main__":
    main(sys.argv[1:])
