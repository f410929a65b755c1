import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeface.people.json_stream import START, members


def _text() -> st.SearchStrategy[str]:
    return st.text(st.characters(codec="utf-8"))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text(), inner, max_size=4),
    max_leaves=8,
)


def read(data: bytes) -> list[tuple[str, object]]:
    return list(members(io.BytesIO(data), "list"))


class Dripping(io.BytesIO):
    """A file that gives a few bytes at a time."""

    def __init__(self, data: bytes, most: int) -> None:
        super().__init__(data)
        self.most = most

    def read(self, _: int | None = -1, /) -> bytes:
        return super().read(self.most)


@given(st.dictionaries(_text(), VALUES, max_size=4), st.lists(VALUES), st.integers(1, 7), st.booleans())
def test_it_is_what_json_would_read_however_small_the_parts(
    before: dict[str, object],
    listed: list[object],
    chunk: int,
    indent: bool,  # noqa: FBT001
) -> None:
    whole = {**{key: value for key, value in before.items() if key != "list"}, "list": listed, "last": 12}
    data = json.dumps(whole, ensure_ascii=False, indent=2 if indent else None).encode()
    found = list(members(Dripping(data, chunk), "list"))
    assert {key: value for key, value in found if key != "list"} == {k: v for k, v in whole.items() if k != "list"}
    assert [value for key, value in found if key == "list"] == [START, *listed]


def test_a_byte_order_mark_is_no_mistake() -> None:
    assert read(b'\xef\xbb\xbf{"list": [1]}') == read(b'{"list": [1]}')


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{", b'{"a"}', b'{"a":1', b'{"a":1}{}', b'{"list":[1', b'{"list":[1 2]}', b'{"list":[1]', b"{1:2}",
     b'{"a":1 "b":2}', b"\xff", b'{"a":"\xff"}', b'{"list":[nul]}', b'{"a":1} x'],
)  # fmt: skip
def test_what_is_no_object_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(data)


def test_an_entry_that_never_ends_is_refused() -> None:
    endless = io.BytesIO(b'{"list":["' + b"x" * 20_000_000)
    with pytest.raises(ValueError, match=r"."):
        list(members(endless, "list"))
    assert endless.tell() < 18_000_000
    assert len(read(b'{"list":[' + b"[1]," * 100_000 + b"[1]]}")) == 100_002
