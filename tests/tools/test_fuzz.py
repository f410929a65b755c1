import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from edgeface.door.verifier import Reject
from tools.fuzz import __main__ as fuzz
from tools.fuzz import kinds, mutations
from tools.fuzz.kinds import Kind

EVERY = [make() for make in kinds.EVERY]
GRANT = kinds.grants()


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.name)
def test_mutated_messages_are_refused_and_good_ones_are_not(kind: Kind) -> None:
    outcome = fuzz.fuzz(kind, 1_000, 3)
    assert outcome.examples == []
    assert outcome.held
    assert (outcome.ways.total(), outcome.refused, outcome.raised.total()) == (1_000, 0, 0)
    assert outcome.good >= 1_000 / 20


@pytest.mark.parametrize("way", mutations.EVERY)
def test_every_mutation_changes_what_a_message_says(way: str) -> None:
    chance = random.Random(way)
    good, other = GRANT.good(chance), GRANT.good(chance)
    made = [mutations.EVERY[way](good, other, chance) for _ in range(50)]
    assert any(GRANT.meaning(message) not in (GRANT.meaning(good), GRANT.meaning(other)) for message in made)


def test_a_receiver_that_accepts_raises_or_refuses_what_it_must_not_is_found() -> None:
    credulous = fuzz.fuzz(replace(GRANT, accepts=lambda _: True), 50, 1)
    assert (credulous.held, credulous.accepted.total()) == (False, 50)

    def fragile(message: bytes) -> bool:
        return bool(json.loads(message)["nonce"])

    assert fuzz.fuzz(replace(GRANT, accepts=fragile), 50, 1).raised.total() > 0

    def stubborn(_: bytes) -> bool:
        raise Reject("malformed", "always")

    outcome = fuzz.fuzz(replace(GRANT, accepts=stubborn), 50, 1)
    assert (outcome.held, outcome.refused) == (False, outcome.good)
    unproven = fuzz.fuzz(replace(GRANT, accepts=lambda _: True, proven=False), 50, 1)
    assert unproven.held


def test_the_table_is_printed_saved_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "page.md").write_text("<!-- fuzz -->\n<!-- /fuzz -->\n")
    assert fuzz.main(["--count", "30", "--only", "grant", "--write", "page.md"]) == 0
    row = "| grant, at the door | 30 | 0 | 0 |"
    assert row in capsys.readouterr().out
    assert row in (tmp_path / "page.md").read_text()
    (saved,) = json.loads((tmp_path / "build" / "fuzz.json").read_text())
    assert (saved["message"], saved["mutated"], saved["accepted"]) == ("grant, at the door", "30", "0")
    with pytest.raises(SystemExit):
        fuzz.main(["--only", "nothing"])
