import json
import math
import unicodedata
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.core.events import LIFETIME, event_id, plain, to_json, to_wire
from edgeface.core.types import Box, Event, EventType, Quality

WALL = 1_795_335_302.412
EVENT = Event(
    type="match",
    id="01JD0000000000000000000000",
    boot="5f0c",
    seq=412,
    device="front",
    camera="porch",
    track=17,
    monotonic=9.0,
    captured_at=WALL,
    box=Box(411.6, 120.2, 520.0, 259.5),
    frame_size=(1280, 720),
    faces_in_view=1,
    model="mobilefacenet-int8:1a2b3c4d",
    person="alice",
    name="Alice",
    score=0.71234567,
    threshold=0.584,
    margin=0.23,
    level="normal",
    frames=4,
    quality=Quality(height_px=140, sharpness=0.8012, brightness=0.5, yaw=-6.4, pitch=3.1, reason=None),
)


def wire(event: Event, **options: Any) -> dict[str, Any]:
    return to_wire(event, **{"sent_at": WALL + 0.05, "synced": True, **options})


def test_the_wire_form_is_the_contract() -> None:
    assert to_json(wire(EVENT)) == (
        '{"v":1,"event_type":"match","id":"01JD0000000000000000000000","boot":"5f0c","seq":412,"device":"front",'
        '"camera":"porch","track":17,"captured_at":"2026-11-22T08:15:02.412Z","sent_at":"2026-11-22T08:15:02.462Z",'
        '"expires_at":"2026-11-22T08:15:05.412Z","clock":"synced","late":false,"person":"alice","name":"Alice",'
        '"score":0.7123,"threshold":0.584,"margin":0.23,"level":"normal","level_basis":"measured","frames":4,"faces_in_view":1,'
        '"box":[412,120,520,260],"frame_size":[1280,720],'
        '"quality":{"height_px":140,"sharpness":0.8,"yaw":-6,"pitch":3},"liveness":"off","living":null,"reason":null,'
        '"unknown":null,"seconds":null,"snapshot":null,"model":"mobilefacenet-int8:1a2b3c4d"}'
    )


@pytest.mark.parametrize("type_", get_args(EventType))
def test_every_event_has_every_key(type_: Any) -> None:
    bare = Event(
        **{name: getattr(EVENT, name) for name in ("id", "boot", "seq", "device", "camera", "track")},
        **{name: getattr(EVENT, name) for name in ("monotonic", "captured_at", "box", "frame_size")},
        type=type_,
        faces_in_view=0,
        model="m",
    )
    assert list(wire(bare)) == list(wire(EVENT))
    assert wire(bare, sent_at=None, synced=False, snapshot="t")["clock"] == "unsynced"


def test_what_is_not_a_number_is_null() -> None:
    event = replace(EVENT, score=math.nan, margin=math.inf, box=Box(math.nan, 0, 1, -0.2), seconds=-0.0)
    sent = json.loads(to_json(wire(event)))
    assert (sent["score"], sent["margin"], sent["box"]) == (None, None, [None, 0, 1, 0])
    assert "-0" not in to_json({"seconds": wire(event)["seconds"]})


def test_a_box_ends_at_the_edges_of_the_picture() -> None:
    left = replace(EVENT, box=Box(-33.4, -2.0, 75.6, 226.0))
    right = replace(EVENT, box=Box(1187.0, 600.0, 1312.5, 745.0))
    assert wire(left)["box"] == [0, 0, 76, 226]
    assert wire(right)["box"] == [1187, 600, 1280, 720]


def test_an_event_expires() -> None:
    assert LIFETIME == 3.0


def test_an_id_is_a_ulid_that_replays() -> None:
    assert event_id(WALL, "5f0c", 412) == event_id(WALL, "5f0c", 412) == "01M8155B8CZ1CYS3ND539TR23R"
    ids = {event_id(WALL, boot, seq) for boot in ("a", "b") for seq in range(1000)}
    assert len(ids) == 2000
    assert {len(id_) for id_ in ids} == {26}


@given(st.lists(st.integers(0, 2**48 - 1), min_size=2, max_size=5, unique=True))
def test_ids_sort_by_time(milliseconds: list[int]) -> None:
    ids = [event_id(ms / 1000, "boot", index) for index, ms in enumerate(milliseconds)]
    assert [ids[i] for i in sorted(range(len(ids)), key=milliseconds.__getitem__)] == sorted(ids)


HOSTILE = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from(
            list("\0\n\r\x1b\x7f\x85\u2028\u2029\u202e\u2066\u200f\ud800\udfff\ufeff,\"'\\{}[]<>/$#+\u0301")
        ),
    ),
    max_size=300,
)


@settings(max_examples=2000)
@given(HOSTILE)
def test_one_event_is_one_line_whatever_the_name(name: str) -> None:
    line = to_json(wire(replace(EVENT, name=name)))
    assert len(line.splitlines()) == 1
    line.encode("utf-8")
    assert not any(
        unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} or c in "\u202a\u202b\u202d\u202e\u2066\u2067" for c in line
    )
    shown = json.loads(line)["name"]
    assert shown
    assert len(shown) <= 100


def test_plain_values_go_into_json() -> None:
    value = {"a": (1, math.nan), 2: {"b": math.inf, "c": None, "d": True}, "e": 1.5, "f": WALL.__class__}
    assert plain(value) == {"a": [1, None], "2": {"b": None, "c": None, "d": True}, "e": 1.5, "f": "<class 'float'>"}
