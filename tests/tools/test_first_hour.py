"""The table and the page of `make first-hour`, which takes too long for a test itself."""

from __future__ import annotations

from tools.first_hour.__main__ import MOST_COMMANDS, count, document, good, readme_lines, tabled, transcript
from tools.first_hour.roads import BUSY, Road, Typed

ROAD = Road("bookworm", "none")
OK = [Typed("make demo", 0, 60.0, "works\n", "reader"), Typed("edgeface run", 0, 5.0, "", "reader")]
ASKED = [
    Typed("make demo", 2, 1.0, "missing: mosquitto; run: sudo apt-get install mosquitto\n", "reader"),
    Typed("apt-get install mosquitto", 0, 20.0, "", "admin"),
]


def test_readme_has_one_line_of_the_demo_and_six_after_it() -> None:
    lines = [one.text for one in readme_lines()]
    assert (lines[0], lines[-1], len(lines)) == ("make demo", "edgeface run", 7)


def test_a_road_is_good_if_apt_was_asked_for_once_at_most_and_it_led_to_a_match() -> None:
    assert good(OK)
    assert good([*ASKED, *OK])
    assert not good([*ASKED, *ASKED, *OK])
    busy = Typed("make demo", 2, 60.0, f"{BUSY}; run the demo again\n", "reader")
    assert good([busy, OK[1]])
    assert not good([*ASKED])
    assert not good([OK[0], Typed("edgeface run", 1, 5.0, "no match arrived\n", "reader")])
    assert not good([*[OK[0]] * MOST_COMMANDS, OK[1]])


def test_the_clone_and_the_folder_count_as_commands() -> None:
    assert count(OK) == 4


def test_the_page_has_the_table_and_what_was_typed() -> None:
    walked = {ROAD: [*ASKED, *OK]}
    page = document(walked, tabled(walked))
    assert "| bookworm | none | yes | 6 | once | 1.4 |" in page
    assert "$ make demo\nmissing: mosquitto; run: sudo apt-get install mosquitto\n# apt-get install mosquitto\n" in page


def test_a_transcript_leaves_the_progress_of_downloads_out() -> None:
    steps = [Typed("make demo", 0, 1.0, "Get:1 http://deb.test\n  Downloading a.whl\n\nfaces 3\n", "reader")]
    assert transcript(steps) == ["$ make demo", "faces 3"]
