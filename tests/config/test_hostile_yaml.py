"""Hostile configurations give a configuration, or at once a ConfigError with file and line."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeface.config import loader
from edgeface.core import yaml_reader
from edgeface.core.clock import thread_cpu
from edgeface.core.errors import ConfigError
from tests.config.test_loader import BOMBS, SMALLEST

LINE = re.compile(r"c:\d+: \S.*|c: and \d+ more")
KEYS = [
    "cameras",
    "porch",
    "type",
    "source",
    "mqtt",
    "host",
    "doors",
    "recognition",
    "level",
    "people",
    "at",
    "<<",
    "0",
    "",
]
PLAIN = st.sampled_from(
    ["opencv", "true", "null", "~", "1e999", ".nan", "-0", "0x10", "0o7", "1_000", "2026-01-01", "&a", "*a", "!!x y"]
)
TEXTS = PLAIN | st.text(max_size=12) | st.integers().map(str) | st.floats().map(str)


def answered(data: bytes) -> None:
    """Every line of the error has the file and the line, and is printable."""
    try:
        loader.parse(data, "c")
    except ConfigError as error:
        for line in str(error).splitlines():
            assert LINE.fullmatch(line), line
            assert line.isprintable()


def nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Flow collections of inner values."""
    pairs = st.lists(st.tuples(st.sampled_from(KEYS), inner), max_size=4)
    mappings = pairs.map(lambda found: "{" + ", ".join(f"{key}: {value}" for key, value in found) + "}")
    return mappings | st.lists(inner, max_size=4).map(lambda found: "[" + ", ".join(found) + "]")


@settings(max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(KEYS), st.recursive(TEXTS, nested, max_leaves=8)), max_size=6))
def test_random_yaml_is_answered(pairs: list[tuple[str, str]]) -> None:
    answered("".join(f"{key}: {value}\n" for key, value in pairs).encode(errors="surrogatepass"))


@settings(max_examples=200)
@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda text: text.encode(errors="surrogatepass")))
def test_random_bytes_are_answered(data: bytes) -> None:
    answered(data)
    answered(SMALLEST.encode() + data)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8))
def test_a_configuration_with_changed_bytes_is_answered(changes: list[tuple[int, int]]) -> None:
    data = bytearray((SMALLEST + "mqtt: {host: localhost, keepalive: 5}\nrecognition: {level: high}\n").encode())
    for place, value in changes:
        data[place % len(data)] = value
    answered(bytes(data))


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_a_bomb_costs_little(text: str) -> None:
    costs = []
    for _ in range(3):
        before = thread_cpu()
        answered(text.encode())
        costs.append(thread_cpu() - before)
    assert min(costs) < 0.2, "100 ms is the aim on one core of x86-64; a busy machine is slower"


def test_too_many_lines_are_refused_before_they_are_read() -> None:
    data = b"#\n" * (yaml_reader.MAX_LINES + 1)
    before = thread_cpu()
    with pytest.raises(ConfigError, match=r"c:8001: more than 8,000 lines"):
        loader.parse(data, "c")
    assert thread_cpu() - before < 0.1


def test_brackets_are_counted_before_they_are_read() -> None:
    # PyYAML would search 1,024 characters ahead at each of them.
    for bracket in "{[":
        with pytest.raises(ConfigError, match=r"c:2: nested too deeply"):
            loader.parse(f"a: 1\nb: {bracket * (yaml_reader.MAX_DEPTH + 1)}".encode(), "c")
