"""The other process of benchmarks/people.py: changes a gallery while a daemon has it open.

python -m benchmarks.people_changes FOLDER PEOPLE
"""

from __future__ import annotations

import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np

from benchmarks.people import CHANGES, PAUSE, WALL, enroll, name
from edgeface.faces.embedder import embedder_name
from edgeface.gallery.gallery import Gallery


def main(folder: Path, people: int) -> None:
    """Enroll, rename, add a template, remove one, link, and date a consent, in turn."""
    rng = np.random.default_rng(2)
    with closing(Gallery.open(folder, embedder_name())) as gallery:
        for number in range(CHANGES):
            who, other = name(number % people), name((number + 1) % people)
            change = number % 6
            if change == 0:
                enroll(gallery, people + number, rng)
            elif change == 1:
                gallery.rename(who, f"Other name {number}", WALL)
            elif change == 2:  # noqa: PLR2004 - the steps in turn
                enroll(gallery, number % people, rng)
            elif change == 3:  # noqa: PLR2004
                gallery.remove_template(who, gallery.template_id(gallery.templates(who)[0]), WALL)
            elif change == 4:  # noqa: PLR2004
                gallery.link(who, [other])
            else:
                gallery.consent(who, WALL, "2026-01-01", "2096-01-01")
            time.sleep(PAUSE)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
