"""A door at a camera whose pictures cross a network in plaintext is refused unless `insecure: true` allows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edgeface.config import loader
from edgeface.core.errors import ConfigError

if TYPE_CHECKING:
    from edgeface.config.configuration import Configuration

CONFIG = """\
mqtt: {{}}
doors: {{front: {{camera: porch, allow: [{{group: everyone}}]}}}}
cameras:
  porch:
    rotation: 90
    {camera}
  yard: {{type: opencv, source: "rtsp://10.0.0.7/never-a-door"}}
"""


def parse(camera: str) -> Configuration:
    lines = camera.strip("{}").replace(", ", "\n    ")
    return loader.parse(CONFIG.format(camera=lines).encode(), "c")


@pytest.mark.parametrize(
    ("camera", "key"),
    [
        ('{source: "rtsp://u:pw@10.0.0.5:554/x", type: opencv}', "source"),
        ('{source: "HTTP://10.0.0.5/mjpeg", type: opencv}', "source"),
        ('{url: "rtsp://u:pw@10.0.0.5/x", type: gstreamer, preset: rtsp}', "url"),
        ('{url: "rtsp://10.0.0.5/x", type: gstreamer, preset: jetson_rtsp}', "url"),
        ('{pipeline: "rtspsrc location=rtsp://u:pw@10.0.0.5/x ! decodebin", type: gstreamer}', "pipeline"),
        ("{pipeline: 'souphttpsrc location=\"http://10.0.0.5/x\" ! multipartdemux', type: gstreamer}", "pipeline"),
        ('{pipeline: "rtspsrc location=rtspt://10.0.0.5/x ! decodebin", type: gstreamer}', "pipeline"),
        ('{pipeline: "tcpclientsrc port=1 host=10.0.0.5 ! decodebin", type: gstreamer}', "pipeline"),
        ('{pipeline: "srtsrc uri=srt://10.0.0.5:1 ! decodebin", type: gstreamer}', "pipeline"),
        ('{pipeline: "udpsrc uri=udp://10.0.0.5:5000 ! decodebin", type: gstreamer}', "pipeline"),
    ],
)
def test_plaintext_from_another_machine_is_refused_at_its_line(camera: str, key: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse(camera)
    assert str(raised.value) == (
        f"c:6: cameras.porch.{key}: plaintext from 10.0.0.5, which is another machine, and the camera opens door front:"
        " use rtsps:// or https://, or set insecure: true at this camera"
    )
    assert parse(camera.removesuffix("}") + ", insecure: true}").cameras["porch"].plaintext() == ()


@pytest.mark.parametrize("element", ["udpsrc port=5000", "tcpserversrc host=0.0.0.0", "udpsrc address='::'"])
def test_an_element_that_listens_on_every_address_is_plaintext(element: str) -> None:
    with pytest.raises(ConfigError, match=r"^c:6: cameras\.porch\.pipeline: plaintext from (0\.0\.0\.0|::), which"):
        parse(f'{{pipeline: "{element} ! decodebin", type: gstreamer}}')


def test_an_address_that_cannot_be_read_is_refused_too() -> None:
    with pytest.raises(ConfigError, match="plaintext from an address that cannot be parsed"):
        parse('{pipeline: "x location=rtsp://secret@[::/secret", type: gstreamer}')


@pytest.mark.parametrize(
    "camera",
    [
        '{source: "rtsps://u:pw@10.0.0.5/x", type: opencv}',
        '{source: "https://10.0.0.5/x", type: opencv}',
        '{source: "rtsp://127.0.0.1:8554/x", type: opencv}',
        '{source: "http://localhost:8080/x", type: opencv}',
        '{source: "rtsp://[::1]/x", type: opencv}',
        "{source: 0, type: opencv}",
        "{source: clip.mp4, type: opencv}",
        '{url: "rtsps://10.0.0.5/x", type: gstreamer, preset: rtsp}',
        '{pipeline: "rtspsrc location=rtsps://10.0.0.5/x ! decodebin", type: gstreamer}',
        '{pipeline: "v4l2src device=/dev/video0 ! decodebin", type: gstreamer}',
        '{pipeline: "udpsrc address=127.0.0.1 port=1 ! decodebin", type: gstreamer}',
        '{pipeline: "tcpclientsrc port=1 ! decodebin", type: gstreamer}',
        '{pipeline: "filesrc location=file:///x.mp4 ! decodebin", type: gstreamer}',
        "{pipeline: \"srtsrc uri='srt://10.0.0.5:1?passphrase=0123456789' ! decodebin\", type: gstreamer}",
    ],
)
def test_encrypted_pictures_and_those_of_this_machine_are_accepted(camera: str) -> None:
    assert "porch" in parse(camera).cameras


def test_without_a_door_plaintext_is_accepted() -> None:
    text = CONFIG.format(camera='source: "rtsp://10.0.0.5/x"\n    type: opencv').replace(
        "camera: porch", "camera: desk"
    )
    assert loader.parse(f"{text}  desk: {{type: opencv, source: 0}}\n".encode(), "c")


def test_a_companion_of_a_camera_with_a_door_counts_too() -> None:
    text = CONFIG.format(camera="source: 0\n    type: opencv").replace(
        "mqtt: {}", "mqtt: {}\nliveness: {type: infrared, cameras: {porch: {camera: yard}}}"
    )
    with pytest.raises(ConfigError, match=r"cameras\.yard\.source: plaintext from 10\.0\.0\.7"):
        loader.parse(text.encode(), "c")
