"""The table of a liveness trial: what is written, and what is refused."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from edgeface.core.errors import GalleryError
from edgeface.evaluation.liveness_table import COLUMNS, VOID, Setup, TrialRow, append, is_kind, read, without_void
from tests.support.disks import full_disk

SETUP = Setup("0.1.0", "porch", "passive", "blazeface", "mobilefacenet-int8:1fdadcb9", "living=0.5 spoof=0.3 looks=5")
ROW = TrialRow(
    "2026-11-29T09:00:45.707Z", SETUP, "phone", "spoof", 5, (0.125, 0.5), (("blurred", 3), ("close", 12)), 2.5
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "liveness-trial.csv"


def test_rows_are_read_as_they_were_appended_below_one_header(table: Path) -> None:
    bare = TrialRow("2026-11-29T09:00:46.000Z", SETUP, "other:doll-1", "no_response")
    append(table, ROW)
    append(table, bare)
    assert read(table) == [ROW, bare]
    assert table.read_text().count("time,") == 1
    assert table.stat().st_mode & 0o777 == 0o600
    assert table.read_text().splitlines()[1].endswith(",phone,spoof,5,0.125 0.500,blurred=3 close=12,2.5")


def test_no_table_and_an_empty_one_have_no_rows(table: Path) -> None:
    assert read(table) == []
    table.touch()
    assert read(table) == []
    append(table, ROW)
    assert read(table) == [ROW]


@pytest.mark.parametrize("kind", ["genuine", "print", "phone", "tablet", "monitor", "mask", "video", "other:3d-head"])
def test_kinds(kind: str) -> None:
    assert is_kind(kind)


@pytest.mark.parametrize(
    "kind", ["", "Phone", "other:", "other:Alice B.", "other:=1+1", "phone\n", "paper", "other:" + "a" * 33]
)
def test_what_is_no_kind(kind: str) -> None:
    assert not is_kind(kind)


GOOD = "2026-11-29T09:00:45.707Z,0.1.0,porch,passive,blazeface,m:1,living=0.5,phone,spoof,5,0.125 0.500,close=1,2.5"
HEADER = ",".join(COLUMNS)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("a,b\n1,2\n", ":1: the columns are not those"),
        (f"{HEADER},name\n", ":1: the columns are not those"),
        (f"{HEADER}\n{GOOD}", ":2: the last line is cut off"),
        (f"{HEADER}\n{GOOD[:60]}\n", ":2: 7 columns, expected 13"),
        (f"{HEADER}\n{GOOD},more\n", ":2: 14 columns, expected 13"),
        (f"{HEADER}\n\n", ":2: 0 columns"),
        (f"{HEADER}\n{GOOD}\n{GOOD.replace('spoof', 'passed')}\n", ":3: verdict: passed is not one of its values"),
        (f"{HEADER}\n{GOOD.replace(',5,', ',-5,')}\n", ":2: looks"),
        (f"{HEADER}\n{GOOD.replace('0.125', 'nan')}\n", ":2: means"),
        (f"{HEADER}\n{GOOD.replace('0.125', '1.125')}\n", ":2: means"),
        (f"{HEADER}\n{GOOD.replace('2.5', 'inf')}\n", ":2: seconds"),
        (f"{HEADER}\n{GOOD.replace('phone', '=cmd()')}\n", ":2: kind"),
        (f"{HEADER}\n{GOOD.replace('porch', chr(27) + '[2J')}\n", ":2: camera: [2J is not one"),
        (f"{HEADER}\n{GOOD.replace('2026-11', '2026-1')}\n", ":2: time"),
        (f"{HEADER}\n{GOOD.replace('close=1', 'close=x')}\n", ":2: reasons"),
        (f'{HEADER}\n"{GOOD}\n', "not a CSV file"),
        (f"{HEADER}\n{GOOD}\u00e9\n", "not a CSV file"),
        ("\0\0\0\n", "liveness-trial.csv"),
        ("\n", ":1: the columns are not those"),
    ],
)
def test_a_table_that_the_command_did_not_write_is_refused_in_one_line(table: Path, content: str, problem: str) -> None:
    table.write_text(content, encoding="utf-8")
    with pytest.raises(GalleryError) as caught:
        read(table)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_table_that_is_too_large_a_folder_or_a_pipe_is_refused(table: Path) -> None:
    table.write_bytes(bytes(17 << 20))
    with pytest.raises(GalleryError, match="more than 16 MB"):
        read(table)
    table.unlink()
    os.mkfifo(table)
    for use in (read, lambda file: append(file, ROW)):
        with pytest.raises(GalleryError, match="cannot be"):
            use(table)
    table.unlink()
    table.mkdir()
    for use in (read, lambda file: append(file, ROW)):
        with pytest.raises(GalleryError, match="cannot be"):
            use(table)


def test_a_link_is_not_followed_when_a_row_is_written(table: Path, tmp_path: Path) -> None:
    table.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(GalleryError, match="cannot be written"):
        append(table, ROW)
    assert not (tmp_path / "elsewhere").exists()


def test_half_a_row_on_a_full_disk_is_taken_back(table: Path) -> None:
    append(table, ROW)
    with full_disk(table.stat().st_size + 20), pytest.raises(GalleryError, match="the disk is full"):
        append(table, ROW)
    assert read(table) == [ROW]


def test_a_void_row_takes_out_the_last_one_of_its_kind_and_setup() -> None:
    first, second = ROW, replace(ROW, verdict="living")
    other, elsewhere = replace(ROW, kind="print"), replace(ROW, setup=SETUP._replace(camera="hall"))
    void = replace(ROW, verdict=VOID)
    assert without_void([first, second, other, elsewhere, void]) == ([first, other, elsewhere], 1)
    assert without_void([void, first]) == ([first], 0)
