"""The links that need no sign-in."""

from edgeface.notify.links import MAX_LINKS, SECONDS, StrangerLinks
from tests.support.clock import FixedClock


def test_a_link_is_for_one_stranger_one_use_and_an_hour() -> None:
    clock = FixedClock()
    links = StrangerLinks(clock)
    first, second = links.make("u-1"), links.make("u-2")
    assert first != second
    assert len(first) >= 32
    assert links.find(first) == links.find(first) == "u-1"
    assert links.take(first) == "u-1"
    assert links.take(first) is links.find(first) is None
    clock.sleep(SECONDS - 0.1)
    assert links.find(second) == "u-2"
    clock.sleep(0.1)
    assert links.find(second) is links.take(second) is None
    assert links.take("guessed") is None


def test_there_are_only_so_many() -> None:
    links = StrangerLinks(FixedClock())
    made = [links.make(f"u-{n}") for n in range(MAX_LINKS + 3)]
    assert [links.find(one) for one in made[:4]] == [None, None, None, "u-3"]
