from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edgeface.cli.home_assistant_app.configuration import Draft, Page, draft
from edgeface.cli.home_assistant_app.options import HOW_TO_FIX, Options
from edgeface.cli.home_assistant_app.supervisor import Broker
from edgeface.config import loader
from edgeface.core.errors import ConfigError
from edgeface.core.text import cleaned

if TYPE_CHECKING:
    from edgeface.config.configuration import Configuration

CLIP = Path(__file__).parents[3] / "edgeface" / "demo_data" / "clip.mp4"
CAMERA = {"name": "Front door", "address": "rtsp://10.0.0.2/stream2"}
_NO_CAMERA = "is not a camera: use 0, /dev/video0, picamera, an rtsp:// address or a video file"
LOGIN = {"username": "v" * 200, "password": "p" * 200}
PAGE = Page(8099, "172.30.32.2")
FOLDER = Path("/data/settings")
BROKER = Broker(host="core-mosquitto", port=1883, username="addons", password="p: \"'é")  # noqa: S106 - of the test


def made(broker: Broker | None = BROKER, **options: Any) -> Draft:
    chosen = Options.model_validate({"cameras": [CAMERA], **options})
    return draft(chosen, broker, Path("/data/edgeface"), FOLDER, PAGE)


def loaded(found: Draft) -> Configuration:
    return loader.parse(found.text.encode(), "config.yaml")


def checked(**options: Any) -> None:
    found = made(**options)
    try:
        loaded(found)
    except ConfigError as error:
        raise found.in_options(error, "config.yaml") from error


def mistakes(**options: Any) -> list[str]:
    """The mistakes that making finds, or the loader."""
    with pytest.raises(ConfigError) as caught:
        checked(**options)
    *lines, last = str(caught.value).splitlines()
    assert last == HOW_TO_FIX
    return lines


def test_a_camera_is_all_that_is_needed() -> None:
    found = loaded(made())
    assert (found.device, found.data) == ("edgeface-app", Path("/data/edgeface"))
    assert found.camera_names == {"front-door": "Front door"}
    assert found.recognition.level == "normal"
    assert found.notify is None
    assert found.privacy.snapshots == "none"
    assert found.log.level == "info"


def test_the_broker_is_the_supervisors_and_discovery_is_on() -> None:
    draft_of_it = made()
    mqtt = loaded(draft_of_it).mqtt
    assert mqtt is not None
    assert (mqtt.host, mqtt.port, mqtt.username, mqtt.tls, mqtt.insecure) == (
        "core-mosquitto",
        1883,
        "addons",
        None,
        True,
    )
    assert mqtt.discovery
    assert mqtt.password_file == FOLDER / "mqtt.password"
    assert draft_of_it.secrets["mqtt.password"] == BROKER.password


def test_a_broker_with_tls_and_without_a_login() -> None:
    mqtt = loaded(made(Broker(host="core-mosquitto", port=8883, ssl=True, username="", password=""))).mqtt
    assert mqtt is not None
    assert mqtt.tls is not None
    assert (mqtt.insecure, mqtt.username, mqtt.password_file) == (False, None, None)


def test_without_a_broker_the_daemon_has_none() -> None:
    assert loaded(made(None)).mqtt is None


def test_the_page_is_for_the_ingress_of_the_supervisor_alone() -> None:
    users = [{"name": "anna", "role": "admin"}, {"name": "Ben: {x}\u00e9", "role": "none"}]
    web = loaded(made(users=users, others="none")).web
    assert web is not None
    assert (web.host, web.port) == ("0.0.0.0", 8099)  # noqa: S104 - of the app's container
    assert web.ingress.enabled
    assert web.ingress.supervisor == "172.30.32.2"
    assert web.ingress.users == {"anna": "admin", "Ben: {x}é": "none"}
    assert web.ingress.default_role == "none"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("rtsp://10.0.0.2/a", {"type": "rtsp", "url": "rtsp://10.0.0.2/a"}),
        ("RTSPS://10.0.0.2/a", {"type": "rtsp", "url": "RTSPS://10.0.0.2/a"}),
        ("http://10.0.0.2/mjpeg", {"type": "opencv", "source": "http://10.0.0.2/mjpeg"}),
        ("/dev/video2", {"type": "opencv", "source": "/dev/video2"}),
        ("2", {"type": "opencv", "source": 2}),
        (str(CLIP), {"type": "replay", "path": CLIP, "loop": True}),
    ],
)
def test_an_address_chooses_the_type_of_the_camera(address: str, expected: dict[str, Any]) -> None:
    camera = loaded(made(cameras=[{"name": "Porch", "address": address}])).cameras["porch"]
    assert {key: getattr(camera, key) for key in expected} == expected


@pytest.mark.parametrize(
    "option",
    [
        {"address": "rtsp://u%20x:p%40ss@10.0.0.2/a"},
        {"address": "rtsp://10.0.0.2/a", "username": "u x", "password": "p@ss"},
    ],
    ids=["in the address", "as options"],
)
def test_the_password_of_a_camera_is_in_a_file_of_its_own(option: dict[str, str]) -> None:
    found = made(cameras=[{"name": "Porch", **option}])
    assert "p@ss" not in found.text
    assert "p%40ss" not in found.text
    assert found.secrets["camera-porch.password"] == "p@ss"
    camera = loaded(found).cameras["porch"]
    assert getattr(camera, "username", None) == "u x"
    assert getattr(camera, "password_file", None) == FOLDER / "camera-porch.password"


@pytest.mark.parametrize(
    ("address", "refused"),
    [
        ("http://10.0.0.2/snap.cgi?user=admin&PWD=hunter2", True),
        ("rtsp://u:p@10.0.0.2/user=admin_password=hunter2_stream=0", True),
        ("rtsp://10.0.0.2/live?access_token=hunter2", True),
        ("rtsp://10.0.0.2/user=admin&password=&channel=1", False),
        ("http://10.0.0.2/video?compass=1#pass", False),
    ],
)
def test_a_password_in_the_path_or_query_of_an_address_is_refused(address: str, *, refused: bool) -> None:
    cameras = [{"name": "Porch", "address": address}]
    if not refused:
        assert "porch" in loaded(made(cameras=cameras)).cameras
        return
    (line,) = mistakes(cameras=cameras)
    assert line.startswith("option cameras, entry 1, address: has a password in its path or query: delete it there")
    assert "hunter2" not in line


def test_cameras_whose_names_make_the_same_id_stay_apart() -> None:
    cameras = [{"name": name, "address": f"rtsp://10.0.0.{n}/"} for n, name in enumerate(("Tür", "Tur!", "門"), 1)]
    assert list(loaded(made(cameras=cameras)).cameras) == ["tur", "tur-2", "men"]


def test_notifications_go_to_apprise_and_the_address_is_a_secret() -> None:
    notifications = [{"address": "tgram://hunter2/1"}, {"address": "json://10.0.0.9", "about": "everyone"}]
    found = made(notifications=notifications)
    assert "hunter2" not in found.text
    assert found.secrets["notification-1.url"] == "tgram://hunter2/1"
    notify = loaded(found).notify
    assert notify is not None
    assert [rule.kinds for rule in notify.rules] == [("unknown", "spoof"), ("match", "unknown", "spoof")]
    assert not any(target.pictures for target in notify.targets.values())


def test_several_notifications_about_the_same_make_a_configuration() -> None:
    notify = loaded(made(notifications=[{"address": "json://10.0.0.8"}, {"address": "json://10.0.0.9"}])).notify
    assert notify is not None
    assert [rule.kinds for rule in notify.rules] == [("unknown", "spoof")] * 2


def test_levels_snapshots_and_the_log_are_as_chosen() -> None:
    found = loaded(made(level="high", snapshots="all", log_level="debug"))
    assert (found.recognition.level, found.privacy.snapshots, found.log.level) == ("high", "all", "debug")


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        ({"cameras": []}, ["option cameras: lists no camera: add one, with a name and an address"]),
        (
            {"cameras": [{"name": "A", "address": "10.0.0.2"}, {"name": "!", "address": "0"}]},
            [
                f"option cameras, entry 1, address: 10.0.0.2 {_NO_CAMERA}",
                "option cameras, entry 2, name: should have a letter",
            ],
        ),
        (
            {
                "cameras": [
                    {"name": "A", "address": "rtsp:/admin:hunter2@10.0.0.2"},
                    {"name": "B", "address": "b" * 2000},
                ]
            },
            [
                f"option cameras, entry 1, address: this {_NO_CAMERA}",
                f"option cameras, entry 2, address: {cleaned('b' * 2000)} {_NO_CAMERA}",
            ],
        ),
        (
            {"cameras": [CAMERA, CAMERA]},
            [
                "option cameras, entry 1, name: camera front-door-2 has this name too; choose another",
                "option cameras, entry 2, name: camera front-door has this name too; choose another",
            ],
        ),
        (
            {"cameras": [{"name": "A", "address": "rtsp://u:p@10.0.0.2/", **LOGIN}]},
            ["option cameras, entry 1, address: has a user name already: remove it there, or remove username"],
        ),
        (
            {"cameras": [{"name": "A", "address": "/dev/video0", **LOGIN}]},
            ["option cameras, entry 1, username: is for an address such as rtsp://: remove it"],
        ),
        (
            {"cameras": [{**CAMERA, "username": "v"}]},
            ["option cameras, entry 1, password: missing: a user name needs a password"],
        ),
        (
            {"cameras": [{**CAMERA, "password": "p"}]},
            ["option cameras, entry 1, username: missing: a password needs a user name"],
        ),
        (
            {"users": [{"name": "anna", "role": "admin"}, {"name": "anna", "role": "viewer"}]},
            ["option users, entry 2, name: is listed twice"],
        ),
    ],
)
def test_each_mistake_is_a_line_that_names_the_option(options: dict[str, Any], lines: list[str]) -> None:
    assert mistakes(**options) == lines


@pytest.mark.parametrize(
    "text",
    [
        "x\"'",
        "{a: b}",
        "- x",
        "&a",
        "*a",
        "!!python/object:os.system",
        "# no",
        "%x: y",
        "x: y",
        "null",
        "1e3",
        "Größe 😀",
    ],
)
def test_hostile_text_stays_text(text: str) -> None:
    name = f"n {text}"
    found = loaded(
        made(cameras=[{"name": name, "address": "rtsp://10.0.0.2/"}], users=[{"name": text, "role": "admin"}])
    )
    assert list(found.camera_names.values()) == [name]
    assert found.web is not None
    assert found.web.ingress.users == {text: "admin"}


def test_sixteen_cameras_with_long_values_fit() -> None:
    long = [{"name": f"{'n' * 50} {n}", "address": f"rtsp://10.0.0.{n}/{'a' * 1900}", **LOGIN} for n in range(16)]
    users = [{"name": f"{'é' * 90}{n}", "role": "viewer"} for n in range(100)]
    found = loaded(made(cameras=long, users=users))
    assert len(found.cameras) == 16
