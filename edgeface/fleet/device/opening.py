"""Checks an answer of the centre before anything of it is applied: one row that does not fit refuses all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edgeface.core.errors import FleetError
from edgeface.fleet import facts, sealing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edgeface.core.types import Embedding
    from edgeface.fleet.device.records import SiteFile
    from edgeface.fleet.facts import PersonFacts
    from edgeface.fleet.messages import Row, Rows


class OpenedPerson(NamedTuple):
    """Someone with a template of the model."""

    row: Row
    facts: PersonFacts
    embedding: Embedding
    site: str


class OpenedRows(NamedTuple):
    """An answer whose rows all fit."""

    answer: Rows
    people: tuple[OpenedPerson, ...]
    absent: tuple[Row, ...]
    """People without a template of the model."""
    gone: tuple[Row, ...]


def open_rows(
    site: SiteFile, answer: Rows, model: str, known: Mapping[bytes, int], *, after: int, whole: bool
) -> OpenedRows:
    """Open every row that is new.

    `known` has the change number of the people whose row the device has; it is empty where every row must be opened.
    Raises FleetError, which names no one, if one row is not of this site, does not open, or is not signed.
    """
    if answer.site != site.site or answer.epoch != site.epoch:
        raise FleetError("an answer of the centre is of another site or epoch")
    if answer.more and whole:
        raise FleetError("the whole list of the centre is not whole")
    if len({row.person for row in answer.rows}) != len(answer.rows):
        raise FleetError("an answer of the centre has someone twice")
    if any(not after < row.seq <= answer.seq for row in answer.rows):
        raise FleetError("an answer of the centre has a change number that does not fit")
    key = Ed25519PublicKey.from_public_bytes(site.enrolling_key)
    people: list[OpenedPerson] = []
    absent: list[Row] = []
    gone: list[Row] = []
    for row in answer.rows:
        if row.sealed is not None:
            if known.get(row.person) != row.seq:
                people.append(_opened(site, row, model, key))
        else:
            (gone if row.key is None else absent).append(row)
    return OpenedRows(answer, tuple(people), tuple(absent), tuple(gone))


def _opened(site: SiteFile, row: Row, model: str, key: Ed25519PublicKey) -> OpenedPerson:
    if row.key is None or row.sealed is None:
        raise FleetError("a row of the centre has no key")
    secret = sealing.unwrap_key(site.epoch_key, site.site, site.epoch, row.person, row.key)
    signed = sealing.open_row(secret, site.site, row.person, row.seq, model, row.sealed)
    found = facts.verify(site.site, row.person, signed, key)
    if found.model != model:
        raise FleetError("a row of the centre has a template of another model")
    return OpenedPerson(row, found, found.embedding, site.site)
