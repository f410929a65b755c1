"""The demo's page: on where its packages are installed, and up until Ctrl-C with --keep."""

from __future__ import annotations

import signal
import threading
from importlib.util import find_spec
from typing import TYPE_CHECKING

from edgeface.cameras.replay import ReplayCamera
from edgeface.daemon import Daemon
from edgeface.listing import say
from edgeface.settings import Web

if TYPE_CHECKING:
    from edgeface.settings import Configuration


def configured() -> Web | None:
    """A page on any free port of this machine; None where the extra `web` is not installed."""
    return Web(port=0) if find_spec("starlette") is not None and find_spec("uvicorn") is not None else None


def announce(daemon: Daemon) -> None:
    """Say the page's address as soon as it listens; the link signs in once."""

    def run() -> None:
        link = daemon.sign_in_link()
        if link is not None:
            say(f"the page: {link}\n")

    threading.Thread(target=run, name="announce", daemon=True).start()


def stay(configuration: Configuration) -> int:
    """Go on with the clip from its start, again and again, until Ctrl-C; gives the daemon's exit status."""
    cameras = {
        name: camera.model_copy(update={"loop": True}) if isinstance(camera, ReplayCamera) else camera
        for name, camera in configuration.cameras.items()
    }
    daemon = Daemon(configuration.model_copy(update={"cameras": cameras}))
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: daemon.stop())
    say("\nthe clip goes on from its start, again and again; Ctrl-C ends it")
    announce(daemon)
    return daemon.run()
