"""Starts the threads, supervises them, and stops them in the order in which the data flows."""

from __future__ import annotations

import logging
import queue
import secrets
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from edgeface.access.pass_list import PassRulesFile
from edgeface.access.second_factor import SecondFactors
from edgeface.cameras.capture import Capture
from edgeface.cameras.mailbox import Mailbox
from edgeface.config import loader
from edgeface.core import systemd
from edgeface.core.clock import SystemClock
from edgeface.core.errors import EdgefaceError
from edgeface.core.log import set_up
from edgeface.core.text import counted
from edgeface.daemon import last_strangers
from edgeface.daemon import report as daemon_report
from edgeface.daemon.fleet_member import FleetMember
from edgeface.daemon.integrity_watch import IntegrityWatch
from edgeface.daemon.key_list_publisher import KeyListPublisher
from edgeface.daemon.notifications import Notifications
from edgeface.daemon.pass_reader import PassReader, doors_by_camera
from edgeface.daemon.removed_ids import RemovedIds
from edgeface.daemon.session import RecognitionSession
from edgeface.daemon.shown_people import ShownPeople
from edgeface.daemon.storage import alone, make_folder
from edgeface.daemon.vision import Health, Tally, Vision
from edgeface.daemon.web_page import WebPage
from edgeface.faces.embedder import embedder_name
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.proposal_file import ProposalCount
from edgeface.journal.journal import Journal
from edgeface.mqtt import topics
from edgeface.mqtt.leftovers import Leftovers, Place
from edgeface.mqtt.mqtt_publisher import MqttPublisher
from edgeface.mqtt.publisher import OFF, ON, LogPublisher
from edgeface.people.service import PeopleService
from edgeface.recognition.timings import Timings
from edgeface.security.counter import open_counter
from edgeface.security.sealing_keys import SealingKeys
from edgeface.security.signing_keys import Signer
from edgeface.security.vault import open_vault

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from edgeface.cameras.capture import CaptureState
    from edgeface.config.configuration import Configuration
    from edgeface.core.clock import Clock
    from edgeface.core.types import FrameResult
    from edgeface.mqtt.publisher import Publisher
    from edgeface.web.context import WebContext

log = logging.getLogger(__name__)

TICK = 0.25
"""Seconds between two rounds of the main thread."""

STATE_SECONDS = 30.0
"""How often the state is published when nothing changes."""

JOIN_SECONDS = 3.0
"""How long a camera may take to close at the end; a driver that hangs is left to the kernel."""

SOFTWARE = 70
"""Exit status when a thread died; systemd restarts the daemon."""


class Daemon:
    """One device: its cameras, its vision thread and its publisher; `run` is the main thread's work."""

    def __init__(
        self,
        configuration: Configuration,
        clock: Clock | None = None,
        observers: Sequence[Callable[[FrameResult], None]] = (),
        source: Path | None = None,
    ) -> None:
        """Put the parts together; `observers` get the result of every frame, `reload` reads `source` again."""
        self._configuration = configuration
        self._clock = clock or SystemClock()
        self._source = source
        self._started = self._clock.monotonic()
        self._boot = secrets.token_hex(8)
        # Not Events: a signal handler could need a lock that the main thread holds.
        self._stopping = self._reloading = False
        self._switches: queue.SimpleQueue[tuple[str, bool]] = queue.SimpleQueue()
        make_folder(configuration.data)
        self._vault = open_vault(configuration.data)
        counter = open_counter(configuration.data, self._vault, used=configuration.integrity.tpm)
        self._integrity = IntegrityWatch(configuration.data, self._vault, self._clock, counter)
        self._journal = Journal(configuration.journal_path, days=configuration.privacy.journal_days, clock=self._clock)
        self._health = Health(self._clock)
        self._mailbox = Mailbox(configuration.companions)
        # Only the metrics of the web page show times.
        self._timings = None if configuration.web is None else Timings(self._clock)
        self._key_list: KeyListPublisher | None = None
        self._shown_people = ShownPeople(lambda: self._configuration, lambda: self._vision.gallery)
        self._publisher = self._make_publisher()
        self._captures = {
            name: Capture(name, camera, self._mailbox, self._clock, enabled=camera.enabled, recorded=camera.recorded)
            for name, camera in configuration.cameras.items()
        }
        self._proposals = ProposalCount(configuration.data, self._vault, self._clock)
        rules = PassRulesFile(configuration.data, self._vault, configuration.device, self._clock)
        self._passes = PassReader(rules, self._clock, self._publisher.show_pass, self._publisher.record)
        self._passes.doors = doors_by_camera(configuration.access_policy)
        self._notifications = Notifications(configuration, self._vault, self._clock, self._name_of)
        self._journal.listeners += (self._notifications.row,)
        self._page = WebPage(configuration.web, self._web_context)
        self._vision = Vision(
            lambda settings, wall: RecognitionSession(
                settings, self._boot, wall, timings=self._timings, ignore=self._ignore, fleet=self._fleet
            ),
            configuration,
            self._mailbox,
            self._publisher,
            self._health,
            self._clock,
            (self._passes.observe, *observers, *self._page.observers),
            self._notifications.event,
        )
        self._fleet = FleetMember(
            lambda: self._configuration, self._vault, self._clock, lambda: self._vision.gallery,
            record=self._publisher.record, changed_over=self.reload,
        )  # fmt: skip
        self._removed = RemovedIds(self._page.forget, self._notifications.forget)
        self._published_status: dict[str, str] = {}
        self._published_at, self._watchdog_at = -STATE_SECONDS, 0.0
        self._published_health: object = None
        self._replays: dict[str, float] = {}

    def run(self) -> int:
        """Run until `stop` or the end of every clip; returns 0, or SOFTWARE if a thread died that all depend on.

        Raises EdgefaceError if another daemon runs with the same data folder.
        """
        with closing(self._journal), alone(self._configuration.data):
            self._fleet.start()
            self._vision.start()
            try:
                self._start()
                while not self._stopping and self._alive() and not self._tick():
                    self._clock.sleep(TICK)
                dead = not self._alive()
            finally:
                self._shut_down()
        return SOFTWARE if dead or self._vision.error is not None else 0

    def _alive(self) -> bool:
        """Whether the threads run that all depend on."""
        if not self._publisher.alive:
            log.critical("a thread of the publisher or of the journal has ended")
        return self._vision.alive and self._publisher.alive

    def _start(self) -> None:
        daemon_report.record_started(self._journal, self._configuration, self._boot, self._clock.wall())
        for name, camera in self._configuration.face_cameras.items():
            self._publisher.set(topics.ENABLED_STATE.at(camera=name), ON if camera.enabled else OFF)
        self._integrity.start(self._journal)
        self._publisher.start()
        self._passes.start()
        for capture in self._captures.values():
            capture.start()
        self._page.start()
        self._notifications.start()
        systemd.notify(systemd.READY)
        log.info("edgeface runs as %s with %s", self._configuration.device, counted(len(self._captures), "camera"))

    def stop(self) -> None:
        """Ask `run` to end; any thread or signal handler may call it."""
        self._stopping = True

    def reload(self) -> None:
        """Ask for the configuration to be read again."""
        self._reloading = True

    def sign_in_link(self) -> str | None:
        """The page's address with a code that signs an admin in once; None without a page."""
        return self._page.link()

    def _on_enabled(self, camera: str, on: bool) -> None:  # noqa: FBT001 - ON and OFF, as in MQTT
        """Have the main thread switch a camera; any thread may call it."""
        self._switches.put((camera, on))

    def _tick(self) -> bool:
        """Do one round; True when every clip has ended in which faces are searched for."""
        self._switch()
        if self._reloading:
            self._reloading = False
            self._reload()
        states = {name: capture.supervise() for name, capture in self._captures.items()}
        self._vision.away = frozenset(name for name, now in states.items() if now.status != "online")
        for name, now in states.items():
            self._publish_status(name, now)
        self._replays = daemon_report.record_replays(
            self._publisher.record, self._replays, states, self._clock.monotonic()
        )
        self._notifications.cameras(states)
        self._removed.take(self._vision.people, self._vision.unknowns)
        self._feed_watchdog(states)
        self._publish_state(states)
        return all(states[name].status == "ended" for name in self._configuration.face_cameras)

    def _switch(self) -> None:
        while not self._switches.empty():
            camera, on = self._switches.get()
            if camera in self._captures:
                (self._captures[camera].enable if on else self._captures[camera].disable)()
                log.info("camera %s is switched %s", camera, "on" if on else "off")
                self._publisher.set(topics.ENABLED_STATE.at(camera=camera), ON if on else OFF)

    def _publish_status(self, camera: str, now: CaptureState) -> None:
        status = "offline" if now.status == "ended" else now.status
        if self._published_status.get(camera) != status:
            self._published_status[camera] = status
            self._publisher.set(topics.CAMERA_STATUS.at(camera=camera), status)

    def _feed_watchdog(self, states: dict[str, CaptureState]) -> None:
        period, now = systemd.watchdog_seconds(), self._clock.monotonic()
        # Frames of a companion are not processed by themselves.
        online = any(states[name].status == "online" for name in self._configuration.face_cameras)
        if period is not None and now - self._watchdog_at >= period and self._health.alive(online=online):
            self._watchdog_at = now
            summary = ", ".join(f"{name} {state.status} {state.fps:.0f} fps" for name, state in states.items())
            systemd.notify(systemd.WATCHDOG, systemd.status(summary))

    def _publish_state(self, states: dict[str, CaptureState]) -> None:
        now, health = self._clock.monotonic(), self._health_summary(states)
        if now - self._published_at >= STATE_SECONDS or health != self._published_health:
            self._published_at, self._published_health = now, health
            report = self._report(states)
            self._publisher.set(topics.STATE, report)
            self._page.state(report, self._publisher)
        elif self._page.state_requested:
            self._page.state(self._report(states), self._publisher)

    def _health_summary(self, states: dict[str, CaptureState]) -> object:
        """What makes a new state message necessary when it changes."""
        tallies = self._vision.tally
        return (
            [
                (s.status, s.dark, s.doubtful, s.replayed, tallies.get(name, Tally()).slow is None)
                for name, s in states.items()
            ],
            self._problems,
            self._vision.thresholds,
            self._journal.problem,
            self._publisher.problem,
        )

    @property
    def _problems(self) -> tuple[str, ...]:
        """Whatever is wrong here, one line each; the publisher adds what it knows."""
        listed = None if self._key_list is None else self._key_list.problem
        others = (*self._page.problems, *self._integrity.lines, *self._notifications.problems, *self._fleet.problems)
        lines = (listed, self._shown_people.problem)
        return (*self._vision.problems, *others, *(line for line in lines if line is not None))

    def _report(self, states: dict[str, CaptureState]) -> dict[str, Any]:
        drops, tallies, accepts = self._mailbox.drops, self._vision.tally, self._vision.thresholds
        cameras = {
            name: daemon_report.camera_report(
                now, tallies.get(name, Tally()), self._health.age(name), drops.get(name, 0), accepts.get(name)
            )
            for name, now in states.items()
        }
        return daemon_report.report(
            uptime=self._clock.monotonic() - self._started,
            cameras=cameras,
            models=self._vision.models,
            problems=self._problems,
            key=self._vault.tier,
            generation=self._integrity.facts(),
            key_list=None if self._key_list is None else self._key_list.facts(),
            passes=self._passes.facts(), notify=self._notifications.facts(),
            proposals=self._proposals.count(), fleet=self._fleet.facts(),
        )  # fmt: skip

    def _reload(self) -> None:
        if self._source is None:
            return
        systemd.notify(*systemd.reloading(self._clock))
        try:
            wanted = loader.load(self._source)
        except EdgefaceError as error:
            log.error("the configuration stays as it is: %s", error)
        else:
            self._apply(wanted)
        systemd.notify(systemd.READY)

    def _apply(self, wanted: Configuration) -> None:
        merged, kept = loader.merge(self._configuration, wanted)
        self._configuration = self._vision.configuration = merged
        self._passes.doors = doors_by_camera(merged.access_policy)
        self._notifications.apply(merged)
        self._journal.days = merged.privacy.journal_days
        daemon_report.record_configured(self._journal, wanted, self._clock.wall())
        set_up(merged.log)
        for capture in self._captures.values():
            capture.retry_login()
        log.info("configuration read again%s", f"; restart to change {', '.join(kept)}" if kept else "")

    def _shut_down(self) -> None:
        systemd.notify(systemd.STOPPING)
        self._page.stop()
        self._notifications.close()
        self._fleet.stop()
        for capture in self._captures.values():
            capture.stop()
        for name, capture in self._captures.items():
            if not capture.join(JOIN_SECONDS):
                log.warning("camera %s does not close its device", name)
            self._publisher.set(topics.CAMERA_STATUS.at(camera=name), "offline")
        self._mailbox.close()
        self._vision.join()
        self._passes.stop()
        states = {name: capture.state() for name, capture in self._captures.items()}
        self._publisher.set(topics.STATE, self._report(states))
        self._publisher.close()
        self._integrity.stop()
        daemon_report.record_stopped(self._journal, self._boot, self._clock.wall())

    def _make_publisher(self) -> Publisher:
        settings = self._configuration
        if settings.mqtt is None:
            return LogPublisher(self._journal, self._clock)
        topic = topics.Topics.of_device(settings.mqtt, settings.device)(topics.DOOR_KEYS)
        signer = self._integrity.signer = Signer(settings.data, self._vault, self._clock)
        self._key_list = KeyListPublisher(
            settings.data, self._vault, topic, self._clock, withheld=lambda: self._integrity.list_withheld
        )
        publisher = partial(
            MqttPublisher,
            settings.mqtt,
            settings.device,
            self._clock,
            self._journal,
            on_enabled=self._on_enabled,
            on_ignore=lambda camera: self._vision.ignore(camera),  # noqa: PLW0108 - the vision is made later
            people=self._shown_people,
            cameras=tuple(settings.face_cameras),
            names=lambda: self._configuration.camera_names,
            snapshots=settings.privacy.snapshots != "none",
            page=settings.page,
            boot=self._boot,
            policy=lambda: self._vision.policy,
            signer=signer,
            keys=SealingKeys(settings.data, self._vault, self._clock),
            factors=SecondFactors(self._open_gallery, self._clock),
            expect=lambda expected: self._vision.expect(expected),  # noqa: PLW0108 - the vision is made later
            challenge=lambda request: self._vision.challenge(request),  # noqa: PLW0108 - the same
            recall=self._integrity.recall,
            generation=self._integrity.facts,
            key_list=self._key_list,
            leftovers=Leftovers(
                Place.of(settings.mqtt, settings.device),
                settings.cameras,
                settings.data,
                self._clock,
                self._journal.knows,
            ),
        )
        return publisher() if self._timings is None else publisher(answered=self._timings.stages["publish"].add)

    def _open_gallery(self) -> Gallery:
        """The gallery for the thread that verifies second factors."""
        settings = self._configuration
        return Gallery.open(settings.data, embedder_name(settings.embedder.model))

    def _ignore(self, unknown: str) -> None:
        """Put an unknown on the ignore list, as the button over MQTT asks; the gallery's thread calls it."""
        people = PeopleService(self._configuration, clock=self._clock, latest=lambda: self._vision.gallery)
        last_strangers.ignore(people, unknown, self._publisher.record)

    def _name_of(self, person: str) -> str | None:
        return None if (gallery := self._vision.gallery) is None else gallery.name(person)

    def _web_context(self) -> WebContext:
        from edgeface.web.context import WebContext

        return WebContext(
            configuration=lambda: self._configuration,
            source=self._source,
            clock=self._clock,
            journal=self._journal,
            notifier=lambda: self._notifications.notifier,
            record=self._publisher.record,
            reload=self.reload,
            timings=self._timings,
            latest=lambda: self._vision.gallery,
            switch=self._on_enabled,
        )
