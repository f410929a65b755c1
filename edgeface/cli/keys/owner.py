"""`edgeface keys owner`: the key that signs the list of device keys, and where it is kept."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgeface.cli import listing
from edgeface.cli.keys.device import checked_kid
from edgeface.config.loader import data_folder
from edgeface.core.clock import SystemClock, rfc3339
from edgeface.core.console import say
from edgeface.core.errors import UsageError
from edgeface.core.files import alone
from edgeface.core.text import printable_path
from edgeface.door import key_list_file
from edgeface.security import owner_key
from edgeface.security.owner_key import OWNER
from edgeface.security.secret_sources import password
from edgeface.security.signing_keys import SigningKey, new, read, rotate, write
from edgeface.security.vault import open_vault

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

PASSPHRASE = "EDGEFACE_OWNER_PASSPHRASE"  # noqa: S105 - the name of a variable
CREDENTIAL = "edgeface-owner"
"""Where the passphrase may come from, other than --passphrase-file: the environment, or a systemd credential."""


def run_owner(arguments: argparse.Namespace) -> int:
    """Create, show, rotate, export or import the owner key."""
    action, *words = arguments.words or ["show"]
    if action in _ACTIONS and not words:
        _ACTIONS[action](arguments)
    elif action in _WITH_FILE and len(words) == 1:
        _WITH_FILE[action](arguments, Path(words[0]))
    else:
        raise UsageError("keys owner: new, show, rotate, export FILE or import FILE")
    return 0


def offline_key(arguments: argparse.Namespace) -> SigningKey | None:
    """The key in the file that --owner names, opened with its passphrase; None without --owner."""
    return None if arguments.owner is None else owner_key.open_file(arguments.owner, passphrase(arguments, again=False))


def passphrase(arguments: argparse.Namespace, *, again: bool = True) -> str:
    """The passphrase of an owner's file: --passphrase-file, environment, systemd credential, or prompted for.

    `again` is for a new one, which is asked for twice.
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    credential = CREDENTIAL if folder is not None and (Path(folder) / CREDENTIAL).exists() else None
    given: Path | None = arguments.passphrase_file
    variable = PASSPHRASE if PASSPHRASE in os.environ else None
    found = password(_Source(given, variable, None if variable else credential), "owner")
    return listing.ask("passphrase of the owner key", again=again) if found is None else found


@dataclass(frozen=True, slots=True)
class _Source:
    password_file: Path | None
    password_env: str | None
    password_credential: str | None


def _new(arguments: argparse.Namespace) -> None:
    wall = SystemClock().wall()
    kid = checked_kid(arguments.kid or f"owner-{rfc3339(wall)[:7]}")
    if arguments.out is not None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        key = SigningKey(kid, Ed25519PrivateKey.generate())
        owner_key.write_file(arguments.out, owner_key.file_text(key, passphrase(arguments)))
        say(f"{printable_path(arguments.out)}: written; keep a copy elsewhere, and its passphrase apart from it")
        _say_public(_public(key))
        return
    folder = data_folder(arguments)
    vault = open_vault(folder)
    with alone(folder):
        write(folder, records := new(read(folder, OWNER), kid, vault, wall, OWNER), OWNER)
    listing.record(folder, "keys", {"action": "new", "purpose": OWNER.noun, "kid": kid})
    say(f"{kid}: {records[-1].state}")
    _show(arguments)


def _show(arguments: argparse.Namespace) -> None:
    # With its passphrase: whoever has altered the file could otherwise have their own key copied into every door.yaml.
    if (key := offline_key(arguments)) is not None:
        _say_public(_public(key))
        return
    records = read(data_folder(arguments), OWNER)
    if not records:
        say(OWNER.missing)
    for record in records:
        say(f"{record.kid}  {OWNER.noun}  {record.state:7}  {rfc3339(record.created)[:10]}  {record.public}")
    if kept := {record.kid: record.public for record in records if record.state != "retired"}:
        _say_public(kept)


def _say_public(keys: Mapping[str, str]) -> None:
    say("")
    say("# for the door.yaml of every door, instead of keys:")
    say("owner:")
    for kid, public in keys.items():
        say(f'  "{kid}": {public}')


def _public(key: SigningKey) -> dict[str, str]:
    return {key.kid: base64.b64encode(key.private.public_key().public_bytes_raw()).decode()}


def _rotate(arguments: argparse.Namespace) -> None:
    """Make the next owner key the active one, and sign the list with it."""
    folder = data_folder(arguments)
    vault = open_vault(folder)
    with alone(folder):
        envelope, owners = key_list_file.read_envelope(folder), owner_key.authentic_owners(folder, vault)
        known = None if envelope is None else key_list_file.verified(envelope, owners)
        records = rotate(read(folder, OWNER), OWNER)
        owner = owner_key.active_among(records, vault)
        # Before the old key is erased: a crash in between leaves a list that a key in this folder has signed.
        if known is not None and owner is not None:
            renewed = known.renewed(SystemClock().wall(), known.expires - known.issued)
            key_list_file.write_envelope(folder, key_list_file.signed(renewed, owner))
        write(folder, records, OWNER)
    kid = "" if owner is None else owner.kid
    listing.record(folder, "keys", {"action": "rotate", "purpose": OWNER.noun, "kid": kid})
    say(f"{kid}: active; edgeface keys publish sends the list that it has signed, unless the daemon runs")
    _show(arguments)


def _export(arguments: argparse.Namespace, path: Path) -> None:
    """Write the active owner key of the data folder to a file with a passphrase."""
    folder = data_folder(arguments)
    key = owner_key.active_owner(folder, open_vault(folder))
    if key is None:
        raise UsageError(OWNER.missing)
    owner_key.write_file(path, owner_key.file_text(key, passphrase(arguments)))
    listing.record(folder, "keys", {"action": "export", "purpose": OWNER.noun, "kid": key.kid})
    say(f"{printable_path(path)}: the owner key {key.kid}; the data folder keeps it too")


def _import(arguments: argparse.Namespace, path: Path) -> None:
    """Put the key of a file into the data folder, whose daemon then renews the list."""
    folder = data_folder(arguments)
    key, vault = owner_key.open_file(path, passphrase(arguments, again=False)), open_vault(folder)
    with alone(folder):
        records = owner_key.imported(read(folder, OWNER), key, vault, SystemClock().wall())
        write(folder, records, OWNER)
    listing.record(folder, "keys", {"action": "import", "purpose": OWNER.noun, "kid": key.kid})
    _show(arguments)


_ACTIONS = {"new": _new, "show": _show, "rotate": _rotate}
_WITH_FILE = {"export": _export, "import": _import}
