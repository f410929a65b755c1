"""edgeface run: the daemon in the foreground."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from edgeface.config import loader
from edgeface.core.console import report_memory_of_threads
from edgeface.core.errors import ConfigError
from edgeface.core.log import set_up
from edgeface.core.text import printable_path
from edgeface.daemon.daemon import Daemon
from edgeface.security.process import leave_no_core

if TYPE_CHECKING:
    import argparse


def run_run(arguments: argparse.Namespace) -> int:
    """`edgeface run`: the daemon until SIGTERM or SIGINT; SIGHUP reads the configuration again."""
    configuration = loader.load(arguments.config, files=True)
    if not configuration.cameras:
        raise ConfigError(
            f"{printable_path(arguments.config)}: cameras: missing; only edgeface serve runs without cameras"
        )
    set_up(configuration.log)
    report_memory_of_threads()
    leave_no_core()
    daemon = Daemon(configuration, source=arguments.config)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: daemon.stop())
    signal.signal(signal.SIGHUP, lambda *_: daemon.reload())
    return daemon.run()
