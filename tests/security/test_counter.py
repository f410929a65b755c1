"""The TPM's counter names a data folder that was put back, with a real swtpm and the real tpm2-tools."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edgeface.gallery.gallery import Gallery
from edgeface.journal.journal import Journal
from edgeface.security import head as heads
from edgeface.security.attempts import AttemptKey
from edgeface.security.counter import LATE, SOON, CounterSchedule, GenerationCounter
from edgeface.security.head import Alarm, Head, HeadFile
from edgeface.security.integrity import ROLLED_BACK, check
from edgeface.security.tpm import TCTI, ForeignCounterError, TpmCounter, TpmError
from edgeface.security.vault import Vault, VaultKey, open_vault
from tests.support.data_folders import MODEL, WALL, fill, use
from tests.support.software_tpm import SoftwareTpm, needs_swtpm, software_tpm

CLEARED = Alarm("tpm", "replaced")


@pytest.fixture
def tpm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SoftwareTpm]:
    with software_tpm(tmp_path / "tpm") as tpm:
        monkeypatch.setenv(TCTI, tpm.tcti)
        yield tpm


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fill(tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def counter(folder: Path, tpm: SoftwareTpm) -> GenerationCounter:
    """A counter that was just made."""
    assert tpm.folder.is_dir()
    vault = open_vault(folder)
    counter = GenerationCounter(folder, vault, TpmCounter(vault))
    assert counter.begin() >= 1
    return counter


def head_of(folder: Path) -> Head:
    head = HeadFile(folder, open_vault(folder)).read()
    assert head is not None
    return head


def found(counter: GenerationCounter) -> Alarm | None:
    report = counter.compare()
    assert report.problem is None
    return None if report.found is None else report.found.alarm


@needs_swtpm
def test_a_whole_folder_put_back_is_named_and_work_is_not(
    counter: GenerationCounter, folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "old")
    use(folder)
    assert found(counter) is None
    value = counter.advance()
    with closing(Journal(folder / "journal.db")) as journal:
        journal.record("config", WALL, {"n": 1})
    assert found(counter) is None
    assert head_of(folder).counter == value
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "old", folder)
    assert found(counter) == ROLLED_BACK
    report = counter.compare()
    assert report.found is not None
    assert f"it knows {value - 1} of the TPM's counter, which is at {value}" in report.found.line
    assert [one.alarm for one in check(folder, open_vault(folder), [report.found])] == [ROLLED_BACK]
    with pytest.raises(TpmError, match="put back"):
        counter.advance()


@needs_swtpm
def test_a_folder_from_before_the_counter_and_an_empty_one_are_named(
    tpm: SoftwareTpm, folder: Path, tmp_path: Path
) -> None:
    assert tpm.folder.is_dir()
    shutil.copytree(folder, tmp_path / "old")
    vault = open_vault(folder)
    counter = GenerationCounter(folder, vault, TpmCounter(vault))
    assert "edgeface audit tpm" in str(counter.compare().problem)
    counter.begin()
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "old", folder)
    assert found(counter) == ROLLED_BACK
    for path in folder.iterdir():
        if not path.name.startswith("key"):
            path.unlink()
    assert found(counter) == ROLLED_BACK


@needs_swtpm
def test_a_tpm_that_was_cleared_or_replaced_is_named(
    counter: GenerationCounter, tpm: SoftwareTpm, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter.advance()
    before = head_of(folder).counter
    tpm.tool("tpm2_clear", "-c", "p")
    assert found(counter) == CLEARED
    assert counter.begin() > before
    assert found(counter) is None
    with software_tpm(tmp_path / "other") as other:
        monkeypatch.setenv(TCTI, other.tcti)
        assert found(counter) == CLEARED
        TpmCounter(open_vault(folder)).define()
        TpmCounter(open_vault(folder)).increment()
        assert found(counter) == CLEARED


@needs_swtpm
def test_a_counter_that_was_removed_and_made_again_counts_on(counter: GenerationCounter, tpm: SoftwareTpm) -> None:
    value = counter.advance()
    tpm.tool("tpm2_nvundefine", counter.tpm.index, "-C", "o")
    assert found(counter) == CLEARED
    counter.tpm.define()
    assert counter.tpm.read() is None
    assert counter.tpm.increment() == value + 1
    assert found(counter) == ROLLED_BACK


@needs_swtpm
def test_no_one_else_can_read_or_advance_it_nor_take_its_place(
    counter: GenerationCounter, tpm: SoftwareTpm, folder: Path
) -> None:
    index = counter.tpm.index
    for command in (
        ("tpm2_nvread", index, "-C", index),
        ("tpm2_nvincrement", index, "-C", index, "-P", "guess"),
        ("tpm2_nvincrement", index, "-C", "o"),
    ):
        with pytest.raises(subprocess.CalledProcessError):
            tpm.tool(*command)
    assert found(counter) is None
    tpm.tool("tpm2_nvundefine", index, "-C", "o")
    tpm.tool("tpm2_nvdefine", index, "-C", "o", "-a", "nt=counter|authread|authwrite", "-p", "mine")
    tpm.tool("tpm2_nvincrement", index, "-C", index, "-P", "mine")
    with pytest.raises(ForeignCounterError):
        counter.tpm.read()
    assert found(counter) == CLEARED
    with pytest.raises(TpmError, match="tpm2_nvundefine"):
        counter.begin()
    assert head_of(folder).counter > 0


@needs_swtpm
def test_each_data_folder_has_a_counter_of_its_own(tpm: SoftwareTpm) -> None:
    assert tpm.folder.is_dir()
    one, other = (TpmCounter(Vault(VaultKey("file", bytes([number]) * 32))) for number in (1, 2))
    one.define()
    one.increment()
    assert other.index != one.index
    assert other.read() is None


@needs_swtpm
def test_the_counter_outlives_its_power(counter: GenerationCounter, tpm: SoftwareTpm) -> None:
    value = counter.advance()
    tpm.stop()
    report = counter.compare()
    assert (report.found, report.value) == (None, None)
    assert "the TPM cannot be used" in str(report.problem)
    tpm.start()
    assert counter.compare().value == value


@needs_swtpm
@pytest.mark.parametrize("moment", ["before the increment", "after the increment"])
def test_a_process_killed_while_it_advances_leaves_a_head_that_fits(
    counter: GenerationCounter, folder: Path, moment: str
) -> None:
    head = head_of(folder)
    HeadFile(folder, open_vault(folder)).count(head.counter, head.number, advancing=True)
    if moment == "after the increment":
        counter.tpm.increment()
    use(folder)
    assert found(counter) is None
    counter.advance()
    assert (found(counter), head_of(folder).advancing) == (None, False)


class CutOff(TpmCounter):
    """A counter that counts, and whose process is killed before it can say so."""

    def increment(self, *held: int) -> int:
        super().increment(*held)
        raise KeyboardInterrupt


@needs_swtpm
def test_the_head_knows_that_the_counter_is_being_advanced(counter: GenerationCounter, folder: Path) -> None:
    vault = open_vault(folder)
    with pytest.raises(KeyboardInterrupt):
        GenerationCounter(folder, vault, CutOff(vault)).advance()
    assert (found(counter), head_of(folder).advancing) == (None, True)
    assert counter.compare().value == head_of(folder).counter + 1


@needs_swtpm
def test_real_processes_killed_at_any_moment_raise_no_alarm(counter: GenerationCounter, folder: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from edgeface.security.counter import open_counter;"
        "from edgeface.security.vault import open_vault; folder = Path(sys.argv[1]);"
        "counter = open_counter(folder, open_vault(folder), used=True); print(flush=True)\n"
        "while True: counter.advance()"
    )
    first = head_of(folder).counter
    for round_ in range(6 if not os.environ.get("EDGEFACE_HEAVY") else 60):
        with subprocess.Popen([sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            counter.compare() if round_ % 2 else counter.advance()
            process.kill()
        with closing(Journal(folder / "journal.db")) as journal:
            journal.record("config", WALL, {"n": round_})
        assert found(counter) is None
        counter.advance()
    assert head_of(folder).counter > first


@needs_swtpm
def test_it_is_advanced_soon_for_people_and_late_for_the_rest(counter: GenerationCounter, folder: Path) -> None:
    schedule = CounterSchedule(counter, 0.0)
    with closing(Journal(folder / "journal.db")) as journal, closing(Gallery.open(folder, MODEL)) as gallery:
        assert not schedule.due(head_of(folder), SOON)
        journal.record("config", WALL, {"n": 1})
        assert not schedule.due(head_of(folder), SOON - 1)
        assert schedule.due(head_of(folder), SOON)
        assert schedule.advance(SOON) is None
        assert not schedule.due(head_of(folder), SOON + 10 * LATE)
        journal.record("config", WALL, {"n": 2})
        assert not schedule.due(head_of(folder), SOON + LATE - 1)
        assert schedule.due(head_of(folder), SOON + LATE)
        gallery.put_attempts({AttemptKey("front", "bob"): {"wrong": 9}})
        assert not schedule.due(head_of(folder), SOON + LATE - 1)
        gallery.remove(["bob"])
        assert not schedule.due(head_of(folder), 2 * SOON - 1)
        assert schedule.due(head_of(folder), 2 * SOON)


def test_a_head_without_a_counter_stays_as_an_older_edgeface_wrote_it() -> None:
    assert Head().pack()[0] == 1
    assert Head.unpack(Head().pack()).counter == 0
    counted = Head.unpack(Head(counter=7, advancing=True, counted=12).pack())
    assert (counted.counter, counted.advancing, counted.counted) == (7, True, 12)
    assert Head(advancing=True).pack()[0] == heads._WITH_COUNTER
    every = Head().raising(*(Alarm(subject, kind) for subject in heads._SUBJECTS for kind in heads.KINDS))
    assert len(every.found) == 44
    # Nor does it change for whoever has no owner key and no list of device keys.
    assert Head(files={**Head().files, "owner.json": bytes(range(16))}, counter=7).pack()[0] == heads._WITH_LIST
    # Nor for whoever has no self-enrollment.
    proposed = Head(files={**Head().files, "proposals": bytes(range(16))})
    assert Head.unpack(proposed.pack()).files == proposed.files
    assert proposed.pack()[0] == heads._WITH_PENDING
    marks = {name: bytes([number] * 16) for number, name in enumerate(heads.FILES)}
    full = Head.unpack(Head(files=marks, files_before=marks, counter=7, advancing=True, counted=12).pack())
    assert (full.files, full.files_before, full.counter, full.advancing, full.counted) == (marks, marks, 7, True, 12)
    # With the nonce, the tag and the length, it fits into one sector.
    assert len(full.pack()) + 12 + 16 + 2 <= heads._SECTOR


def test_without_tpm2_tools_it_is_one_clear_line(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    vault = open_vault(folder)
    report = GenerationCounter(folder, vault, TpmCounter(vault)).compare()
    assert (report.problem, report.found) == ("tpm2-tools is missing: apt install tpm2-tools", None)
