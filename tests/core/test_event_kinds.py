"""There is one table of event kinds: every user of the kinds knows all of them, and no other file lists them."""

import ast
import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import TypeAdapter

from edgeface.core.event_kinds import BY_KIND, EVENT_KINDS, DoorOutcome, FaceKind, kinds, of
from edgeface.core.types import DecisionKind, EventType, FaceLabel
from edgeface.imaging import drawing
from edgeface.mqtt.discovery import Discovery
from edgeface.mqtt.settings import Mqtt
from edgeface.mqtt.topics import Topics
from edgeface.web.api.device_models import Kind
from edgeface.web.pages.render import environment
from edgeface.web.texts import strings

ROOT = Path(__file__).parents[2]
EVENTS = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
NOT_KINDS = {
    "edgeface/access/door_state.py": 5,
    "edgeface/cli/arguments/machine.py": 3,
    "edgeface/cli/parser.py": 3,
    "edgeface/web/texts/camera_strings.py": 3,
    "edgeface/web/texts/strings.py": 5,
    "edgeface/web/today/export.py": 3,
}
"""The number of words in one group that mean something else there: counters of the state, commands, notices, cells."""
SOURCES = [
    path
    for suffix in ("*.py", "*.js", "*.html", "*.css")
    for path in sorted((ROOT / "edgeface").rglob(suffix))
    if path.name not in {"event_kinds.py", "types.py"}
]


def first_cells(heading: str) -> set[str]:
    """The words in code of the first column of the tables under a heading of docs/events.md."""
    part = EVENTS.partition(heading)[2].partition("\n## ")[0]
    return {
        word for line in re.findall(r"^\| (`[^|]*) \|", part, re.MULTILINE) for word in re.findall(r"`(\w+)`", line)
    }


def test_a_kind_is_in_the_table_once() -> None:
    assert len(BY_KIND) == len(EVENT_KINDS)


def test_the_types_have_the_pipelines_kinds() -> None:
    assert get_args(EventType) == kinds("pipeline")


def test_every_kind_is_documented() -> None:
    assert set(kinds("pipeline")) <= first_cells("## Events")
    assert set(kinds()) - set(kinds("pipeline")) <= first_cells("## The audit topic")


def test_home_assistant_knows_every_kind_that_is_published() -> None:
    made = Discovery(Topics.of_device(Mqtt(), "front"), "front", snapshots=False).messages(["porch"], [])
    payload = "".join(made.values())
    assert all(f'"{kind}"' in payload for kind in kinds("pipeline"))


def test_rest_takes_every_kind() -> None:
    schema = TypeAdapter(Kind).json_schema()
    assert tuple(schema["enum"]) == kinds()
    with pytest.raises(ValueError, match="did you mean 'match'"):
        TypeAdapter(Kind).validate_python("matched")


def test_the_page_has_a_word_and_the_stream_a_listener_for_every_kind() -> None:
    made = environment()
    assert made.globals["event_kinds"] == EVENT_KINDS
    assert all(entry.label[:1].isupper() for entry in EVENT_KINDS)
    script = (ROOT / "edgeface" / "web" / "static" / "events.js").read_text()
    assert "JSON.parse(body.dataset.kinds)" in script


def test_the_kinds_of_visits_are_those_of_the_table() -> None:
    assert get_args(FaceKind) == tuple(entry.kind for entry in EVENT_KINDS if entry.group == "pipeline" and entry.face)
    assert set(get_args(DoorOutcome)) < set(kinds("door"))


def test_a_kind_of_a_newer_edgeface_is_labelled_with_its_own_name() -> None:
    assert of("spoofed").label == "spoofed"


def test_every_label_of_a_face_has_a_colour_and_a_word() -> None:
    labels = {"new", "spoof", *get_args(DecisionKind)}
    assert set(get_args(FaceLabel)) == labels
    assert drawing._COLOURS.keys() == strings.LABELS.keys() == labels


def test_no_other_file_lists_the_kinds() -> None:
    """Three kinds in one list, set, dictionary, tuple or Literal are a second table."""
    found = {name: listed(path, NOT_KINDS.get(name, 2)) for path in SOURCES if (name := str(path.relative_to(ROOT)))}
    assert {name: tables for name, tables in found.items() if tables} == {}


def listed(path: Path, most: int) -> list[list[str]]:
    """The kinds of each list in a file that has more than so many."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        groups = [
            {leaf.value for leaf in ast.walk(node) if isinstance(leaf, ast.Constant) and isinstance(leaf.value, str)}
            for node in ast.walk(ast.parse(text))
            if isinstance(node, (ast.List, ast.Set, ast.Dict, ast.Tuple))
        ]
    else:
        groups = [set(re.findall(r"[\"'](\w+)[\"']", part)) for part in re.findall(r"[\[{][^\[\]{}]*[\]}]", text)]
    known = [group & set(kinds()) for group in groups]
    return [sorted(found) for found in known if len(found) > most]
