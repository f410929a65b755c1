"""The lines of README, typed at a terminal, from a checkout to a match."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.film import DATA
from tools.docs.commands import Command, commands
from tools.docs.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from edgeface.demo.mosquitto import Mosquitto
    from tests.support.broker import Listener

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CLIP = ROOT / "edgeface" / "demo_data" / "clip.mp4"
PASSWORD = "correct horse battery"  # noqa: S105 - of this test only


def own_camera() -> list[Command]:
    return [one for one in commands(README, "README.md") if one.heading == "Your own camera"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the environment of the tests, which has `edgeface`, and with three photos."""
    folder = tmp_path / "edgeface"
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "edgeface").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m edgeface.cli "$@"\n')
    (programs / "edgeface").chmod(0o755)
    (programs / "activate").write_text(f'PATH="{programs}:$PATH"\n')
    for number, photo in enumerate(("obama", "obama2", "obama3"), 1):
        shutil.copy(DATA / f"{photo}.jpg", folder / f"a{number}.jpg")
    return folder


@pytest.mark.broker
@pytest.mark.slow(seconds=25)
def test_the_six_lines_after_the_demo_lead_to_a_match(
    checkout: Path, broker: Mosquitto, listen: Callable[..., Listener]
) -> None:
    typed = own_camera()
    assert len(typed) == 6
    heard = listen(broker, "edgeface/edgeface/porch/event")
    answers = {
        "camera: a device": str(CLIP),
        "name of this device": "",
        "MQTT broker": f"127.0.0.1:{broker.port}",
        "password (12": PASSWORD,
        "repeat it": PASSWORD,
    }
    environment = {**os.environ, "HOME": str(checkout.parent), "PYTHONPATH": str(ROOT)}
    for name in ("EDGEFACE_CONFIG", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        environment.pop(name, None)

    def matched() -> bool:
        return any(one.json["event_type"] == "match" and one.json["person"] == "alice" for one in heard.heard)

    with Terminal(checkout, environment) as terminal:
        for command in typed:
            runs = command.text == "edgeface run"
            done = terminal.type(command.text, answers, seconds=120, until=matched if runs else None)
            assert done.status == 0, done.output
    assert matched()


def test_readme_has_no_placeholder_where_an_address_would_be() -> None:
    words = " ".join(one.text for one in commands(README, "README.md")).split()
    assert [word for word in words if word.isupper() and "=" not in word] == []
