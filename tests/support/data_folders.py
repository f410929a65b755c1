"""A data folder with a row in every table, for tests of tampering."""

import shutil
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from edgeface.access import passes
from edgeface.access.pass_list import PassList
from edgeface.core.types import Embedding, Probe
from edgeface.door import key_list_file
from edgeface.door.key_list import KeyList
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.negatives import Negative
from edgeface.gallery.proposal_file import Proposal, ProposalBook, ProposalFile, ProposedFace, new_proposal_id
from edgeface.gallery.snapshot import Template
from edgeface.gallery.thumbnails import Thumbnail
from edgeface.gallery.unknowns import Alike, Unknown
from edgeface.journal.journal import Journal
from edgeface.security import integrity, signing_keys, single_use_tokens
from edgeface.security.attempts import AttemptKey
from edgeface.security.owner_key import OWNER, active_owner
from edgeface.security.sealing_keys import SEALING
from edgeface.security.signing_keys import SIGNING
from edgeface.security.vault import Vault, open_vault
from edgeface.web.auth import accounts
from tests.support.key_lists import listed

MODEL = "m:00000000"
WALL = 1_795_334_400.0


def face(number: int) -> Embedding:
    vector = np.random.default_rng(number).standard_normal(64)
    unit: Embedding = (vector / np.linalg.norm(vector)).astype(np.float32)
    return unit


def template(number: int) -> Template:
    return Template(face(number), MODEL, "photo", WALL)


def unknown(name: str, sightings: int = 1) -> Unknown:
    mean = face(sum(map(ord, name)))
    return Unknown(name, mean, (mean,), sightings, sightings, WALL, WALL + sightings, "porch")


def fill(folder: Path) -> None:
    """Write every kind of row and file, by edgeface."""
    with closing(Gallery.open(folder, MODEL)) as gallery, closing(Journal(folder / "journal.db")) as journal:
        for number, person in enumerate(("alice", "bob", "carol")):
            gallery.enroll(person, person.title(), [template(number)], WALL)
            gallery.store_pictures([Thumbnail(person, WALL, b"jpeg")])
            gallery.deny(person, Negative(f"event-{number}", "porch", WALL, face(90 + number)))
            gallery.set_code(person, f"12345{number}", WALL)
            gallery.put_attempts({AttemptKey("front", person): {"wrong": number + 1}})
            journal.record("enrolled", WALL, {"person": person})
        gallery.store_unknowns(
            [unknown("u-000a"), unknown("u-000b"), unknown("u-000c")], (), [Alike("u-000a", "u-000b", 0.5)]
        )
        gallery.remove(["u-000c"])
        gallery.store_probes([Probe(f"event-{n}", "porch", WALL, "alice", None, face(n)) for n in range(2)])
        journal.record("match", WALL, {"event_type": "match", "person": "bob"})
        journal.write([], [row.id for row in journal.unpublished(2)])
    vault = open_vault(folder)
    for purpose in (SIGNING, SEALING, OWNER):
        signing_keys.write(folder, signing_keys.new((), "first", vault, WALL, purpose), purpose)
    put_list(folder, KeyList(0, 0, 1, (listed("front"), listed("stolen"))))
    PassList(folder, vault).add(passes.new("alice", ("front",), "device", WALL, 30), WALL)
    accounts.make_token(folder, "viewer", "viewer", WALL)
    put_link(folder, "alice")


def put_list(folder: Path, keys: KeyList) -> None:
    """Sign a list of device keys with the owner key of the folder, and store it."""
    owner = active_owner(folder, open_vault(folder))
    assert owner is not None
    key_list_file.write_envelope(folder, key_list_file.signed(keys.renewed(WALL, 86_400), owner))


def use(folder: Path) -> None:
    """Change every kind of row and file, by edgeface."""
    with closing(Gallery.open(folder, MODEL)) as gallery, closing(Journal(folder / "journal.db")) as journal:
        for number, person in enumerate(("alice", "bob", "carol")):
            gallery.rename(person, "New", WALL)
            gallery.enroll(person, None, [template(10 + number)], WALL)
            gallery.put_attempts({AttemptKey("front", person): {"wrong": number + 5}})
            journal.record("renamed", WALL, {"person": person})
        gallery.store_unknowns([unknown("u-000a", 5), unknown("u-000b", 6)])
        gallery.keep_apart("u-000a", "u-000b")
        journal.redact("bob")
        journal.write([], [row.id for row in journal.unpublished(1)])
    vault = open_vault(folder)
    known = key_list_file.claimed(key_list_file.read_envelope(folder) or b"").revoking("stolen")
    if known is not None:
        put_list(folder, known)
    for purpose in (SIGNING, SEALING, OWNER):
        signing_keys.write(
            folder, signing_keys.new(signing_keys.read(folder, purpose), "n", vault, WALL, purpose), purpose
        )
    PassList(folder, vault).add(passes.new("bob", (), "device", WALL, 30), WALL)
    accounts.make_token(folder, "other", "viewer", WALL)
    put_link(folder, "bob")


def put_link(folder: Path, person: str) -> None:
    """Add a link for self-enrollment, and a proposal of someone's."""
    link = single_use_tokens.make({"person": person}, WALL, 3600.0)[1]
    shown = ProposedFace.of(face(70 + len(person)), b"jpeg")
    proposal = Proposal(
        id=new_proposal_id(), person=person, name=None, at=WALL, text="0" * 12, model=MODEL, faces=(shown,)
    )
    ProposalFile(folder, open_vault(folder)).change(
        lambda book: ProposalBook(links=(*book.links, link), proposals=(*book.proposals, proposal))
    )


def generation(folder: Path, vault: Vault) -> Mapping[str, int | str] | None:
    """What the state carries of this folder; None without a head."""
    head = integrity.read_head(folder, vault)
    return None if head is None else integrity.generation(head, vault)


def rows(path: Path, query: str, *values: Any) -> Sequence[Any]:
    """Run SQL behind edgeface's back; the file is whole afterwards, without a log."""
    with closing(sqlite3.connect(path, isolation_level=None)) as intruder:
        found = intruder.execute(query, values).fetchall()
        intruder.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return found


def put_back(folder: Path, old: Path, *names: str) -> None:
    """Replace files, with their logs, by those of an older copy."""
    for name in names:
        for suffix in ("", "-wal", "-shm"):
            (folder / (name + suffix)).unlink(missing_ok=True)
            if (old / (name + suffix)).exists():
                shutil.copy2(old / (name + suffix), folder / (name + suffix))
