import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.writers import prove


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder in memory, if there is one: a kill loses nothing that was written, so no test has to wait for a disk."""
    shared = Path("/dev/shm")  # noqa: S108 - it only holds a folder with a random name
    folder = Path(tempfile.mkdtemp(dir=shared if shared.is_dir() else None))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.slow(seconds=25)
def test_no_acknowledged_change_is_lost_when_writers_and_the_database_are_killed(memory: Path) -> None:
    outcome = prove(memory, 5_000)
    assert outcome.acknowledged >= 5_000
    assert outcome.writers_killed >= 3
    assert outcome.database_killed >= 1
    assert (outcome.lost, outcome.twice, outcome.wrong) == ([], [], [])
