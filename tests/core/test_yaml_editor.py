import difflib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.config import loader
from edgeface.core import yaml_reader
from edgeface.core.yaml_editor import Refused, put, put_below, remove

REFERENCE = (Path(__file__).parents[2] / "config.yaml").read_bytes()
REGION = ("cameras", "porch", "region")
SMALLEST = ("detector", "smallest_face")


def changes(before: bytes, after: bytes) -> list[str]:
    lines = difflib.ndiff(before.decode().splitlines(keepends=True), after.decode().splitlines(keepends=True))
    return [line for line in lines if line[0] in "+-"]


def test_a_new_key_goes_below_its_commented_example_and_nothing_else_changes() -> None:
    after = put(REFERENCE, REGION, [0.1, 0.2, 0.9, 1.0])
    assert changes(REFERENCE, after) == ["+     region: [0.1, 0.2, 0.9, 1.0]\n"]
    lines = after.decode().splitlines()
    assert lines[lines.index("    region: [0.1, 0.2, 0.9, 1.0]") - 1] == "    #region: [0.0, 0.0, 1.0, 1.0]"
    assert loader.parse(after, "x").cameras["porch"].region == (0.1, 0.2, 0.9, 1.0)
    assert changes(REFERENCE, put(REFERENCE, SMALLEST, 80)) == ["+   smallest_face: 80\n"]


def test_a_value_is_changed_in_its_place() -> None:
    once = put(put(REFERENCE, REGION, [0.1, 0.2, 0.9, 1.0]), SMALLEST, 80)
    twice = put(put(once, REGION, [0.0, 0.0, 0.5, 0.5]), SMALLEST, 40)
    assert changes(once, twice) == [
        "-     region: [0.1, 0.2, 0.9, 1.0]\n",
        "+     region: [0.0, 0.0, 0.5, 0.5]\n",
        "-   smallest_face: 80\n",
        "+   smallest_face: 40\n",
    ]


LAYOUTS = {
    "flow": (
        b"cameras: {porch: {type: opencv, source: 0}} # end\n",
        b"cameras: {porch: {type: opencv, source: 0, region: [1, 2]}} # end\n",
    ),
    "flow, empty": (b"cameras: {porch: {}}\n", b"cameras: {porch: {region: [1, 2]}}\n"),
    "flow with a comma at the end": (
        b"cameras: {porch: {a: 1,}}\n",
        b"cameras: {porch: {a: 1, region: [1, 2],}}\n",
    ),
    "odd spaces": (
        b"cameras:\n     'porch'  :  # why\n        type:   opencv   # two\n        region: [ 7,8 ]  # so\n",
        b"cameras:\n     'porch'  :  # why\n        type:   opencv   # two\n        region: [ 1,2 ]  # so\n",
    ),
    "a list over lines": (
        b"cameras:\n  porch:\n    region:\n    - 7 # left\n    # between\n    - 8\n    b: 1\n",
        b"cameras:\n  porch:\n    region:\n    - 1 # left\n    # between\n    - 2\n    b: 1\n",
    ),
    "Windows' line ends": (
        b"cameras:\r\n  porch:\r\n    a: 1\r\nb: 2\r\n",
        b"cameras:\r\n  porch:\r\n    a: 1\r\n    region: [1, 2]\r\nb: 2\r\n",
    ),
    "a byte order mark": (
        b"\xef\xbb\xbfcameras:\n  porch:\n    a: 1\n",
        b"\xef\xbb\xbfcameras:\n  porch:\n    a: 1\n    region: [1, 2]\n",
    ),
    "no line end": (b"cameras:\n  porch:\n    a: 1", b"cameras:\n  porch:\n    a: 1\n    region: [1, 2]\n"),
    "no value": (
        b"cameras:\n  porch:\n    region:  # none\n    a: 1\n",
        b"cameras:\n  porch:\n    region: [1, 2]  # none\n    a: 1\n",
    ),
    "not ASCII before": (
        "cameras:\n  # Tür: für 猫\n  porch:\n    a: 'ü'\nb: 2\n".encode(),
        "cameras:\n  # Tür: für 猫\n  porch:\n    a: 'ü'\n    region: [1, 2]\nb: 2\n".encode(),
    ),
    "an example that is text": (
        b"cameras:\n  porch:\n    a: |\n      x\n      #region: [0, 0]\n    b: 1\n",
        b"cameras:\n  porch:\n    a: |\n      x\n      #region: [0, 0]\n    b: 1\n    region: [1, 2]\n",
    ),
    "a value with keys at the end": (
        b"cameras:\n  porch:\n    faults:\n      kind: x\nb: 2\n",
        b"cameras:\n  porch:\n    region: [1, 2]\n    faults:\n      kind: x\nb: 2\n",
    ),
    "too few": (b"cameras: {porch: {region: [7]}}", b"cameras: {porch: {region: [1, 2]}}"),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_is_kept(name: str) -> None:
    before, after = LAYOUTS[name]
    assert put(before, REGION, [1, 2]) == after


def test_a_missing_section_is_added_at_the_end() -> None:
    assert put(b"a: {b: 1}\nc:\n  d: 1\n# end\n", ("detector",), {"type": "blazeface", "smallest_face": 80}) == (
        b"a: {b: 1}\nc:\n  d: 1\n# end\ndetector: {type: blazeface, smallest_face: 80}\n"
    )
    assert put(b"a:\n  b: 1\n...\n", ("c",), 1) == b"c: 1\na:\n  b: 1\n...\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"- 1\n",
        b"cameras:\n",
        b"cameras: {hall: {a: 1}}\n",
        b"cameras: {porch: [1]}\n",
        b"cameras: {porch: {region: 1, region: 2}}\n",
        b"cameras: &x {porch: {a: 1}}\n",
        b"cameras: {porch: {a: 1}}\n---\nb: 1\n",
        b"cameras: {porch: {a: 1\n",
        b"cameras: {porch: {a: !!python/object:os.system 1}}\n",
        b"\xff\xfe",
        b"a: 1\n" * 20_000,
    ],
)
def test_what_cannot_be_changed_is_refused(data: bytes) -> None:
    with pytest.raises(Refused):
        put(data, REGION, [1, 2])


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), "\x07", "a\x85b", "\ud800", "\ufffe", {"a": [float("nan")]}]
)
def test_a_value_that_could_be_read_otherwise_is_refused(value: Any) -> None:
    with pytest.raises(Refused):
        put(b"a: 1\n", ("a",), value)


@settings(max_examples=300)
@given(
    st.one_of(st.text(max_size=40), st.sampled_from(["a: b", "true", "x\ny", "#", "", "- a", "&x", "1e3", "~", "'"]))
)
def test_a_text_is_read_as_it_was_written_or_refused(value: str) -> None:
    try:
        after = put(b"a: 1 # why\nb: {c: 2}\n", ("b", "c"), value)
    except Refused:
        return
    assert yaml_reader.read(after).value == {"a": 1, "b": {"c": value}}
    assert after.startswith(b"a: 1 # why\n")


def test_an_address_is_quoted() -> None:
    after = put(b"cameras: {porch: {source: 0}}\n", ("cameras", "porch", "source"), "rtsp://a:b@c/d?e=#f")
    assert after == b'cameras: {porch: {source: "rtsp://a:b@c/d?e=#f"}}\n'


RULES = b"""notify:
  rules:
    # The first.
    - to: [phone] # who
      kinds:
        - unknown
        - spoof
      # How often.
      pause: 60.0
    - {to: [phone], kinds: [match]}
"""


def test_an_item_of_a_list_is_changed_in_its_place() -> None:
    first, second = ("notify", "rules", 0), ("notify", "rules", 1)
    assert changes(RULES, put(RULES, (*first, "pause"), 90)) == ["-       pause: 60.0\n", "+       pause: 90\n"]
    assert changes(RULES, put(RULES, (*second, "pause"), 90))[1:] == [
        "+     - {to: [phone], kinds: [match], pause: 90}\n"
    ]
    shorter = put(RULES, (*first, "kinds"), ["spoof"])
    assert changes(RULES, shorter) == [
        "-       kinds:\n", "+       kinds: [spoof]\n", "-         - unknown\n", "-         - spoof\n",
    ]  # fmt: skip
    for path in (("notify", "rules", 2, "pause"), ("notify", "rules", -1, "pause"), ("notify", 0, "pause")):
        with pytest.raises(Refused):
            put(RULES, path, 1)


def test_sections_above_a_key_are_made_where_they_are_missing_or_empty() -> None:
    assert put_below(b"a: 1\n", ("b", "c", "d"), 2) == b"a: 1\nb: {c: {d: 2}}\n"
    assert put_below(b"a: 1\nb: # why\n  #c: 3\n", ("b", "c"), 2) == b"a: 1\nb: {c: 2} # why\n  #c: 3\n"
    assert put_below(b"a: {b: 1}\n", ("a", "c"), 2) == b"a: {b: 1, c: 2}\n"
    with pytest.raises(Refused):
        put_below(b"a: 1\n", ("a", "b"), 2)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"a:\n  b: 1\n  c: 2\n", b"a:\n  c: 2\n"),
        (b"a:\n  c: 2\n  b: 1\n# end\n", b"a:\n  c: 2\n# end\n"),
        (b"a:\n  b: 1 # why\n  c: 2\n", b"a:\n   # why\n  c: 2\n"),
        (b"a:\r\n  b: 1\r\n  c: 2\r\n", b"a:\r\n  c: 2\r\n"),
        (b"a:\n  c: 2\n  b: 1", b"a:\n  c: 2\n"),
        (b"a:\n  b:\n    - 1\n    - 2\n  # next\n  c: 2\n", b"a:\n  # next\n  c: 2\n"),
        (b"a:\n  b: [1,\n    2]\n  c: 2\n", b"a:\n  c: 2\n"),
        (b"a:\n  b:\n  c: 2\n", b"a:\n  c: 2\n"),
        (b"a: {b: 1, c: 2}\n", b"a: {c: 2}\n"),
        (b"a: {c: 2, b: 1} # why\n", b"a: {c: 2} # why\n"),
        (b"a: {b: 1}\n", b"a: {}\n"),
        (b"a: {c: 2}\n", b"a: {c: 2}\n"),
        (b"d: 1\n", b"d: 1\n"),
    ],
)
def test_a_key_is_removed_and_nothing_else(before: bytes, after: bytes) -> None:
    assert remove(before, ("a", "b")) == after


@pytest.mark.parametrize("data", [b"a:\n  b:\n    - 1\n    # why\n    - 2\n  c: 2\n", b"a:\n  b: 1\n", b"a: {b: 1"])
def test_a_key_that_cannot_be_removed_alone_is_refused(data: bytes) -> None:
    with pytest.raises(Refused):
        remove(data, ("a", "b"))


LINES = st.lists(
    st.sampled_from(
        [
            "a: 1",
            "b: [1, {c: 2}]",
            "#region: 1",
            "d:",
            "  e: 1",
            "  #region: 1",
            "f: |",
            "  x",
            "",
            "# y",
            "'g': \"#h\"",
            "region: 9",
        ]
    ),
    max_size=8,
)


@settings(max_examples=300)
@given(LINES, st.integers(0, 9))
def test_only_the_one_value_differs_or_the_change_is_refused(lines: list[str], value: int) -> None:
    before = "\n".join(["top:", "  key: 0", *("  " + line for line in lines)]).encode()
    try:
        after = put(before, ("top", "region"), value)
    except Refused:
        return
    was, now = yaml_reader.read(before).value, yaml_reader.read(after).value
    assert now == {**was, "top": {**was["top"], "region": value}}
    kept = [[line for line in text.decode().splitlines() if "#" in line] for text in (before, after)]
    assert kept[0] == kept[1]


@settings(max_examples=300)
@given(LINES)
def test_only_the_one_key_is_removed_or_the_change_is_refused(lines: list[str]) -> None:
    before = "\n".join(["top:", "  key: 0", *("  " + line for line in lines)]).encode()
    try:
        after = remove(before, ("top", "region"))
    except Refused:
        return
    was, now = yaml_reader.read(before).value, yaml_reader.read(after).value
    assert now == {**was, "top": {key: one for key, one in was["top"].items() if key != "region"}}
    kept = [[line for line in text.decode().splitlines() if "#" in line] for text in (before, after)]
    assert kept[0] == kept[1]
