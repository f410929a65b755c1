from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from edgeface.cli.home_assistant_app import options
from edgeface.core.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

CAMERA = {"name": "Porch", "address": "rtsp://10.0.0.2/stream2"}


def read(folder: Path, content: Any) -> options.Options:
    path = folder / "options.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return options.read(path)


def mistakes(folder: Path, content: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(folder, content)
    return str(caught.value).splitlines()


def test_all_options_are_read(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        {
            "cameras": [{**CAMERA, "username": "viewer", "password": "p"}],
            "level": "high",
            "users": [{"name": "anna", "role": "admin"}],
            "others": "none",
            "notifications": [{"address": "json://localhost", "about": "everyone"}],
            "snapshots": "unknown",
            "photos": "edgeface/people",
            "config_file": "mine.yaml",
            "log_level": "debug",
        },
    )
    assert (found.cameras[0].username, found.cameras[0].password) == ("viewer", "p")
    assert (found.level, found.others, found.snapshots, found.log_level) == ("high", "none", "unknown", "debug")
    assert (found.users[0].role, found.notifications[0].about) == ("admin", "everyone")
    assert (found.photos, found.config_file) == ("edgeface/people", "mine.yaml")


def test_an_optional_text_that_was_deleted_in_the_form_is_left_out(tmp_path: Path) -> None:
    found = read(tmp_path, {"cameras": [{**CAMERA, "username": "", "password": ""}], "photos": "", "config_file": ""})
    assert (found.cameras[0].username, found.cameras[0].password) == (None, None)
    assert (found.photos, found.config_file) == (None, None)


def test_no_secret_is_in_the_representation(tmp_path: Path) -> None:
    secret = "hunter2"  # noqa: S105 - the secret of the test
    found = read(
        tmp_path,
        {
            "cameras": [{"name": "Porch", "address": f"rtsp://u:{secret}@10.0.0.2/", "password": secret}],
            "notifications": [{"address": f"tgram://{secret}/1"}],
        },
    )
    assert secret not in repr(found)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ({"level": "hi"}, "option level: should be 'low', 'normal' or 'high'"),
        ({"levle": "low"}, "option levle: unknown key (did you mean level?)"),
        ({"cameras": "porch"}, "option cameras: should be a list in brackets, [ ]"),
        ({"cameras": [{"name": "Porch"}]}, "option cameras, entry 1, address: missing"),
        ({"cameras": [CAMERA, {**CAMERA, "name": ""}]}, "option cameras, entry 2, name: should not be empty"),
        ({"cameras": [{**CAMERA, "name": 5}]}, "option cameras, entry 1, name: should be text: put it in quotes"),
        ({"cameras": [CAMERA] * 17}, "option cameras: should have at most 16 entries"),
        (
            {"cameras": [{**CAMERA, "address": "x" * 2001}]},
            "option cameras, entry 1, address: should have at most 2000 characters",
        ),
        (
            {"cameras": [{**CAMERA, "password": "a\nmqtt: {}"}]},
            "option cameras, entry 1, password: has a line break or another control character: delete it",
        ),
        (
            {"users": [{"name": "a\u2028b", "role": "admin"}]},
            "option users, entry 1, name: has a line break or another control character: delete it",
        ),
        (
            {"users": [{"name": "a", "role": "root"}]},
            "option users, entry 1, role: should be 'viewer', 'admin' or 'none'",
        ),
        ({"others": "admin"}, "option others: should be 'viewer' or 'none'"),
        ({"snapshots": True}, "option snapshots: should be 'none', 'unknown' or 'all'"),
        ({"log_level": None}, "option log_level: should be 'debug', 'info', 'warning' or 'error'"),
        ({"photos": ["a"]}, "option photos: should be text, not a list"),
        ({"notifications": [{"about": "everyone"}]}, "option notifications, entry 1, address: missing"),
    ],
)
def test_a_mistake_names_the_option_and_ends_with_how_to_fix_it(tmp_path: Path, content: Any, line: str) -> None:
    first, *more = mistakes(tmp_path, content)
    assert first.startswith(line)
    assert more == [options.HOW_TO_FIX]


def test_no_value_is_repeated(tmp_path: Path) -> None:
    hostile = "hunter2\x1b[31m\n"
    said = "\n".join(mistakes(tmp_path, {"cameras": [{**CAMERA, "password": hostile}], "level": hostile}))
    assert "hunter2" not in said
    assert "\x1b" not in said


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b'{"level": "low", "level": "high"}',
        b"[" * 100_000,
        b'{"photos": "' + b"x" * 300_000 + b'"}',
    ],
    ids=["empty", "list", "torn", "not UTF-8", "twice", "deep", "huge"],
)
def test_a_file_that_is_not_the_options_is_one_line(tmp_path: Path, content: bytes) -> None:
    (line,) = mistakes(tmp_path, content)
    assert line.endswith("not the options of an app: save them again in Home Assistant")


def test_many_mistakes_are_cut(tmp_path: Path) -> None:
    assert len(mistakes(tmp_path, {f"key{number}": 1 for number in range(1000)})) == 21


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"options\.json: cannot be read \(No such file or directory\)"):
        options.read(tmp_path / "options.json")


@pytest.mark.parametrize("text", ["people", "{folder}/people", "a/../people"])
def test_a_path_may_have_the_folder_or_not(tmp_path: Path, text: str) -> None:
    assert options.inside(tmp_path, text.format(folder=tmp_path), "photos") == tmp_path / "people"


@pytest.mark.parametrize("text", ["../people", "/etc/passwd", ".", "a/../../b", "link/people"])
def test_a_path_may_not_leave_the_folder(tmp_path: Path, text: str) -> None:
    (tmp_path / "link").symlink_to("/etc")
    with pytest.raises(ConfigError, match=f"option photos: should be a path in {tmp_path}"):
        options.inside(tmp_path, text, "photos")
