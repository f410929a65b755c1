"""A proposal is compared with everyone of its site before it is accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from edgeface.centre.tables.faces import ObjectionError
from edgeface.fleet import sealing
from edgeface.fleet.facts import to_mean
from tests.support.centre import MODEL, OTHER_MODEL, SITE, Centre, TestDevice, embedding, entry, proposal

if TYPE_CHECKING:
    from edgeface.centre.records import Insistence
    from edgeface.core.types import Embedding


def near(face: Embedding, cosine: float) -> Embedding:
    """A face with this cosine to another."""
    other = embedding(999)
    other = other - (other @ face) * face
    made: Embedding = (cosine * face + np.sqrt(1 - cosine**2) * other / np.linalg.norm(other)).astype(np.float32)
    return made


@pytest.fixture
def device(centre: Centre) -> TestDevice:
    centre.store.put_all(SITE, [entry(1), entry(2)], "admin")
    return centre.joined()


def propose(device: TestDevice, who: str | None, face: Embedding, **facts: Any) -> int:
    """Propose a template for someone, or a new person; gives the number of the proposal."""
    store = device.centre.store
    record = next((one for one in store.people(SITE) if one.id == who), None)
    person, seq = (sealing.new_person(), 0) if record is None else (record.person, record.seq)
    given = {"mean": to_mean(face), **({} if record is None else {"id": record.id, "name": record.name}), **facts}
    assert store.propose(device.device, SITE, proposal(device, person, seq, **given)).seq == 0
    return store.proposals()[-1].n


def objections(centre: Centre, n: int) -> list[tuple[str, str]]:
    (shown,) = [one for one in centre.store.proposals() if one.n == n]
    return [(one.kind, one.person) for one in shown.objections]


@pytest.mark.parametrize("cosine", [1.0, 0.6, 0.47])
def test_the_own_face_replaces_a_template(centre: Centre, device: TestDevice, cosine: float) -> None:
    n = propose(device, "person-1", near(embedding(1), cosine))
    assert objections(centre, n) == []
    assert centre.store.accept(n, "anna") == 3


@pytest.mark.parametrize("cosine", [0.43, 0.0])
def test_another_face_for_a_person_needs_a_word(centre: Centre, device: TestDevice, cosine: float) -> None:
    """A stolen device proposes its thief as someone who may pass."""
    n = propose(device, "person-1", near(embedding(1), cosine))
    assert objections(centre, n) == [("another_face", "person-1")]
    others: tuple[tuple[Insistence, ...], ...] = ((), ("duplicate",))
    for insisted in others:
        with pytest.raises(ObjectionError, match=f"proposal {n}: the face differs from that of person-1") as refused:
            centre.store.accept(n, "anna", insisted)
        assert refused.value.options == ("another_face",)
    assert centre.store.means(SITE, MODEL)["person-1"] @ embedding(1) == pytest.approx(1, abs=1e-3)
    assert centre.store.accept(n, "anna", ["another_face"]) == 3
    with centre.store._database.reading() as transaction:
        (row,) = transaction.execute("SELECT state, by, overruled FROM proposals").fetchall()
    assert row == ("accepted", "anna", ["another_face"])


def test_a_new_person_with_an_enrolled_face_needs_a_word(centre: Centre, device: TestDevice) -> None:
    n = propose(device, None, near(embedding(2), 0.7))
    assert objections(centre, n) == [("duplicate", "person-2")]
    others: tuple[tuple[Insistence, ...], ...] = ((), ("another_face",))
    for insisted in others:
        with pytest.raises(ObjectionError, match="enrolled as person-2 already") as refused:
            centre.store.accept(n, "anna", insisted)
        assert refused.value.options == ("duplicate",)
    assert centre.store.accept(n, "anna", ["duplicate"]) == 3
    # The two are look-alikes from now on, and a template that is nearer to its own person changes nothing.
    assert objections(centre, propose(device, "carla", near(embedding(2), 0.7))) == []
    assert objections(centre, propose(device, "carla", embedding(2))) == [("duplicate", "person-2")]


def test_a_face_that_is_no_one_s_is_new(centre: Centre, device: TestDevice) -> None:
    n = propose(device, None, near(embedding(2), 0.6))
    assert objections(centre, n) == []
    assert centre.store.accept(n, "anna") == 3


def test_another_model_does_not_avoid_the_comparison(centre: Centre, device: TestDevice) -> None:
    """The thief names a model of which the centre has no template."""
    new = propose(device, None, embedding(1), model=OTHER_MODEL)
    assert objections(centre, new) == [("not_compared", "person-1")]
    with pytest.raises(ObjectionError, match="2 of the site have no template of this model") as refused:
        centre.store.accept(new, "anna")
    assert refused.value.options == ("duplicate",)
    changed = propose(device, "person-2", embedding(1), model=OTHER_MODEL)
    assert objections(centre, changed) == [("no_template", "person-2"), ("not_compared", "person-1")]
    with pytest.raises(ObjectionError) as refused:
        centre.store.accept(changed, "anna")
    assert refused.value.options == ("another_face", "duplicate")
    with pytest.raises(ObjectionError):
        centre.store.accept(changed, "anna", ["another_face"])
    assert centre.store.accept(changed, "anna", ["another_face", "duplicate"]) == 3


def test_a_face_for_someone_who_has_none_needs_a_word(centre: Centre, device: TestDevice) -> None:
    centre.store.put(SITE, entry(3, embeddings={}), "admin")
    n = propose(device, "person-3", embedding(3))
    assert objections(centre, n) == [("no_template", "person-3")]
    # Who has no template of any model keeps no one else waiting.
    assert objections(centre, propose(device, None, embedding(50))) == []


def test_a_name_or_id_of_someone_else_is_shown_and_not_refused(centre: Centre, device: TestDevice) -> None:
    n = propose(device, None, embedding(50), name="PERSON 1")
    assert objections(centre, n) == [("same_name", "person-1")]
    assert centre.store.accept(n, "anna") == 3
    n = propose(device, "person-2", embedding(2), id="boss")
    assert objections(centre, n) == [("other_id", "person-2")]


def test_the_first_person_of_a_site_is_like_no_one(centre: Centre) -> None:
    device = centre.joined()
    n = propose(device, None, embedding(50))
    assert objections(centre, n) == []
    assert centre.store.accept(n, "anna") == 1
