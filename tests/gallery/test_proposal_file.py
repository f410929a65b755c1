"""The file with links for self-enrollment and the photos that have come by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgeface.core.clock import DAY
from edgeface.core.errors import GalleryError, VaultError
from edgeface.doctor import self_enrollment
from edgeface.gallery import proposal_file
from edgeface.gallery.proposal_file import MAX_FACES, ProposalBook, ProposalCount, ProposalFile, ProposedFace
from edgeface.security.vault import open_vault
from tests.support.clock import FixedClock
from tests.support.data_folders import WALL, face, put_link

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> ProposalFile:
    """With a link and a proposal of each of two people."""
    vault = open_vault(tmp_path)
    put_link(tmp_path, "alice")
    put_link(tmp_path, "bob")
    return ProposalFile(tmp_path, vault)


def test_without_a_file_nothing_is_made(tmp_path: Path) -> None:
    assert proposal_file.proposal_file(tmp_path) is None
    assert proposal_file.waiting(tmp_path) == 0
    assert proposal_file.expire(tmp_path, WALL, 1) == 0
    proposal_file.erase(tmp_path, ["alice"], [], 0.9)
    assert list(self_enrollment.findings(tmp_path)) == []
    assert list(tmp_path.iterdir()) == []


def test_a_face_survives_the_file(file: ProposalFile) -> None:
    (one, _) = file.read().proposals
    assert np.array_equal(one.faces[0].vector, face(75))
    assert one.faces[0].jpeg == b"jpeg"
    for secret in (one.faces[0].embedding, one.faces[0].picture):
        assert secret not in repr(one)


def test_what_fails_changes_nothing(file: ProposalFile) -> None:
    before = file.read()

    def fails(_: ProposalBook) -> ProposalBook:
        raise GalleryError("no")

    with pytest.raises(GalleryError, match="no"):
        file.change(fails)
    assert file.read() == before


def test_erasing_is_by_id_and_by_face(file: ProposalFile) -> None:
    proposal_file.erase(file.folder, ["alice"], [], 0.9)
    left = file.read()
    assert [one.person for one in left.proposals] == ["bob"]
    assert [link.facts["person"] for link in left.links] == ["bob"]
    proposal_file.erase(file.folder, ["carol"], [face(1)], 0.9)
    assert len(file.read().proposals) == 1
    proposal_file.erase(file.folder, ["carol"], [face(73)], 0.9)
    assert file.read().proposals == ()
    assert len(file.read().links) == 1


def test_what_has_waited_too_long_is_erased(file: ProposalFile) -> None:
    assert proposal_file.expire(file.folder, WALL + 2 * DAY - 1, 2) == 0
    assert file.read().links == ()
    assert proposal_file.expire(file.folder, WALL + 2 * DAY, 2) == 2
    assert file.read() == ProposalBook()


def test_the_count_follows_the_file_and_the_doctor_names_it(file: ProposalFile) -> None:
    clock = FixedClock()
    count = ProposalCount(file.folder, file.vault, clock)
    assert count.count() == 2
    file.change(lambda book: book.model_copy(update={"proposals": book.proposals[:1]}))
    clock.now += 10
    assert count.count() == 1
    (found,) = self_enrollment.findings(file.folder)
    assert (found.mark, found.says) == ("note", "1 self-enrollment to be looked at by an admin")
    (file.folder / proposal_file.FILE).write_bytes(b"x" * 100)
    clock.now += 10
    assert count.count() is None
    with pytest.raises(VaultError):
        file.read()
    (found,) = self_enrollment.findings(file.folder)
    assert found.mark == "bad"


@pytest.mark.parametrize("faces", [0, MAX_FACES + 1])
def test_a_proposal_has_faces_and_not_too_many(file: ProposalFile, faces: int) -> None:
    (one, _) = file.read().proposals
    shown = ProposedFace.of(face(1), b"jpeg")
    with pytest.raises(ValueError, match="faces"):
        proposal_file.Proposal.model_validate({**one.model_dump(), "faces": (shown,) * faces})
