from collections import Counter

import pytest

from edgeface.centre.records import JournalQuery, JournalRecord
from edgeface.core.errors import ChangedError, FleetError, UnknownError
from tests.support.centre import NOW, SITE, Centre, entry, proposal
from tests.support.embeddings import unit


def whats(centre: Centre, **selected: object) -> list[str]:
    return [one.what for one in centre.store.journal.query(JournalQuery(limit=1000, **selected))]  # type: ignore[arg-type]


def test_each_change_of_a_person_is_in_the_journal_with_who_made_it(centre: Centre) -> None:
    store = centre.store
    store.put(SITE, entry(1), "anna")
    store.put(SITE, entry(1, name="Other"), "ben")
    person = centre.person("person-1")
    store.forget(SITE, person, "cara")
    found = store.journal.query(JournalQuery(person=person))
    assert [(one.what, one.by, one.sites, one.at) for one in found] == [
        ("forget", "cara", (SITE,), NOW), ("change", "ben", (SITE,), NOW), ("enroll", "anna", (SITE,), NOW),
    ]  # fmt: skip
    assert "person-1" not in repr(found)
    assert "Other" not in repr(found)


def test_what_is_decided_about_devices_and_proposals_is_in_the_journal(centre: Centre) -> None:
    store, device = centre.store, centre.joined("door-1")
    store.make_code([SITE], "door-2", "anna")
    first, second = (store.propose(device.device, SITE, proposal(device, bytes([n]) * 16, 0)) for n in (1, 2))
    assert (first.seq, second.seq) == (0, 0)
    one, other = store.proposals()
    store.accept(one.n, "anna")
    store.decline(other.n, "ben")
    store.revoke("door-1", "cara")
    store.new_epoch(SITE, "cara")
    counted = Counter(whats(centre))
    assert counted == {"site": 1, "epoch": 2, "join": 1, "code": 1, "accept": 1, "enroll": 1, "decline": 1, "lost": 1}
    (accepted,) = store.journal.query(JournalQuery(what=("accept",)))
    assert (accepted.by, accepted.person, accepted.facts["device"]) == ("anna", bytes([1]) * 16, "door-1")


def test_models_and_crops_are_in_the_journal(centre: Centre) -> None:
    store, model = centre.store, "other:0123abcd"
    centre.joined("door-1")
    store.put(SITE, entry(1), "anna")
    person = centre.person("person-1")
    store.crops.keep(SITE, person, "2026-11-30", [b"one", b"two"], "anna")
    assert store.crops.delete(SITE, person, "ben")
    assert not store.crops.delete(SITE, person, "ben")
    crops = store.journal.query(JournalQuery(person=person, what=("change",)))
    assert [(one.by, one.facts) for one in crops] == [("ben", {"crops": 0}), ("anna", {"crops": 2})]
    with pytest.raises(UnknownError):
        store.rings.want(SITE, model, ["door-1", "door-9"], "anna")
    store.rings.want(SITE, model, ["door-1"], "anna", without=2)
    (wanted,) = store.journal.query(JournalQuery(what=("model",)))
    assert (wanted.by, wanted.sites) == ("anna", (SITE,))
    assert wanted.facts == {"model": model, "devices": ["door-1"], "without": 2}
    store.rings.want(SITE, "next:0123abcd", ["door-1"], "anna")
    store.put(SITE, entry(2, embeddings={model: unit(2)}), "anna")
    assert store.rings.drop_model(model, "cara") == 1
    removed = store.journal.query(JournalQuery(what=("model",)))[0]
    assert (removed.by, removed.sites, removed.facts) == ("cara", (), {"removed": model, "templates": 1})


def test_a_change_that_fails_leaves_nothing_in_the_journal(centre: Centre) -> None:
    before = whats(centre)
    centre.store.put(SITE, entry(1), "anna")
    with pytest.raises(ChangedError):
        centre.store.put(SITE, entry(1, seq=77), "anna")
    assert whats(centre) == ["enroll", *before]


def test_rows_are_selected_by_site_and_paged(centre: Centre) -> None:
    journal = centre.store.journal
    centre.store.add_site("annex")
    journal.add("anna", "search", "annex", {"found": 3})
    journal.add("anna", "code", ["annex", SITE])
    journal.add("anna", "sign-in")
    assert whats(centre, sites=("annex",)) == ["code", "search", "epoch", "site"]
    assert whats(centre, sites=(SITE,))[0] == "code"
    assert "sign-in" not in whats(centre, sites=("annex", SITE))
    every = journal.query(JournalQuery(limit=1000))
    pages: list[JournalRecord] = []
    before = None
    while page := journal.query(JournalQuery(limit=2, before=before)):
        pages.extend(page)
        before = page[-1].n
    assert tuple(pages) == every
    assert whats(centre, by="anna") == ["sign-in", "code", "search"]
    assert whats(centre, since=NOW + 1) == []
    assert whats(centre, until=NOW) == []


@pytest.mark.parametrize("statement", ["UPDATE journal SET by = 'x'", "DELETE FROM journal"])
def test_no_row_is_changed_or_deleted(centre: Centre, statement: str) -> None:
    with pytest.raises(FleetError, match="append-only"), centre.store._database.changing() as transaction:
        transaction.execute(statement.encode())
