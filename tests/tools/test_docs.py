"""The commands and links of README and docs: how they are found, and what may be left out."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tools.docs.__main__ import DEVICE, MOST_ON_DEVICE, everything, in_its_test
from tools.docs.commands import Command, commands
from tools.docs.links import anchors, broken_in, broken_links
from tools.docs.terminal import Terminal, TerminalError

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """\
# One

```sh
edgeface check     # a comment
edgeface replay a.mp4 \\
  --gallery people/
```

1. In a list:

       sudo make install

<!-- needs a device: a TPM -->

    edgeface vault show   # indented
    edgeface vault seal --with tpm2

```json
{"edgeface": 1}
```

## Two

```
$ edgeface cameras
this machine has:
```

    device: front
"""


def test_every_shell_block_is_found_with_its_heading_and_its_mark() -> None:
    found = [(one.line, one.heading, one.text, one.mark, one.reason) for one in commands(TEXT, "a.md")]
    assert found == [
        (4, "One", "edgeface check", "", ""),
        (5, "One", "edgeface replay a.mp4 --gallery people/", "", ""),
        (11, "One", "sudo make install", "", ""),
        (15, "One", "edgeface vault show", "needs a device", "a TPM"),
        (16, "One", "edgeface vault seal --with tpm2", "needs a device", "a TPM"),
        (25, "Two", "edgeface cameras", "", ""),
    ]


def test_few_commands_need_a_device_and_none_in_readme() -> None:
    found = everything()
    marks = Counter(one.mark for one in found)
    assert len(found) > 150
    assert marks[DEVICE] <= MOST_ON_DEVICE * len(found)
    assert [one for one in found if one.mark and one.file == "README.md"] == []


@pytest.mark.parametrize("command", [one for one in everything() if one.mark.startswith("run by")], ids=str)
def test_what_a_test_is_said_to_run_is_in_it(command: Command) -> None:
    assert in_its_test(command)


def test_what_is_not_in_its_test_is_noticed() -> None:
    assert not in_its_test(Command("a.md", 1, "", "sudo edgeface forget alice", "run by make service-test", ""))


def test_every_link_leads_somewhere() -> None:
    assert list(broken_links()) == []


@pytest.mark.parametrize(
    ("link", "says"),
    [
        ("none.md", "no such file"),
        ("#none", "no such heading"),
        ("b.md#none", "no such heading"),
        ("https://", "no host"),
        ("ftp://a.example/b", "ftp: is no address of a page"),
        ("b.md#a-heading-with-code-1", "no such heading"),
    ],
)
def test_a_link_that_leads_nowhere_is_named_with_its_line(tmp_path: Path, link: str, says: str) -> None:
    (tmp_path / "b.md").write_text("# A heading: with `code`\n")
    (tmp_path / "a.md").write_text(f"# One\n\nSee [this]({link}) and [that](b.md#a-heading-with-code).\n")
    assert list(broken_in(tmp_path / "a.md")) == [f"a.md:3: {link}: {says}"]


def test_what_is_no_link_is_not_one(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("`[a](none.md)`\n\n```\n[a](none.md)\n```\n\n[a](https://example.org/a#b)\n")
    assert list(broken_in(tmp_path / "a.md")) == []


def test_a_heading_that_comes_twice_has_two_anchors(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Set up\n\n```\n# no heading\n```\n\n## Set up\n\n## [A link](b.md), and *more*\n")
    assert anchors(tmp_path / "a.md") == {"set-up", "set-up-1", "a-link-and-more"}


def test_a_terminal_answers_questions_and_ends_what_runs_on(tmp_path: Path) -> None:
    with Terminal(tmp_path, {"PATH": "/usr/bin:/bin"}) as terminal:
        assert terminal.type("cd / && pwd", seconds=30).output.endswith("/\n")
        asked = terminal.type('read -p "how many? " n; echo "$n eggs"', {"how many?": "12"}, seconds=30)
        assert "12 eggs" in asked.output
        assert terminal.type("false", seconds=30).status == 1
        started = tmp_path / "started"
        assert terminal.type(f"touch {started}; sleep 600", seconds=30, until=started.exists).status == 130
        with pytest.raises(TerminalError, match="no prompt"):
            terminal.type("sleep 600", seconds=0.5)
