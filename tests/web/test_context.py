"""The context: models and gallery for the handlers."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from tests.support.web import UNKNOWN

if TYPE_CHECKING:
    from edgeface.web.context import WebContext


def test_the_models_are_for_one_thread_at_a_time(context: WebContext) -> None:
    with context.analyzer() as analyzer:
        other = threading.Thread(target=lambda: context.analyzer().__enter__().limits)
        other.start()
        other.join(0.2)
        assert other.is_alive()
        assert analyzer.limits == context.configuration().quality
    other.join(5)
    assert not other.is_alive()


def test_the_gallery_is_the_daemons(context: WebContext) -> None:
    with context.gallery() as gallery:
        assert [person.id for person in gallery.people()] == ["barack", "eileen"]


def test_people_and_unknowns_are_read_again_only_after_a_change(context: WebContext) -> None:
    first = context.snapshot()
    assert context.snapshot() is first
    assert [one.id for one in context.unknowns()] == [UNKNOWN]
    with context.gallery() as gallery:
        # As long as another connection is open, nothing is written when one is closed.
        before = context.recent.unknowns(gallery)
        assert context.recent.unknowns(gallery) is before
        gallery.remove(["eileen", UNKNOWN])
        assert context.recent.unknowns(gallery) == []
    assert [one.id for one in context.snapshot().people] == ["barack"]
    assert context.unknowns() == []
