import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from edgeface.access.policy import Door
from edgeface.access.schedules import WeeklySchedule
from edgeface.cameras import CAMERA_TYPES
from edgeface.cameras.base import CameraBase
from edgeface.cameras.opencv import OpencvCamera
from edgeface.cameras.replay import Fault
from edgeface.config import loader
from edgeface.config.configuration import Configuration, Privacy
from edgeface.core import yaml_reader
from edgeface.core.clock import thread_cpu
from edgeface.core.errors import ConfigError
from edgeface.core.log import Log
from edgeface.faces.detectors import DEFAULT_DETECTOR
from edgeface.faces.settings import EmbedderSettings, QualityLimits
from edgeface.mqtt.settings import Mqtt, Tls
from edgeface.recognition.decision import WINDOW
from edgeface.recognition.settings import Recognition, UnknownSettings

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "config.yaml"
TYPES = [camera_type.model_fields["type"].default for camera_type in CAMERA_TYPES]
REFERS = "the config.yaml that comes with edgeface explains every key"
SMALLEST = "cameras: {porch: {type: opencv, source: 0}}\n"


def mistakes(text: str | bytes) -> list[str]:
    data = text.encode() if isinstance(text, str) else text
    with pytest.raises(ConfigError) as caught:
        loader.parse(data, "c.yaml")
    return str(caught.value).splitlines()


def test_the_smallest_configuration_is_a_camera() -> None:
    loaded = loader.parse(SMALLEST.encode(), "c.yaml")
    assert loaded.cameras["porch"] == OpencvCamera(source=0)
    assert loaded.mqtt is None


def test_every_mistake_is_listed_with_its_line_and_path() -> None:
    text = """\
device: Front Door
cameras:
  porch: {type: opencv, sourc: 0, enabled: yes}
  Bad Id: {type: opencv, source: 1}
  yard: {type: webcam}
  barn: {path: x}
mqtt:
  hst: 127.0.0.1
  port: 99999
recognition: {seconds: 1e-1, level: hgh}
recogniton: {}
data: /x
data: /y
"""
    assert mistakes(text) == [
        "c.yaml:1: device: not an id: small letters, digits, - and _, at most 64, a letter or digit first",
        "c.yaml:3: cameras.porch.enabled: should be true or false",
        "c.yaml:3: cameras.porch.sourc: unknown key (did you mean source?)",
        "c.yaml:3: cameras.porch.source: missing",
        "c.yaml:4: cameras.Bad Id: not an id: small letters, digits, - and _, at most 64, a letter or digit first",
        f"c.yaml:5: cameras.yard: unknown type; known are {', '.join(TYPES)}",
        f"c.yaml:6: cameras.barn: needs a type: one of {', '.join(sorted(TYPES))}",
        "c.yaml:8: mqtt.hst: unknown key (did you mean host?)",
        "c.yaml:9: mqtt.port: should be from 1 to 65535",
        "c.yaml:10: recognition.level: should be 'low', 'normal' or 'high'",
        "c.yaml:11: recogniton: unknown key (did you mean recognition?)",
        "c.yaml:13: data: given twice, first on line 12",
    ]


def test_no_more_mistakes_are_listed_than_can_be_read() -> None:
    lines = mistakes(SMALLEST + "".join(f"k{n}: 1\n" for n in range(80)))
    assert lines[:2] == [
        f"c.yaml:{n + 2}: k{n}: unknown key; the config.yaml that comes with edgeface explains every key"
        for n in range(2)
    ]
    assert len(lines) == 51
    assert lines[-1] == "c.yaml: and 30 more"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            "cameras: {opencv: {type: opencv, source: 0, opencv: 1}}",
            [f"c.yaml:1: cameras.opencv.opencv: unknown key; {REFERS}"],
        ),
        ("cameras: {porch: }", ["c.yaml:1: cameras.porch: should have keys below it"]),
        (SMALLEST + "detector: yunet", ["c.yaml:2: detector: should have keys below it"]),
    ],
)
def test_a_path_is_that_of_the_file(text: str, lines: list[str]) -> None:
    assert mistakes(text) == lines


def test_a_key_of_two_forms_is_named_without_the_form() -> None:
    lines = mistakes("cameras: {porch: {type: opencv, source: -1}}")
    assert lines == ["c.yaml:1: cameras.porch.source: should be from 0 to 63"]
    lines = mistakes("cameras: {porch: {type: opencv, source: [0]}}")
    assert lines == ["c.yaml:1: cameras.porch.source: should be a whole number or text, not a list"]


def test_no_more_frames_are_asked_for_than_are_kept() -> None:
    text = SMALLEST + f"recognition: {{frames: {WINDOW + 1}, unknown_frames: {WINDOW + 1}}}"
    assert mistakes(text) == [
        f"c.yaml:2: recognition.{key}: should be from 1 to {WINDOW}" for key in ("frames", "unknown_frames")
    ]
    loaded = loader.parse((SMALLEST + f"recognition: {{frames: {WINDOW}}}").encode(), "c.yaml")
    assert loaded.recognition.frames == WINDOW


def test_mistakes_are_reported_in_plain_words() -> None:
    assert mistakes("cameras: {}\nmqtt: {prefix: a/#, tls: {ca: 5}}\nserve: {sockets: [a, b]}\ndata: 5") == [
        "c.yaml:1: cameras: should not be empty",
        "c.yaml:2: mqtt.prefix: should be small letters, digits, - and _, with / between parts, such as home/edgeface",
        "c.yaml:2: mqtt.tls.ca: should be the path of a file",
        "c.yaml:3: serve.sockets: should be the path of a folder",
        "c.yaml:4: data: should be the path of a folder",
    ]


def test_plaintext_to_another_machine_is_refused_unless_insisted_upon() -> None:
    (line,) = mistakes(SMALLEST + "mqtt: {host: 10.0.0.5}\n")
    assert line.startswith("c.yaml:2: mqtt: plaintext to 10.0.0.5")
    assert loader.parse((SMALLEST + "mqtt: {host: 10.0.0.5, insecure: true}\n").encode(), "c").mqtt is not None


def test_a_mistake_never_shows_a_password() -> None:
    lines = mistakes("cameras: {porch: {type: opencv, source: 'rtsp://u:hunter2@h:x/y', fps: hunter2}}\n")
    assert lines
    assert not any("hunter2" in line for line in lines)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("- a\n", "empty or not a list of keys"),
        ("cameras: &a {}\nx: *a\n", "& and * repeat nothing here"),
        ("a: {<<: {b: 1}}\n", "<< repeats nothing here"),
        ("a: !!python/object/apply:os.system [id]\n", "text that begins with ! must be in quotes"),
        ("a: 1\n---\nb: 2\n", "second document"),
        ("b: 1\na: [1, 2\n", "c.yaml:2: [ is opened here and never closed"),
        ("a:\n\tb: 1\n", "c.yaml:2: a tab in the indentation"),
        ("? [a]\n: b\n", "a key must be text"),
        ("[" * 500, "nested too deeply"),
        ("a: [" + "1," * 30_000 + "]", "too many values"),
        ('a: "/x\\0y"\n', "control character"),
        ('"\\e[31m": 1\n', "control character"),
        ('a: "\\ud800"\n', "control character"),
        (b"a: \xff\xfe\n", "not UTF-8"),
        (b"a: \x00\n", "c.yaml:1: "),
        (b"\x7fELF" + bytes(range(256)), "c.yaml:3: not UTF-8"),
        ("a: " + "x" * 300_000, "larger than"),
    ],
)
def test_hostile_text_is_one_clear_line(text: str | bytes, says: str) -> None:
    (line,) = mistakes(text)
    assert says in line
    assert line.isprintable()


MERGE_BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(9)
)


def largest(head: str, unit: str) -> str:
    return head + unit * ((yaml_reader.MAX_BYTES - len(head)) // len(unit))


BOMBS = {
    "merges": MERGE_BOMB,
    "keys in keys": largest("", "a: "),
    "brackets": largest("", "{"),
    "brackets apart": largest("", "[ "),
    "digits": largest("a: ", "9"),
    "short lines": largest("a: |\n", " x\n"),
    "escapes": largest('a: "', "\\x41"),
    "comments": largest("", "#\n"),
    "unknown keys": SMALLEST + "".join(f"k{n}: 1\n" for n in range(900)),
    "nearly known keys": SMALLEST + "mqtt:\n" + "".join(f"  hos{n}: 1\n" for n in range(900)),
    "wrong cameras": "cameras:\n" + "".join(f"  c{n}: {{}}\n" for n in range(900)),
    "one key again and again": SMALLEST + "a: 1\n" * 900,
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_bombs_are_answered_at_once(text: str) -> None:
    before = thread_cpu()
    mistakes(text)
    assert thread_cpu() - before < 1.0, "100 ms is the aim; this machine may be busy"


def test_yaml_traps_do_not_bite() -> None:
    read = yaml_reader.read(
        b"a: no\nb: 1e-4\nc: 010\nd: 1_000\ne: true\nf: 12:30:45\ng: ~\nh: '1'\ni: .5\nj: 0x1F\n"
    ).value
    assert read == {
        "a": "no", "b": 1e-4, "c": 10, "d": "1_000", "e": True, "f": "12:30:45", "g": None, "h": "1", "i": 0.5,
        "j": "0x1F",
    }  # fmt: skip


@settings(max_examples=300)
@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
def test_any_bytes_give_a_configuration_or_a_config_error(data: bytes) -> None:
    try:
        loader.parse(data, "c.yaml")
    except ConfigError as error:
        assert all(line.isprintable() for line in str(error).splitlines())


@settings(max_examples=300)
@given(st.data())
def test_a_damaged_reference_gives_a_configuration_or_a_config_error(data: st.DataObject) -> None:
    text = bytearray(REFERENCE.read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    try:
        loader.parse(bytes(text), "c.yaml")
    except ConfigError as error:
        assert str(error).startswith("c.yaml")


@pytest.mark.parametrize("content", [None, b""])
def test_a_file_that_cannot_be_read_or_is_empty_is_a_config_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "config.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"cannot be read|empty"):
        loader.load(path)


def test_the_import_of_the_configuration_loads_nothing_heavy() -> None:
    script = "import sys, edgeface.config.loader; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=ROOT)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {
        "cryptography",
        "cv2",
        "ai_edge_litert",
        "tflite_runtime",
        "mediapipe",
        "gi",
        "picamera2",
        "matplotlib",
    }


def uncommented() -> str:
    """The reference with every commented key active, except two of the three passwords."""
    lines = [re.sub(r"^(\s*)#(?! \S)", r"\1", line) for line in REFERENCE.read_text().splitlines()]
    return "\n".join(line for line in lines if "password_env:" not in line and "password_credential:" not in line)


OTHER_PASSWORDS = {"password_env", "password_credential"}
OF_ADDRESSES = {"username", "password_file"}
"""Keys of opencv that its example of a USB camera cannot have; another example names them."""

MODELS: dict[tuple[str | int, ...], type[BaseModel]] = {
    (): Configuration,
    ("cameras", "porch"): OpencvCamera,
    ("cameras", "trial", "faults", 0): Fault,
    ("detector",): type(DEFAULT_DETECTOR),
    ("embedder",): EmbedderSettings,
    ("recognition",): Recognition,
    ("quality",): QualityLimits,
    ("unknown",): UnknownSettings,
    ("mqtt",): Mqtt,
    ("mqtt", "tls"): Tls,
    ("schedules", "cleaning"): WeeklySchedule,
    ("doors", "front-door"): Door,
    ("privacy",): Privacy,
    ("log",): Log,
}


def at(tree: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        tree = tree[step]
    return tree


def test_the_reference_is_right_as_it_is_and_with_every_key() -> None:
    assert loader.load(REFERENCE).device == "edgeface"
    loader.parse(uncommented().encode(), "config.yaml")


@pytest.mark.parametrize("path", MODELS, ids=lambda path: ".".join(map(str, path)) or "top")
def test_the_reference_names_every_key_with_the_default_that_the_code_has(path: tuple[str | int, ...]) -> None:
    model, given_ = MODELS[path], at(yaml_reader.read(uncommented().encode()).value, path)
    keys = set(model.model_fields) - OTHER_PASSWORDS - (OF_ADDRESSES if model is OpencvCamera else set())
    assert keys <= set(given_), "a key of the code that the reference does not name"
    assert set(given_) <= keys, "a key of the reference that the code does not know"
    defaults = model.model_construct().model_dump(mode="json", warnings=False)
    for key in keys:
        default = defaults.get(key)
        if default is not None and not isinstance(default, dict):
            assert given_[key] == default, f"{key}: the reference has another default than the code"


@pytest.mark.parametrize("model", CAMERA_TYPES)
def test_the_examples_of_a_camera_type_name_its_keys_with_their_defaults(model: type[CameraBase]) -> None:
    cameras = yaml_reader.read(uncommented().encode()).value["cameras"].values()
    examples = [camera for camera in cameras if camera["type"] == model.model_fields["type"].default]
    given_ = {key: value for example in examples for key, value in example.items()}
    assert set(given_) | set(CameraBase.model_fields) == set(model.model_fields) - OTHER_PASSWORDS
    defaults = model.model_construct().model_dump(mode="json", warnings=False)
    for key, value in given_.items():
        # An example gives a list of faults, where the default is none.
        if defaults.get(key) not in (None, []):
            assert value == defaults[key], f"{key}: the reference has another default than the code"


def test_both_other_passwords_are_in_the_reference() -> None:
    assert all(f"#{key}:" in REFERENCE.read_text() for key in ("password_env", "password_credential"))


def named(*names: str) -> str:
    """Cameras porch and yard with these display names, as JSON, which is YAML too."""
    cameras = {
        one: {"type": "opencv", "source": number, **({"name": name} if name else {})}
        for number, (one, name) in enumerate(zip(("porch", "yard"), names, strict=True))
    }
    return json.dumps({"cameras": cameras}, ensure_ascii=False)


@pytest.mark.parametrize(
    "name",
    [
        "Front door",
        "x",
        "9" * 60,
        "Haustür “vorn”",
        "门口 🚪",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "<b>'\"{x}`",
    ],
)
def test_a_camera_may_have_a_name_for_people(name: str) -> None:
    loaded = loader.parse(named(name, "").encode(), "c.yaml")
    assert loaded.camera_names == {"porch": name}
    # Without a name, and of a camera that is no longer there, the id.
    assert [loaded.camera_name(one) for one in ("porch", "yard", "gone")] == [name, "yard", "gone"]


@pytest.mark.parametrize(
    "name",
    [
        "x" * 61,
        " x",
        "x ",
        "x  y",
        "x\ny",
        "x\ty",
        "x\x1b[31m",
        "x\u202ey",
        "x\u200ey",
        "x\u2028y",
        "\u200d",
        "\ufeffx",
        "\xadx",
    ],
)
def test_a_name_that_is_not_one_line_of_printable_text_is_refused(name: str) -> None:
    (line,) = mistakes(named(name, ""))
    assert line.startswith("c.yaml:1: ")
    assert line.isprintable()


@pytest.mark.parametrize("name", ["''", "7", "true", "[a]", "{a: b}"])
def test_a_name_is_text(name: str) -> None:
    (line,) = mistakes(
        f"cameras:\n  porch: {{type: opencv, source: 0}}\n  yard: {{type: opencv, source: 1, name: {name}}}\n"
    )
    assert line.startswith("c.yaml:3: cameras.yard.name: ")


@pytest.mark.parametrize(
    ("porch", "yard", "wrong"),
    [
        ("Front door", "front DOOR", {"porch", "yard"}),
        ("Gate 1", "Gate \uff11", {"porch", "yard"}),
        ("Gate", "Ga\u200dte", {"porch", "yard"}),
        ("Yard", "", {"porch"}),
        ("Yard", "Garden", {"porch"}),
        ("Porch", "Yard", set()),
    ],
)
def test_two_cameras_are_never_shown_alike(porch: str, yard: str, wrong: set[str]) -> None:
    text = named(porch, yard)
    if not wrong:
        loader.parse(text.encode(), "c.yaml")
        return
    lines = mistakes(text)
    assert {line.split(": ")[1] for line in lines} == {f"cameras.{one}.name" for one in wrong}
    assert all("has this name too; choose another" in line for line in lines)


def test_the_schema_accepts_what_the_code_accepts() -> None:
    schema = loader.schema()
    assert set(schema["properties"]) == set(Configuration.model_fields)
    assert schema["additionalProperties"] is False


FACTOR_DOOR = """device: x
cameras: {{porch: {{type: replay, path: .}}}}
mqtt: {{}}
doors:
  front:
    camera: porch
    allow: [{{person: alice}}]
    factor: {factor}
{more}"""


@pytest.mark.parametrize("factor", ["none", "pin", "[pin, card]"])
def test_a_door_may_require_a_factor(factor: str) -> None:
    loader.parse(FACTOR_DOOR.format(factor=factor, more="").encode(), "config.yaml")


@pytest.mark.parametrize("factor", ["pim", "[pin, pim]", "[]", "[none]", "{}", "true", "5"])
def test_a_wrong_factor_is_one_line(factor: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loader.parse(FACTOR_DOOR.format(factor=factor, more="").encode(), "config.yaml")
    assert str(caught.value) == (
        "config.yaml:8: doors.front.factor: should be none, one of pin, code, card, pass, reader, or a list of these"
    )


@pytest.mark.parametrize(
    ("factor", "more", "line"),
    [
        (
            "reader",
            "",
            "config.yaml:8: doors.front.factor: a reader may name a person only at a door that readers lists",
        ),
        ("reader", "readers: [back]", "no such door; there are front"),
        ("reader", "readers: [front]", None),
    ],
)
def test_a_reader_names_people_only_where_it_may(factor: str, more: str, line: str | None) -> None:
    text = FACTOR_DOOR.format(factor=factor, more=more).encode()
    if line is None:
        assert loader.parse(text, "config.yaml").access_policy.readers == {"front"}
        return
    with pytest.raises(ConfigError, match=re.escape(line)):
        loader.parse(text, "config.yaml")
