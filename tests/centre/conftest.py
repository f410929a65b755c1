import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeface.centre.context import CentreContext
from tests.support.centre import Centre
from tests.support.centre_server import Door, Running, serving
from tests.support.centre_server import centre as centre_of_server
from tests.support.postgres import Postgres

_names = itertools.count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests of a process; nothing of it survives a power cut."""
    server = Postgres()
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="session")
def migrated(postgres: Postgres) -> str:
    """Name of a database with the newest schema, to copy from."""
    from edgeface.centre.database import Database
    from edgeface.centre.migrations import migrate

    database = Database(postgres.create("migrated"), 1)
    with database.changing() as transaction:
        migrate(transaction)
    database.close()
    return "migrated"


@pytest.fixture
def conninfo(postgres: Postgres, migrated: str) -> Iterator[str]:
    """A fresh database."""
    name = f"test{next(_names)}"
    yield postgres.create(name, migrated)
    postgres.drop(name)


@pytest.fixture
def centre(conninfo: str, tmp_path: Path) -> Iterator[Centre]:
    """A started centre with the site `house`."""
    made = Centre.make(conninfo, tmp_path)
    yield made
    made.close()


@pytest.fixture
def context(conninfo: str, tmp_path: Path) -> Iterator[CentreContext]:
    """A centre with the site `tower` and without listeners."""
    with centre_of_server(conninfo, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def shared(postgres: Postgres, migrated: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One for all tests of a file, which leave it as it is."""
    name, folder = f"shared{next(_names)}", tmp_path_factory.mktemp("centre")
    with centre_of_server(postgres.create(name, migrated), folder) as made, serving(made, folder) as running:
        yield running
    postgres.drop(name)


@pytest.fixture(scope="module")
def shared_device(shared: Running) -> Door:
    """A device of that centre."""
    return shared.device("front")


@pytest.fixture
def running(context: CentreContext, tmp_path: Path) -> Iterator[Running]:
    """The same, serving devices and admins over TLS."""
    with serving(context, tmp_path) as made:
        yield made
