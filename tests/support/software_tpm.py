"""swtpm: a TPM 2 in software, with its state in a folder, for tests of the counter."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from edgeface.security.tpm import TCTI
from tests.support.broker import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

needs_swtpm = pytest.mark.skipif(
    shutil.which("swtpm") is None or shutil.which("tpm2_nvread") is None,
    reason="needs swtpm and tpm2-tools, from apt",
)


class SoftwareTpm:
    """One TPM; another folder is another TPM."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.tcti = f"swtpm:path={folder / 'tpm'}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Switch it on."""
        self._process = subprocess.Popen(
            [  # noqa: S607 - found on the PATH of the system
                "swtpm",
                "socket",
                "--tpm2",
                f"--tpmstate=dir={self.folder}",
                f"--server=type=unixio,path={self.folder / 'tpm'}",
                f"--ctrl=type=unixio,path={self.folder / 'tpm.ctrl'}",
                "--flags=startup-clear,not-need-init",
            ],
            stderr=subprocess.DEVNULL,
        )
        until(lambda: (self.folder / "tpm").exists() and (self.folder / "tpm.ctrl").exists())

    def stop(self) -> None:
        """Take it out of the machine, or its power."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(10)
        for name in ("tpm", "tpm.ctrl"):
            (self.folder / name).unlink(missing_ok=True)

    def tool(self, *arguments: str) -> None:
        """Run one of the tpm2-tools as an intruder, or the firmware, could."""
        subprocess.run(arguments, env={**os.environ, TCTI: self.tcti}, check=True, capture_output=True)


@contextmanager
def software_tpm(folder: Path) -> Iterator[SoftwareTpm]:
    """A TPM that is switched on."""
    tpm = SoftwareTpm(folder)
    tpm.start()
    try:
        yield tpm
    finally:
        tpm.stop()
