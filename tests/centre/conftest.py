import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.centre import Centre
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
