"""What `edgeface check` says of each configuration of situations.py, and of what this machine does not have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edgeface.config import loader
from edgeface.core.errors import ConfigError
from tests.config.situations import SITUATIONS, Situation
from tests.config.test_words import LIBRARY

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda one: one.name)
def test_check_says_what_to_do_and_where(situation: Situation) -> None:
    data = situation.file.encode() if isinstance(situation.file, str) else situation.file
    if not situation.says:
        loader.parse(data, "c")
        return
    with pytest.raises(ConfigError) as caught:
        loader.parse(data, "c")
    assert str(caught.value).splitlines() == [f"c:{line}" for line in situation.says]
    assert "hunter2" not in str(caught.value)
    assert "password_env" not in str(caught.value)
    assert not any(LIBRARY.search(line) for line in situation.says)


def test_the_document_has_the_words_of_check() -> None:
    table = DOCUMENT.read_text().partition("| what you wrote |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table.splitlines()[2:]]
    said = {one.name: re.sub(r"^\d+: ([\w.]+: (?=\S))?", "", one.says[0]) if one.says else "" for one in SITUATIONS}
    assert len(rows) > 20
    for name, says in rows:
        assert says == (said[name].replace("`key: value`", "*key: value*") or "OK: the number is taken"), name
    assert {name for name in said if name.startswith("`")} <= {name for name, _ in rows}
