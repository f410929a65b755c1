import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgres import memory
from tests.support.writers import prove


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(dir=memory()))
    # PostgreSQL runs as another user.
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@pytest.mark.slow(seconds=20)
def test_no_acknowledged_change_is_lost_when_writers_and_the_database_are_killed(folder: Path) -> None:
    outcome = prove(folder, 5_000)
    assert outcome.acknowledged >= 5_000
    assert (outcome.writers_killed, outcome.database_killed) == (6, 2)
    assert (outcome.lost, outcome.twice, outcome.wrong) == ([], [], [])
