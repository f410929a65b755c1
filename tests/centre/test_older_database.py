"""A database that does not fit the keyring is found out, and a crash is not taken for one."""

import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from edgeface.centre.keys.keyring import Keyring, Mark, OlderDatabaseError, OlderKeyringError
from edgeface.centre.store import Store
from edgeface.core.errors import FleetError
from tests.support.centre import MODEL, SITE, Centre, CutKeyring, PowerCutError, entry
from tests.support.postgres import Postgres

RESTORED = "run: edgeface centre restored"


@pytest.fixture
def backup(centre: Centre, postgres: Postgres) -> Iterator[Callable[[], str]]:
    """Copies the database as it is now; gives how to connect to the copy."""
    names: list[str] = []
    name = centre.conninfo.split("dbname=")[1].split()[0]

    def made() -> str:
        centre.store.close()
        names.append(f"{name}_copy{len(names)}")
        found = postgres.create(names[-1], name)
        centre.store = Store(centre.conninfo, centre.keyring, centre.clock)
        return found

    yield made
    for one in names:
        postgres.drop(one)


def of(centre: Centre, conninfo: str) -> Centre:
    """The same centre with another database, before it looks at it."""
    return Centre(conninfo, centre.folders, centre.clock)


CHANGES: dict[str, Callable[[Centre], object]] = {
    "new": lambda centre: centre.store.put(SITE, entry(9), "admin"),
    "changed": lambda centre: centre.store.put(SITE, entry(1, name="Other"), "admin"),
    "forgotten": lambda centre: centre.store.forget(SITE, centre.person("person-1"), "admin"),
    "epoch": lambda centre: centre.store.new_epoch(SITE, "admin"),
    "site": lambda centre: (centre.store.add_site("annex"), centre.store.put("annex", entry(1), "admin")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_start_with_an_older_database_is_refused(centre: Centre, backup: Callable[[], str], change: str) -> None:
    centre.store.put_all(SITE, [entry(1), entry(2)], "admin")
    copy = backup()
    CHANGES[change](centre)
    centre.store.migrate()
    with of(centre, copy) as older:
        keys = older.keyring.keys()
        with pytest.raises(OlderDatabaseError, match=RESTORED) as refused:
            older.store.migrate()
        assert "\n" not in str(refused.value)
        assert older.keyring.keys() == keys
        older.store.after_restore()
        older.store.migrate()
        assert [site.site for site in older.store.sites()] == (["annex", SITE] if change == "site" else [SITE])
        assert older.store.put(SITE, entry(7), "admin") > 1_000_000
    # Nothing leads back to the one that was replaced.
    with of(centre, centre.conninfo) as replaced, pytest.raises(OlderDatabaseError):
        replaced.store.migrate()


def test_an_empty_database_is_refused(centre: Centre, postgres: Postgres, migrated: str) -> None:
    centre.store.put(SITE, entry(1), "admin")
    empty = f"empty_{centre.conninfo.split('dbname=')[1].split()[0]}"
    conninfo = postgres.create(empty, migrated)
    with of(centre, conninfo) as other, pytest.raises(OlderDatabaseError, match="has no site house"):
        other.store.migrate()
    postgres.drop(empty)


def test_a_database_that_is_replaced_while_the_centre_runs_is_found_out(
    centre: Centre, backup: Callable[[], str]
) -> None:
    centre.store.put_all(SITE, [entry(1), entry(2)], "admin")
    person = centre.person("person-2")
    copy = backup()
    centre.store.put_all(SITE, [entry(3), entry(1, name="Other")], "admin")
    centre.store.put(SITE, entry(4), "admin")
    with of(centre, copy) as running:
        for ask in (
            lambda: running.store.put(SITE, entry(5), "admin"),
            lambda: running.store.put(SITE, entry(1, name="Mine"), "admin"),
            lambda: running.store.forget(SITE, person, "admin"),
            lambda: running.store.snapshot(SITE, MODEL),
            lambda: running.store.changes(SITE, MODEL, 2),
            running.store.upkeep.settle,
        ):
            with pytest.raises(OlderDatabaseError, match=RESTORED):
                ask()
        # What was refused has destroyed no key.
        assert running.keyring.keys_of([person])
    centre.store.migrate()
    assert len(centre.store.people(SITE)) == 4


class CutNote(CutKeyring):
    """Also before a change that needs no key."""

    def note(self, mark: Mark) -> None:
        super().note(mark)
        raise PowerCutError


@pytest.mark.parametrize(
    ("change", "times"), [("new", 1), ("new", 3), ("changed", 1), ("changed", 3), ("forgotten", 1)]
)
def test_a_crash_is_not_taken_for_an_older_database(centre: Centre, change: str, times: int) -> None:
    centre.store.put_all(SITE, [entry(1), entry(2)], "admin")
    for _ in range(times):
        with closing(CutNote(*centre.folders)) as keyring, closing(Store(centre.conninfo, keyring)) as store:
            cut = Centre.__new__(Centre)
            cut.store = store
            with pytest.raises(PowerCutError):
                CHANGES[change](cut)
    # Another process goes on at once, without a start.
    assert centre.store.put(SITE, entry(8), "admin") == 3
    with centre.reopened() as again:
        again.store.migrate()
        assert again.store.site(SITE).seq == (4 if change == "forgotten" else 3)
        again.store.snapshot(SITE, MODEL)
        again.store.put(SITE, entry(2, name="Other"), "admin")
        again.store.migrate()


def test_a_start_right_after_a_crash_is_not_refused(centre: Centre) -> None:
    centre.store.put_all(SITE, [entry(1), entry(2)], "admin")
    for change in ("changed", "new"):
        with closing(CutNote(*centre.folders)) as keyring, closing(Store(centre.conninfo, keyring)) as store:
            cut = Centre.__new__(Centre)
            cut.store = store
            with pytest.raises(PowerCutError):
                CHANGES[change](cut)
        centre.store.migrate()
        assert centre.keyring.mark(SITE) == Mark(SITE, 2, 2)


def test_a_crash_during_restored_does_not_let_the_old_database_in(centre: Centre, backup: Callable[[], str]) -> None:
    centre.store.put(SITE, entry(1), "admin")
    copy = backup()
    centre.store.put(SITE, entry(2), "admin")
    with (
        closing(CutNote(*centre.folders)) as keyring,
        closing(Store(copy, keyring)) as store,
        pytest.raises(PowerCutError),
    ):
        store.after_restore()
    with of(centre, copy) as older:
        with pytest.raises(OlderDatabaseError):
            older.store.migrate()
        older.store.after_restore()
        older.store.migrate()
        assert [one.id for one in older.store.people(SITE)] == ["person-1"]


def test_two_devices_that_are_lost_at_once_leave_the_site_a_key(centre: Centre) -> None:
    """Between the commit of one epoch and the end of those before it, another process begins the next."""

    class Slow(Keyring):
        def end_epochs(self, site: str, epoch: int) -> None:
            self.add_epoch(site, epoch + 1, bytes(32))
            super().end_epochs(site, epoch)

    before = centre.store.site(SITE).epoch
    with closing(Slow(*centre.folders)) as keyring, closing(Store(centre.conninfo, keyring)) as store:
        store.new_epoch(SITE, "admin")
    assert not centre.keyring.has_epoch(SITE, before)
    assert centre.keyring.has_epoch(SITE, before + 1)
    assert centre.keyring.has_epoch(SITE, before + 2)


def test_a_site_that_is_added_during_a_start_keeps_its_keys(centre: Centre) -> None:
    written, started = threading.Event(), threading.Event()

    class Adding(Keyring):
        """Of another centre, which enrolls someone at a new site."""

        def add(self, site: str, keys: Mapping[bytes, bytes], mark: Mark | None = None) -> None:
            super().add(site, keys, mark)
            written.set()
            assert started.wait(20)

    class Starting(Keyring):
        """Looks at the sites, and then at the keys."""

        def keep_epoch(self, site: str, epoch: int) -> None:
            other.start()
            written.wait(0.5)
            super().keep_epoch(site, epoch)

    def enroll() -> None:
        with closing(Adding(*centre.folders)) as keyring, closing(Store(centre.conninfo, keyring)) as store:
            store.add_site("annex")
            store.put("annex", entry(1), "admin")

    other = threading.Thread(target=enroll)
    with closing(Starting(*centre.folders)) as keyring, closing(Store(centre.conninfo, keyring)) as store:
        store.migrate()
        started.set()
        other.join(20)
    assert [one.id for one in centre.store.people("annex")] == ["person-1"]
    assert len(centre.keyring.keys("annex")) == 1


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM templates; DELETE FROM people",
        "DELETE FROM templates; DELETE FROM people WHERE seq = 2",
        "UPDATE people SET seq = 9 WHERE seq = 2",
        "UPDATE sites SET count = 0, digest = decode(repeat('00', 32), 'hex')",
        "UPDATE people SET gone = true, sealed = NULL",
    ],
)
def test_a_list_that_does_not_fit_its_digest_is_served_to_no_one(centre: Centre, sql: str) -> None:
    centre.store.put_all(SITE, [entry(n) for n in range(3)], "admin")
    with centre.store._database.changing() as transaction:
        for statement in sql.split(";"):
            transaction.execute(statement.encode())
    with pytest.raises(FleetError, match=r"house: the database has . people, and not the . of change 3"):
        centre.store.snapshot_body(SITE, MODEL, "front")


def test_restored_counts_anew_after_rows_were_lost(centre: Centre) -> None:
    centre.store.put_all(SITE, [entry(n) for n in range(3)], "admin")
    with centre.store._database.changing() as transaction:
        transaction.execute("DELETE FROM templates")
        transaction.execute("DELETE FROM people WHERE seq = 2")
    centre.store.after_restore()
    device = centre.joined()
    device.follow()
    assert device.last is not None
    assert device.last.count == 2


def test_the_keyring_of_an_earlier_version_gets_its_marks(centre: Centre) -> None:
    centre.store.put(SITE, entry(1), "admin")
    for copy in (centre.keyring._first, centre.keyring._second):
        copy.connection.execute("DROP TABLE marks")
    with centre.reopened() as again:
        again.store.migrate()
        assert again.keyring.mark(SITE) == Mark(SITE, 1, 1)


@pytest.mark.parametrize("change", ["changed", "new", "forgotten"])
def test_a_centre_on_another_machine_with_a_keyring_of_its_own_is_found_out(
    centre: Centre, tmp_path: Path, change: str
) -> None:
    centre.store.put_all(SITE, [entry(1), entry(2)], "admin")
    folders = tmp_path / "other", tmp_path / "second-other"
    for folder, copy in zip(centre.folders, folders, strict=True):
        shutil.copytree(folder, copy)
    with Centre(centre.conninfo, folders, centre.clock) as other:
        other.store.migrate()
        CHANGES[change](other)
        before = centre.store.site(SITE).seq
        for one in ("new", "changed", "forgotten"):
            if one != change:
                with pytest.raises(OlderKeyringError, match="run centres on one machine only"):
                    CHANGES[one](centre)
        assert centre.store.site(SITE).seq == before
        other.store.put(SITE, entry(5), "admin")
