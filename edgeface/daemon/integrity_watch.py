"""Looks for tampering with the data folder while the daemon runs, and withholds grants while people are in doubt.

Outside the folder, the broker, the doors and the TPM remember its generation; the TPM's counter is advanced from here.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from edgeface.core.errors import EdgefaceError
from edgeface.security import integrity
from edgeface.security.counter import CounterReport, CounterSchedule
from edgeface.security.head import DATABASES, LIST_FILES, PENDING_FILES, HeadFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edgeface.core.clock import Clock
    from edgeface.journal.journal import Journal
    from edgeface.security.counter import GenerationCounter
    from edgeface.security.head import Head
    from edgeface.security.integrity import Found
    from edgeface.security.signing_keys import Signer
    from edgeface.security.vault import Vault

_log = logging.getLogger(__name__)

EVERY = 3600.0
"""Seconds between two comparisons of every row."""
POLL = 5.0
"""Seconds between two looks at the head, and the longest that `stop` waits."""
# None of them decides who gets a grant of this device.
_HARMLESS = {DATABASES["journal"], "web.json", *LIST_FILES, *PENDING_FILES}


class IntegrityWatch:
    """A thread that compares the data folder with its head at the start, each hour, and when an alarm has changed.

    What it finds is in the log, in the journal and in `lines`; any thread may read those.
    """

    def __init__(
        self, folder: Path, vault: Vault, clock: Clock, counter: GenerationCounter | None = None, *, poll: float = POLL
    ) -> None:
        """Remember the generation of the folder as it is before this run has written anything.

        `counter` is the TPM's, if the configuration has it used; the head is compared every `poll` seconds.
        """
        self._poll = poll
        self._folder, self._vault, self._clock = folder, vault, clock
        self._first = integrity.numbers(folder, vault)
        self._head: Head | None = None
        self._closing = threading.Event()
        self._wake = threading.Event()
        self._alarms: object = None
        self._checked = float("-inf")
        self._trouble: str | None = None
        self._counter = counter
        self._counted = CounterReport()
        self._stuck: str | None = None
        self._recalled: Found | None = None
        self._found: tuple[Found, ...] = ()
        self._schedule = None if counter is None else CounterSchedule(counter, clock.monotonic())
        self._journal: Journal | None = None
        self.signer: Signer | None = None
        """What signs grants, and is withheld while the people, the keys or the passes are in doubt."""
        self.list_withheld: str | None = None
        """Why the list of device keys may not be signed again now, in one line; any thread may read it."""
        self.lines: tuple[str, ...] = ()
        """What was found, one line each."""
        self._thread = threading.Thread(target=self._run, name="integrity", daemon=True)

    def start(self, journal: Journal) -> None:
        """Start the thread; what it finds is recorded in `journal`."""
        self._journal = journal
        self.list_withheld = "the data folder is being checked"
        if self.signer is not None:
            self.signer.withheld = self.list_withheld
        self._thread.start()

    def stop(self) -> None:
        """End the thread, after the comparison that it is making."""
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(POLL)

    def recall(self, remembered: object, by: str = "the broker") -> None:
        """Compare with what the broker, or a door, remembers of an earlier run; any thread may call it."""
        found = integrity.older_than(self._first, self._vault, remembered, by)
        # A door repeats what it remembers.
        if found is not None and found != self._recalled:
            self._recalled = found
            _log.error("%s", found.line)
            self._raise([found])
            self._wake.set()

    def facts(self) -> dict[str, Any] | None:
        """The part `generation` of the state, a few seconds old; None while there is no head that can be read.

        Whoever reads the head waits for writers, and so perhaps for a disk that hangs: only this thread does.
        """
        head = self._head
        if head is None:
            return None
        return {**integrity.generation(head, self._vault), "tpm": self._counted.value, "problems": list(self.lines)}

    def _run(self) -> None:
        self._check()
        while not self._closing.is_set():
            self._wake.wait(self._poll)
            self._wake.clear()
            due = self._clock.monotonic() - self._checked >= EVERY
            # A TPM that could not be asked is asked again, without a comparison of every row.
            answers = self._counted.problem is not None and self._ask_counter().problem is None
            if not self._closing.is_set() and (self._changed() or due or answers):
                self._check()
            elif not self._closing.is_set():
                self._advance()

    def _changed(self) -> bool:
        """Whether an alarm was raised or accepted by another process."""
        self._head = integrity.read_head(self._folder, self._vault)
        return (None if self._head is None else self._head.alarms) != self._alarms

    def _check(self) -> None:
        # Read first: what is raised meanwhile by another thread or process is then seen as a change.
        head = self._head = integrity.read_head(self._folder, self._vault)
        counted = self._ask_counter()
        try:
            found = integrity.check(self._folder, self._vault, [] if counted.found is None else [counted.found])
        except (EdgefaceError, OSError) as error:
            # What was found before stays, grants stay withheld if they were, and the next poll tries again.
            self._checked = float("-inf")
            if str(error) != self._trouble:
                self._trouble = str(error)
                _log.warning("the data folder could not be checked: %s", error)
            return
        self._checked, self._trouble = self._clock.monotonic(), None
        if (self._found or self._recalled) and not found:
            # Accepted: what was remembered before is known, and the numbers have leapt above it.
            self._first, self._recalled = integrity.numbers(self._folder, self._vault), None
        stored = self._raise(found)
        # Where an alarm cannot be stored, waiting for it to appear would compare every row at each poll.
        expected = head.raising(*(one.alarm for one in found)) if head is not None and stored else head
        self._alarms = None if expected is None else expected.alarms
        self._found = tuple(found)
        self._show()
        doubts = {one.alarm.subject: f"{one.line} ({integrity.ACCEPT})" for one in found}
        grants = next((line for subject, line in doubts.items() if subject not in _HARMLESS), counted.problem)
        self.list_withheld = next((doubts[name] for name in LIST_FILES if name in doubts), grants)
        if self.signer is not None:
            self.signer.withheld = grants

    def _show(self) -> None:
        """Have what is wrong now in `lines`, and log what is new."""
        problems = [one for one in (self._counted.problem, self._stuck) if one is not None]
        lines = (*(one.line for one in self._found), *problems)
        for line in sorted({*lines} - {*self.lines}):
            _log.error("%s", line)
        self.lines = lines

    def _ask_counter(self) -> CounterReport:
        if self._counter is not None:
            self._counted = self._counter.compare()
        return self._counted

    def _advance(self) -> None:
        """Advance the TPM's counter when it is due, but never over something that was found."""
        schedule, head, now = self._schedule, self._head, self._clock.monotonic()
        doubt = self._found or self._counted.problem is not None
        if schedule is None or head is None or doubt or head.found or not schedule.due(head, now):
            return
        problem = schedule.advance(now)
        self._stuck = None if problem is None else f"the TPM's counter cannot be advanced: {problem}"
        if self._ask_counter().found is None:
            self._show()
        else:
            self._check()

    def _raise(self, found: Sequence[Found]) -> bool:
        """Keep what was found in the head and the journal; False if the head cannot be written."""
        stored = True
        try:
            if found:
                HeadFile(self._folder, self._vault).mark_alarms(*(one.alarm for one in found))
        except (EdgefaceError, OSError) as error:
            stored = False
            _log.warning("what was found could not be stored: %s", error)
        if self._journal is not None:
            self._journal.record_integrity()
        return stored
