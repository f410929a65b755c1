"""Whether edgeface runs in a container, and the commands to use there instead of those for the service."""

from __future__ import annotations

import os
import re
from pathlib import Path

ROOT = Path("/")

_MARKS = {"run/.containerenv": "podman", ".dockerenv": "docker"}
"""The files by which engines mark a container."""
_SYSTEMD = "run/systemd/system"
"""There if systemd is booted: sd_booted(3)."""

_COMMANDS = {
    r"sudo edgeface": "{engine} exec CONTAINER edgeface",
    r"(journalctl -u|systemctl status) edgeface(?!-)": "{engine} logs CONTAINER",
    r"systemctl restart edgeface(?!-)": "{engine} restart CONTAINER",
    r"systemctl reload edgeface(?!-)": "{engine} kill --signal HUP CONTAINER",
    r"timedatectl set-ntp true": "the host sets the clock: timedatectl set-ntp true there",
    r"edgeface vault seal --with tpm2, on a machine with a TPM": "give it the key as a secret; docs/container.md",
    r"sudo usermod -aG video \$USER, then log in again": "--group-add $(stat -c %g /dev/video0); docs/container.md",
    r"(, )?sudo apt(-get)? install [\w.-]+( [\w.-]+)*(, in a venv made with --system-site-packages)?": (
        "the image does not have it; docs/container.md"
    ),
}
"""The commands for a service or a machine, and those to use in a container."""
_KUBERNETES = {
    "kubectl exec CONTAINER edgeface": "kubectl exec POD -- edgeface",
    "kubectl logs CONTAINER": "kubectl logs POD",
    "kubectl restart CONTAINER": "kubectl delete pod POD",
    "kubectl kill --signal HUP CONTAINER": "kubectl delete pod POD",
}
"""Where kubectl differs from podman and docker."""


def engine() -> str | None:
    """The command that runs this container: podman, docker or kubectl; None outside of one.

    Also None in a container that has booted systemd, where edgeface is a service as on any machine.
    """
    if (ROOT / _SYSTEMD).exists():
        return None
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        return "kubectl"
    marked = next((name for mark, name in _MARKS.items() if (ROOT / mark).exists()), None)
    # systemd's container interface, as podman and others set it: oci, lxc, systemd-nspawn.
    return marked or ("podman" if os.environ.get("container") else None)  # noqa: SIM112 - its own name


def for_here(text: str) -> str:
    """A text with its commands for the service; in a container, with those that work there."""
    found = engine()
    if found is None:
        return text
    for command, instead in _COMMANDS.items():
        text = re.sub(command, instead.replace("{engine}", found).replace("\\", r"\\"), text)
    for command, instead in _KUBERNETES.items():
        text = text.replace(command, instead)
    return text
