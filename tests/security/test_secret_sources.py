"""What a secret's file may be; tests/mqtt/test_client.py has the rest."""

import os
import threading
import time
from pathlib import Path

import pytest

from edgeface.core.errors import ConfigError
from edgeface.security.secret_sources import secret


def read(path: Path) -> str | None:
    return secret("url of phone", "notify.targets.phone", path, None, None, key="url", error_type=ConfigError)


def test_a_pipe_a_folder_and_a_device_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    # Whoever waits for a writer gets one in the end, so that the test fails and does not hang.
    writer = threading.Timer(60.0, lambda: (tmp_path / "pipe").open("wb").close())
    writer.daemon = True
    writer.start()
    begun = time.monotonic()
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(ConfigError, match="the url of phone cannot be read"):
            read(path)
    writer.cancel()
    assert time.monotonic() - begun < 30


def test_a_file_without_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 40)
    (tmp_path / "large").chmod(0o600)
    with pytest.raises(ConfigError, match=r"the first line of .* is empty or too long"):
        read(tmp_path / "large")


def test_a_path_in_an_error_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path / "a\nb\x1b[2J")
    assert str(caught.value).isprintable()
