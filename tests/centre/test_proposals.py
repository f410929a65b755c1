"""What devices propose, and what becomes of it."""

import secrets

import pytest

from edgeface.centre.tables import proposals
from edgeface.core.errors import ChangedError, FleetError, GoneError, UnknownError
from edgeface.fleet import sealing
from edgeface.fleet.facts import to_mean
from edgeface.fleet.messages import Proposal
from tests.support.centre import MODEL, SITE, Centre, TestDevice, cut, embedding, entry, proposal

SAME = to_mean(embedding(1))
"""The face of person-1."""


def forgetting(person: bytes, seq: int) -> Proposal:
    return Proposal(number=secrets.token_bytes(16), person=person, seq=seq, epoch=0, forget=True)


@pytest.fixture
def device(centre: Centre) -> TestDevice:
    return centre.joined()


def propose(device: TestDevice, proposal: Proposal) -> int:
    return device.centre.store.propose(device.device, SITE, proposal).seq


def test_a_new_person_waits_for_an_admin_and_then_is_with_all(centre: Centre, device: TestDevice) -> None:
    person = sealing.new_person()
    made = proposal(device, person, 0, groups=("staff",))
    assert propose(device, made) == 0
    (waiting,) = centre.store.proposals()
    assert (waiting.id, waiting.name, waiting.model) == ("carla", "Carla", MODEL)
    assert (waiting.device, waiting.seq, waiting.forget) == ("door-1", 0, False)
    assert centre.store.site(SITE).seq == 0
    assert centre.store.accept(waiting.n, "admin") == 1
    assert centre.person("carla") == person
    device.follow()
    assert device.ids == {"carla"}
    assert centre.store.proposals() == ()
    # Its own key has gone, and the answer to a repetition says what became of it.
    assert centre.keyring.keys().keys() == {person}
    assert propose(device, made) == 1
    assert centre.store.proposals() == ()
    with pytest.raises(UnknownError):
        centre.store.accept(waiting.n, "admin")


def test_the_same_number_counts_once(centre: Centre, device: TestDevice) -> None:
    made = proposal(device, sealing.new_person(), 0)
    assert [propose(device, made), propose(device, made)] == [0, 0]
    assert len(centre.store.proposals()) == 1


def test_a_person_who_changed_meanwhile_is_a_conflict(centre: Centre, device: TestDevice) -> None:
    centre.store.put(SITE, entry(1), "admin")
    person = centre.person("person-1")
    made = proposal(device, person, 1, id="person-1", mean=SAME)
    propose(device, made)
    centre.store.put(SITE, entry(1, name="Changed here"), "admin")
    for seq in (0, 1, 3):
        with pytest.raises(ChangedError, match="changed meanwhile"):
            propose(device, proposal(device, person, seq, id="person-1", mean=SAME))
    (waiting,) = centre.store.proposals()
    with pytest.raises(ChangedError, match="changed meanwhile"):
        centre.store.accept(waiting.n, "admin")
    assert centre.store.people(SITE)[0].name == "Changed here"
    propose(device, proposal(device, person, 2, id="person-1", name="Changed there", mean=SAME))
    assert centre.store.accept(centre.store.proposals()[1].n, "admin") == 3
    assert centre.store.people(SITE)[0].name == "Changed there"


def test_whoever_was_forgotten_is_gone_for_proposals_too(centre: Centre, device: TestDevice) -> None:
    centre.store.put(SITE, entry(1), "admin")
    person = centre.person("person-1")
    waiting = proposal(device, person, 1)
    propose(device, waiting)
    centre.store.forget(SITE, person, "admin")
    assert centre.store.proposals() == ()
    assert centre.keyring.keys() == {}
    for made in (waiting, proposal(device, person, 2), proposal(device, person, 0), forgetting(person, 2)):
        with pytest.raises(GoneError, match="forgotten"):
            propose(device, made)
    with pytest.raises(GoneError, match="forgotten"):
        propose(device, proposal(device, sealing.new_person(), 4))


def test_a_proposal_to_forget_someone_waits_too(centre: Centre, device: TestDevice) -> None:
    centre.store.put(SITE, entry(1), "admin")
    person = centre.person("person-1")
    assert propose(device, forgetting(person, 1)) == 0
    (waiting,) = centre.store.proposals()
    assert (waiting.forget, waiting.id, waiting.name) == (True, None, None)
    assert centre.store.accept(waiting.n, "admin") == 2
    assert centre.store.people(SITE) == ()
    assert person not in set(centre.keyring.keys())


def test_a_declined_proposal_leaves_nothing(centre: Centre, device: TestDevice) -> None:
    made = proposal(device, sealing.new_person(), 0)
    propose(device, made)
    (waiting,) = centre.store.proposals()
    centre.store.decline(waiting.n, "admin")
    assert centre.store.proposals() == ()
    assert centre.keyring.keys() == {}
    with pytest.raises(ChangedError, match="declined"):
        propose(device, made)
    with pytest.raises(UnknownError, match=f"{waiting.n}: no such proposal waits"):
        centre.store.decline(waiting.n, "admin")


def test_an_id_that_another_person_has_is_a_conflict(centre: Centre, device: TestDevice) -> None:
    propose(device, proposal(device, sealing.new_person(), 0, id="person-1"))
    centre.store.put(SITE, entry(1), "admin")
    (waiting,) = centre.store.proposals()
    with pytest.raises(ChangedError, match="another person has this id"):
        centre.store.accept(waiting.n, "admin")
    assert len(centre.store.proposals()) == 1


def test_a_proposal_that_cannot_be_read_is_refused(centre: Centre, device: TestDevice) -> None:
    person = sealing.new_person()
    made = proposal(device, person, 0)
    centre.store.new_epoch(SITE, "admin")
    with pytest.raises(ChangedError, match="the epoch is over"):
        propose(device, made)
    good = proposal(device, person, 0)
    other = sealing.new_person()
    for wrong in (
        good.model_copy(update={"person": other}),
        good.model_copy(update={"sealed": None}),
        good.model_copy(update={"key": None}),
        good.model_copy(update={"sealed": bytes(100)}),
    ):
        with pytest.raises(FleetError):
            propose(device, wrong)
    assert centre.store.proposals() == ()
    assert centre.keyring.keys() == {}


def test_a_waiting_proposal_outlives_a_restart(centre: Centre, device: TestDevice) -> None:
    propose(device, proposal(device, sealing.new_person(), 0))
    with centre.reopened() as again:
        assert again.store.migrate().keys == 0
        assert [one.name for one in again.store.proposals()] == ["Carla"]


def test_the_number_of_a_proposal_touches_no_one_s_key(centre: Centre, device: TestDevice) -> None:
    """A stolen device chooses the number itself, and knows the numbers of people."""
    centre.store.put(SITE, entry(1), "admin")
    person = centre.person("person-1")
    key = centre.keyring.keys()[person]
    propose(device, proposal(device, sealing.new_person(), 0).model_copy(update={"number": person}))
    assert centre.keyring.keys()[person] == key
    (waiting,) = centre.store.proposals()
    centre.store.decline(waiting.n, "admin")
    assert centre.keyring.keys() == {person: key}
    device.follow()
    assert device.ids == {"person-1"}


def test_a_device_gives_no_one_groups(centre: Centre, device: TestDevice) -> None:
    centre.store.put(SITE, entry(1, groups=("staff",)), "admin")
    person = centre.person("person-1")
    propose(device, proposal(device, person, 1, id="person-1", groups=("vault",), mean=SAME))
    propose(device, proposal(device, sealing.new_person(), 0, groups=("vault",)))
    for waiting in centre.store.proposals():
        centre.store.accept(waiting.n, "admin")
    assert {one.id: one.groups for one in centre.store.people(SITE)} == {"person-1": ("staff",), "carla": ()}


def test_a_stolen_device_does_not_fill_the_list(
    centre: Centre, device: TestDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proposals, "MOST_WAITING", 2)
    made = [proposal(device, sealing.new_person(), 0) for _ in range(3)]
    propose(device, made[0])
    propose(device, made[1])
    with pytest.raises(FleetError, match="2 proposals of door-1 wait"):
        propose(device, made[2])
    assert propose(device, made[0]) == 0
    other = centre.joined("door-2")
    assert propose(other, proposal(other, sealing.new_person(), 0)) == 0


@pytest.mark.parametrize(("decide", "name"), [("accept", "Changed there"), ("decline", "Person 1")])
def test_a_decision_is_kept_whatever_cuts_it_off(centre: Centre, device: TestDevice, decide: str, name: str) -> None:
    centre.store.put(SITE, entry(1), "admin")
    person = centre.person("person-1")
    propose(device, proposal(device, person, 1, id="person-1", name="Changed there", mean=SAME))
    (waiting,) = centre.store.proposals()
    with cut(centre) as store:
        getattr(store, decide)(waiting.n, "admin")
    assert centre.store.proposals() == ()
    with centre.reopened() as again:
        again.store.migrate()
        assert again.keyring.keys().keys() == {person}
        assert [one.name for one in again.store.people(SITE)] == [name]


def test_a_proposal_whose_key_is_gone_hides_no_other(centre: Centre, device: TestDevice) -> None:
    """As in a database from a backup: it was decided since."""
    for _ in range(2):
        propose(device, proposal(device, sealing.new_person(), 0))
    first, second = centre.store.proposals()
    centre.keyring.destroy([next(iter(centre.keyring.keys()))])
    assert len(centre.store.proposals()) == 1
    centre.store.migrate()
    (left,) = centre.store.proposals()
    assert left in {first, second}
    with centre.store._database.reading() as transaction:
        assert transaction.execute("SELECT count(*) FROM proposals").fetchone() == (1,)
