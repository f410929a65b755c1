"""`edgeface vault`: show the custody of the key that seals people and the journal, and improve it."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

from edgeface.config import loader
from edgeface.core.console import complain, say
from edgeface.core.errors import GalleryError, UsageError, VaultError, system_reason
from edgeface.core.files import put_whole
from edgeface.core.sqlite import translated
from edgeface.core.text import printable, printable_path
from edgeface.security.modes import too_open
from edgeface.security.vault import CREDENTIAL, FILE, MARK, PROTECTS, VaultKey, find_key, open_vault

if TYPE_CHECKING:
    from argparse import Namespace
    from pathlib import Path

    from edgeface.security.vault import Tier

_CREDS_TIMEOUT = 60.0
_UNIT = "edgeface.service"


def run_vault(arguments: Namespace) -> int:
    """Show the custody of the key, never the key itself, or seal the key with systemd-creds."""
    folder = loader.data_folder(arguments)
    if arguments.action == "seal":
        return _seal(folder, arguments)
    return _show(folder)


def _show(folder: Path) -> int:
    if find_key(folder) is None and not (folder / MARK).exists():
        say(f"{printable_path(folder)}: no key yet; the first start or enrollment creates one")
        return 0
    vault = open_vault(folder)
    say(f"key {vault.id}, custody {vault.tier}: {PROTECTS[vault.tier]}")
    if vault.tier == "file":
        say("better: edgeface vault seal --with tpm2")
    with translated(folder):
        for line in too_open(folder):
            complain(line)
    return 0


def _seal(folder: Path, arguments: Namespace) -> int:
    tier, out = arguments.how, arguments.out
    if tier is None:
        raise UsageError("choose how to seal it: --with tpm2 or --with host")
    if out.exists():
        raise GalleryError(f"{printable_path(out)}: already exists; move it, or choose another --out")
    vault, key = open_vault(folder), find_key(folder)
    if key is None:
        raise VaultError(f"{printable_path(folder)}: the key has just disappeared")
    sealed = seal(key, tier)
    try:
        out.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        put_whole(out, sealed)
    except OSError as error:
        raise GalleryError(f"{printable_path(out)}: cannot be written ({system_reason(error)})") from error
    _advise(folder, out, vault.id, tier)
    return 0


def seal(key: VaultKey, tier: Tier) -> bytes:
    """The key, labelled with `tier`, encrypted for this machine by systemd-creds and decrypted once as a check.

    Raises GalleryError without systemd-creds, or without a TPM for `tpm2`.
    """
    text = VaultKey(tier, key.secret).text()
    sealed = _creds(["encrypt", f"--name={CREDENTIAL}", f"--with-key={tier}", "-", "-"], text)
    if _creds(["decrypt", f"--name={CREDENTIAL}", "-", "-"], sealed) != text:
        raise GalleryError("systemd-creds did not decrypt what it had encrypted; nothing was written")
    return sealed


def _advise(folder: Path, out: Path, key: str, tier: Tier) -> None:
    load = f"LoadCredentialEncrypted={CREDENTIAL}:{out.absolute()}"
    say(f"key {key} is sealed in {printable_path(out)}: {PROTECTS[tier]}")
    say(f"1. run systemctl edit {_UNIT} and add these two lines:")
    say("     [Service]")
    say(f"     {load}")
    say(f"2. keep a copy of {printable_path(folder / FILE)} in a safe place: without the key all data is lost")
    say(f"3. run systemctl restart {_UNIT}, then shred -u {printable_path(folder / FILE)}: until then custody is file")
    say(f"4. from then on, commands need the key too: systemd-run -qPG -p {load} edgeface people")


def _creds(arguments: list[str], given: bytes) -> bytes:
    """Run systemd-creds with `given` as input; the key is never in its arguments."""
    try:
        done = subprocess.run(
            ["systemd-creds", *arguments],  # noqa: S607 - found on the PATH of the system
            input=given,
            capture_output=True,
            timeout=_CREDS_TIMEOUT,
            check=False,
        )
    except FileNotFoundError as error:
        raise GalleryError("systemd-creds is missing: it comes with systemd 250 or newer") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GalleryError("systemd-creds cannot be run, or does not finish") from error
    if done.returncode != 0:
        *_, reason = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason given"]
        advice = "; without a TPM, use --with host" if re.search("tpm|tcti", reason, re.IGNORECASE) else ""
        raise GalleryError(f"systemd-creds: {printable(reason, 200)}{advice}")
    return done.stdout
