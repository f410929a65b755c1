"""The context: models and gallery for the handlers."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

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
