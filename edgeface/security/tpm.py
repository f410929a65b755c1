"""A counter in the TPM 2 of this machine, which only counts up; by the programs of tpm2-tools.

There is no wheel of tpm2-pytss, so the library would need a compiler on every board. tpm2-tools are in Debian, Ubuntu
and Raspberry Pi OS. The counter is an NV index of type TPM_NT_COUNTER: when it is removed and defined again, it starts
above the highest value that any counter of this TPM has had (TPM 2.0 Library, Part 3, TPM2_NV_Increment).
"""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

from edgeface.core.errors import EdgefaceError
from edgeface.core.text import printable

if TYPE_CHECKING:
    from edgeface.security.vault import Vault

TCTI = "TPM2TOOLS_TCTI"
"""The variable of tpm2-tools that names the TPM; without it, the kernel's resource manager is used."""

_DEVICE = "device:/dev/tpmrm0"
_TIMEOUT = 20.0
# Handles that the owner of the machine may use (TCG Registry of Reserved TPM 2.0 Handles, 2.2.2).
_FIRST, _RANGE = 0x01800000, 0x00400000
# Only this password reads and increments it; wrong ones lock nothing else of the TPM.
_ATTRIBUTES = "nt=counter|authread|authwrite|no_da"
_BYTES = 8
# TPM_RC_HANDLE of the first handle: no such index; TPM_RC_NV_UNINITIALIZED: never incremented;
# TPM_RC_BAD_AUTH and TPM_RC_AUTH_FAIL of the first session (Part 2, 6.6.3).
_NONE, _NEW, _FOREIGN = ("18b",), ("14a",), ("9a2", "98e")


class TpmError(EdgefaceError):
    """The TPM, or tpm2-tools, cannot be used now."""


class ForeignCounterError(TpmError):
    """The counter has another password, so it is not the one that edgeface has made."""


class TpmCounter:
    """The counter of one data folder; any thread may use it. A call takes about 20 ms with swtpm, and 40 s at most."""

    def __init__(self, vault: Vault) -> None:
        """Index and password follow from the vault's key."""
        self.index = f"0x{_FIRST + int(vault.id[:8], 16) % _RANGE:08x}"
        """Its handle."""
        self._password = vault.link(b"", b"tpm counter")[:16].hex()

    def read(self) -> int | None:
        """Its value, at least 1; None if the TPM has no such counter. Raises TpmError."""
        done = self._run("nvread", self.index, "-C", self.index, "-P", "file:-")
        if _failed(done, *_NONE, *_NEW):
            return None
        self._require(done)
        if len(done.stdout) != _BYTES:
            raise TpmError(f"the TPM's index {self.index} is no counter")
        return int.from_bytes(done.stdout, "big")

    def increment(self, *held: int) -> int:
        """Count up by one, and return the value; raises TpmError.

        The tool holds the file descriptors too: if this process is killed, their locks end when it has counted.
        """
        self._require(self._run("nvincrement", self.index, "-C", self.index, "-P", "file:-", held=held))
        value = self.read()
        if value is None:
            raise TpmError("the TPM has lost the counter that it has just incremented")
        return value

    def define(self) -> None:
        """Make the counter, which has no value until it is incremented; raises TpmError, also if there is one."""
        self._require(self._run("nvdefine", self.index, "-C", "o", "-a", _ATTRIBUTES, "-p", "file:-"))

    def _run(self, tool: str, *arguments: str, held: tuple[int, ...] = ()) -> subprocess.CompletedProcess[bytes]:
        """Run one of the tools with the password as its input: others see the arguments of a process."""
        try:
            return subprocess.run(
                [f"tpm2_{tool}", *arguments],
                env={TCTI: _DEVICE, **os.environ},
                input=self._password.encode(),
                capture_output=True,
                timeout=_TIMEOUT,
                pass_fds=held,
                check=False,
            )
        except FileNotFoundError as error:
            raise TpmError("tpm2-tools is missing: apt install tpm2-tools") from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise TpmError(f"tpm2_{tool} cannot be run, or does not finish") from error

    def _require(self, done: subprocess.CompletedProcess[bytes]) -> None:
        if done.returncode == 0:
            return
        if _failed(done, *_FOREIGN):
            raise ForeignCounterError(f"the TPM's index {self.index} has another password")
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        # The first error is the cause; those after it are of the layers above.
        cause = next((line for line in lines if line.startswith("ERROR")), lines[-1] if lines else "no reason given")
        raise TpmError(f"the TPM cannot be used: {printable(cause, 200)}")


def _failed(done: subprocess.CompletedProcess[bytes], *codes: str) -> bool:
    """Whether a tool has failed with one of these response codes of the TPM."""
    found = re.findall(rb"\(0x0*([0-9A-Fa-f]+)\)", done.stderr)
    return done.returncode != 0 and any(code.decode().lower() in codes for code in found)
