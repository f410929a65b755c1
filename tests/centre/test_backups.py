"""The steps of the fault suite about backups and a lost machine, with few people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.postgres import programs
from tools.fleet_faults import restore, standby
from tools.fleet_faults.step import Options

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.slow(seconds=15),
    pytest.mark.skipif(not (programs() / "pg_basebackup").exists(), reason="needs pg_basebackup"),
]


def test_a_restore_of_any_backup_brings_no_one_back(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    rows = restore.run(Options(tmp_path, people=150))
    assert [row.faults for row in rows] == [()] * 3
    assert [row.held for row in rows[::2]] == ["yes", "yes"]


def test_a_second_machine_takes_over_without_a_loss(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    assert standby.machine_lost(tmp_path, 60).faults == ()
