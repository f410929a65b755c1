"""Writes journal and gallery until it dies, and prints what has been acknowledged.

    python -m tools.faults.writer FOLDER PREFIX [lax]

Lines: `ready` before anything is opened, `J ID ID ...` when the journal accepted rows, `G PERSON` when the gallery
accepted one. `lax` opens the files with synchronous=NORMAL, as many programs do: a cut must then lose something.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeface.core import sqlite
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import Template
from edgeface.journal.journal import Journal
from edgeface.journal.rows import JournalRow

if TYPE_CHECKING:
    import sqlite3

MODEL = "faults"
SIZE = 192
TEMPLATES = 2
"""Templates per person; any other number is a torn enrollment."""
_ROWS = 3
_EVERY = 4


class Lax(sqlite.GuardedConnection):
    """A connection that does not wait for the disk."""

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Run one statement, with FULL made NORMAL."""
        return super().execute(sql.replace("synchronous = FULL", "synchronous = NORMAL"), parameters)


def main() -> None:
    """Write forever."""
    folder, prefix, *mode = sys.argv[1:]
    if mode == ["lax"]:
        sqlite.GuardedConnection = Lax  # type: ignore[misc]
    _say("ready")
    write(Path(folder), prefix)


def write(folder: Path, prefix: str) -> None:
    """Add rows and people until something fails."""
    folder.mkdir(mode=0o700, exist_ok=True)
    with closing(Journal(folder / "journal.db")) as journal, closing(Gallery.open(folder, MODEL)) as gallery:
        _write(journal, gallery, prefix)


def _write(journal: Journal, gallery: Gallery, prefix: str) -> None:
    dice = np.random.default_rng()
    step, before = 0, list[str]()
    while True:
        step += 1
        rows = [_row(f"{prefix}-{step}-{number}") for number in range(_ROWS)]
        if not journal.write(rows, published=before):
            return
        before = [row.id for row in rows]
        _say("J", *before)
        if step % _EVERY == 0:
            person = f"{prefix}-{step}"
            gallery.enroll(person, None, [_template(dice) for _ in range(TEMPLATES)], time.time())
            _say("G", person)


def _row(id_: str) -> JournalRow:
    facts = {"v": 1, "event_type": "match", "id": id_, "person": "alice", "score": 0.7}
    return JournalRow(id_, "match", time.time(), json.dumps(facts))


def _template(dice: np.random.Generator) -> Template:
    vector = dice.normal(size=SIZE).astype(np.float32)
    return Template(vector / np.linalg.norm(vector), MODEL, "photo", time.time())


def _say(*words: str) -> None:
    print(*words, flush=True)


if __name__ == "__main__":
    main()
