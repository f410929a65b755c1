"""The table of a liveness trial: one row for each presentation, appended and never changed.

It has scores and counts; it has no picture, no embedding and no name.
"""

from __future__ import annotations

import csv
import fcntl
import io
import os
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias, cast, get_args

from edgeface.core.errors import GalleryError, system_reason
from edgeface.core.files import own_as_folder, read_at_most
from edgeface.core.text import counted, printable, printable_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

FILE = "liveness-trial.csv"
"""Its name in the data folder."""

GENUINE = "genuine"
SPECIES = ("print", "phone", "tablet", "monitor", "mask", "video")
"""Kinds of attack instrument; further ones are written as other:WORD."""
KINDS = (GENUINE, *SPECIES)

Verdict: TypeAlias = Literal["living", "spoof", "undecided", "no_response"]
"""What became of one presentation. `no_response`: nothing was judged, because no face was found or none was good."""

VOID: Final = "void"
"""In place of a verdict: the presentation of this kind before it does not count."""

MAX_BYTES = 16 << 20

_OTHER = re.compile(r"other:[a-z0-9-]{1,32}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_TEXT = re.compile(r"[A-Za-z0-9._:=+ -]{0,400}")
_SCORE = re.compile(r"0\.\d{3}|1\.000")
_REASON = re.compile(r"([a-z_]{1,32})=(\d{1,6})")
_COUNT = re.compile(r"\d{1,6}")
_SECONDS = re.compile(r"\d{1,6}\.\d")


class Setup(NamedTuple):
    """What judged a presentation: rates are of rows with one setup."""

    edgeface: str
    """The version."""
    camera: str
    checks: str
    """passive, challenge or both."""
    detector: str
    models: str
    """FILE:SHA-256, each with the first 16 digits, separated by spaces; the embedder is one of them."""
    limits: str
    """NAME=VALUE, separated by spaces."""


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One presentation."""

    time: str
    """RFC 3339 in UTC."""
    setup: Setup
    kind: str
    """One of KINDS, or other:WORD."""
    verdict: Verdict | Literal["void"]
    looks: int = 0
    means: tuple[float, ...] = ()
    """Of the looks, for each model."""
    reasons: tuple[tuple[str, int], ...] = ()
    """Frames that gave no look, or no embedding, by reason; and what gave a spoof away."""
    seconds: float = 0.0
    """From the first picture to the verdict."""


COLUMNS = ("time", *Setup._fields, "kind", "verdict", "looks", "means", "reasons", "seconds")


def is_kind(text: str) -> bool:
    """Whether `text` names a kind of presentation."""
    return text in KINDS or _OTHER.fullmatch(text) is not None


def read(file: Path) -> list[TrialRow]:
    """All rows, none without a file; raises GalleryError, with FILE:LINE, for anything that `append` does not write."""
    shown = printable_path(file)
    try:
        data = read_at_most(file, MAX_BYTES)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise GalleryError(f"{shown}: cannot be read ({system_reason(error)})") from error
    if len(data) > MAX_BYTES:
        raise GalleryError(f"{shown}: more than {MAX_BYTES >> 20} MB")
    return list(_rows(data, shown)) if data else []


def append(file: Path, row: TrialRow) -> None:
    """Add a row, and the header to an empty file; it is on disk afterwards. A new file has the mode 0600.

    Raises GalleryError if it cannot be written.
    """
    try:
        handle = os.open(
            file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600
        )
        try:
            _append(handle, file, row)
        finally:
            os.close(handle)
    except OSError as error:
        raise GalleryError(f"{printable_path(file)}: cannot be written ({system_reason(error)})") from error


def without_void(rows: Iterable[TrialRow]) -> tuple[list[TrialRow], int]:
    """The rows that count, and how many presentations were declared void."""
    kept, void = list[TrialRow](), 0
    for row in rows:
        if row.verdict != VOID:
            kept.append(row)
            continue
        at = next((n for n in reversed(range(len(kept))) if _same(kept[n], row)), None)
        if at is not None:
            del kept[at]
            void += 1
    return kept, void


def _same(one: TrialRow, other: TrialRow) -> bool:
    return (one.setup, one.kind) == (other.setup, other.kind)


def _append(handle: int, file: Path, row: TrialRow) -> None:
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        raise OSError(0, "not a file")
    # Two trials at a time write one header.
    fcntl.flock(handle, fcntl.LOCK_EX)
    size = os.fstat(handle).st_size
    if not size:
        own_as_folder(handle, file.parent)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([COLUMNS, _fields(row)] if not size else [_fields(row)])
    data = text.getvalue().encode()
    if os.write(handle, data) < len(data):
        # Half a row would make the whole table unreadable.
        os.ftruncate(handle, size)
        raise OSError(0, "the disk is full")
    os.fsync(handle)


def _fields(row: TrialRow) -> list[str]:
    means = " ".join(f"{mean:.3f}" for mean in row.means)
    reasons = " ".join(f"{reason}={count}" for reason, count in row.reasons)
    return [row.time, *row.setup, row.kind, row.verdict, str(row.looks), means, reasons, f"{row.seconds:.1f}"]


def _rows(data: bytes, shown: str) -> Iterator[TrialRow]:
    try:
        text = data.decode("ascii")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        header, *lines = [(reader.line_num, fields) for fields in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise GalleryError(f"{shown}: not a CSV file of this command ({printable(str(error))})") from error
    if tuple(header[1]) != COLUMNS:
        raise GalleryError(f"{shown}:1: the columns are not those of this command: {','.join(COLUMNS)}")
    if not text.endswith("\n"):
        raise GalleryError(f"{shown}:{len(lines) + 1}: the last line is cut off")
    for number, fields in lines:
        yield _row(fields, f"{shown}:{number}")


def _row(fields: list[str], where: str) -> TrialRow:
    if len(fields) != len(COLUMNS):
        raise GalleryError(f"{where}: {counted(len(fields), 'column')}, expected {len(COLUMNS)}")
    named = dict(zip(COLUMNS, fields, strict=True))
    for name, value in named.items():
        if not _VALID[name](value):
            raise GalleryError(f"{where}: {name}: {printable(value)} is not one of its values")
    return TrialRow(
        named["time"],
        Setup(*(named[name] for name in Setup._fields)),
        named["kind"],
        cast("Verdict", named["verdict"]),
        int(named["looks"]),
        tuple(float(mean) for mean in named["means"].split()),
        tuple((word, int(count)) for word, count in _REASON.findall(named["reasons"])),
        float(named["seconds"]),
    )


def _matches(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda value: pattern.fullmatch(value) is not None


def _listed(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda value: all(map(_matches(pattern), value.split(" "))) if value else True


_VALID: Mapping[str, Callable[[str], bool]] = {
    "time": _matches(_TIME),
    **dict.fromkeys(Setup._fields, _matches(_TEXT)),
    "kind": is_kind,
    "verdict": {*get_args(Verdict), VOID}.__contains__,
    "looks": _matches(_COUNT),
    "means": _listed(_SCORE),
    "reasons": _listed(_REASON),
    "seconds": _matches(_SECONDS),
}
"""Whether a field has a value that `append` writes."""
