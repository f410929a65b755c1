"""What the daemon notes in the journal of itself: that it started, with which configuration, and that it stopped."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from edgeface import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgeface.journal import Journal
    from edgeface.settings import Configuration

# Rows of the kind among which the last one about config.yaml is looked for.
_LOOK_BACK = 200


def started(journal: Journal, configuration: Configuration, boot: str, wall: float) -> None:
    """Note the start, and the configuration if it is another one than was noted last; `wall` in seconds."""
    facts = {"version": __version__, "boot": boot, "config": _digest(journal, configuration.model_dump(mode="json"))}
    journal.note("started", wall, facts)
    configured(journal, configuration, wall)


def configured(journal: Journal, configuration: Configuration, wall: float) -> None:
    """Note a configuration that is another one than was noted last: digests and the keys that changed, no content.

    The digests are made with the key of the data folder, so that nobody can try passwords against them.
    """
    plain = configuration.model_dump(mode="json")
    digest, sections = _digest(journal, plain), {key: _digest(journal, plain[key]) for key in plain}
    known = _last(journal)
    if digest is None or known.get("digest") == digest:
        return
    before = known.get("sections", sections)
    changed = sorted(key for key in sections.keys() | before.keys() if sections.get(key) != before.get(key))
    journal.note("config", wall, {"digest": digest, "changed": changed, "sections": sections})


def stopped(journal: Journal, boot: str, wall: float) -> None:
    """Note an orderly end; it is said at the next start."""
    journal.note("stopped", wall, {"boot": boot})


def _last(journal: Journal) -> dict[str, Any]:
    """The newest row about config.yaml; what is noted of the page's accounts has the same kind."""
    rows = journal.rows(kinds=("config",), last=_LOOK_BACK)
    known: Iterator[dict[str, Any]] = (json.loads(entry.row.payload) for entry in reversed(rows))
    return next((facts for facts in known if "digest" in facts), {})


def _digest(journal: Journal, plain: Any) -> str | None:
    return journal.fingerprint(json.dumps(plain, sort_keys=True))
