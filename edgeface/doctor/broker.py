"""Checks the broker: connection, TLS, login, permissions, and systemd's firewall."""

from __future__ import annotations

import os
import socket
import subprocess
from typing import TYPE_CHECKING

from edgeface.config import egress
from edgeface.core.clock import SystemClock
from edgeface.core.errors import BrokerError, ConfigError, EdgefaceError
from edgeface.core.files import LOCK, is_held
from edgeface.core.installed.container import engine
from edgeface.doctor.finding import Finding
from edgeface.mqtt import settings
from edgeface.mqtt.advice import advice, unreachable
from edgeface.mqtt.connection import BROKER_TIMEOUT, Connection, Tag
from edgeface.mqtt.topics import DOCTOR, Topics, client_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgeface.config.configuration import Configuration
    from edgeface.mqtt.settings import Mqtt

_POLL_SECONDS = 0.2


def findings(configuration: Configuration) -> Iterator[Finding]:
    """The broker, and the peers that systemd's firewall blocks."""
    mqtt = configuration.mqtt
    if mqtt is None:
        yield Finding("broker", "none is configured: events go only to the log and the journal", "note", "mqtt:")
    else:
        yield _broker(configuration, mqtt)
    try:
        blocked = egress.outside(egress.peers(configuration))
    except ConfigError as error:
        yield Finding("network", str(error), "bad", "edgeface notify test")
        return
    except EdgefaceError as error:
        yield Finding("network", str(error), "bad", "is the name correct, and the name server reachable?")
        return
    # The firewall is that of systemd's unit.
    for peer in blocked if engine() is None else ():
        text = f"{peer.what} {peer.host} is on the internet, which edgeface.service blocks by default"
        yield Finding("network", text, "note", "sudo edgeface egress --write")


def service_runs(configuration: Configuration) -> bool:
    """Whether a daemon runs: edgeface.service, or one with this data folder in the same container."""
    return is_held(configuration.data / LOCK) or _unit_runs()


def _unit_runs() -> bool:
    """Whether edgeface.service is running; False if there is no systemd."""
    command = ["systemctl", "is-active", "--quiet", "edgeface.service"]
    try:
        return subprocess.run(command, check=False, capture_output=True, timeout=5).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _broker(configuration: Configuration, mqtt: Mqtt) -> Finding:
    where = f"{mqtt.host}:{mqtt.port}"
    try:
        if (reason := _why_not_log_in(configuration, mqtt)) is not None:
            socket.create_connection((mqtt.host, mqtt.port), BROKER_TIMEOUT).close()
            return Finding("broker", f"{where} answers; login not tested: {reason}", "note")
        refused = _try_to_write(mqtt, configuration.device)
    except (BrokerError, UnicodeError) as error:
        return Finding("broker", str(error), "bad", advice(str(error), mqtt))
    except OSError as error:
        problem = unreachable(mqtt, error)
        return Finding("broker", problem, "bad", advice(problem, mqtt))
    if refused is not None:
        topics = f"{mqtt.prefix}/{configuration.device}/#"
        problem = f"{where}: logged in, but may not write {topics}: {refused}"
        return Finding("broker", problem, "bad", advice(problem, mqtt))
    if mqtt.tls is None and not settings.is_loopback(mqtt.host):
        remedy = "set mqtt.tls; docs/mosquitto/README.md"
        return Finding("broker", f"{where}: logged in over plaintext, which the network can read", "note", remedy)
    security = "TLS, certificate verified" if mqtt.tls is not None else "plaintext"
    return Finding("broker", f"{where}: logged in, {security}; may write")


def _why_not_log_in(configuration: Configuration, mqtt: Mqtt) -> str | None:
    """Why a login is impossible from here, or would disconnect the running service; None if it is safe."""
    if mqtt.password_credential is not None and "CREDENTIALS_DIRECTORY" not in os.environ:
        return "only the service receives the password; systemctl status edgeface"
    if mqtt.password_env is not None and mqtt.password_env not in os.environ:
        return f"{mqtt.password_env} is not set here"
    if mqtt.tls is not None and mqtt.tls.certificate is not None and service_runs(configuration):
        return "the service is running, and one certificate allows one client; systemctl status edgeface"
    return None


def _try_to_write(mqtt: Mqtt, device: str) -> str | None:
    """Log in with a client ID of our own and publish an empty message, not retained; returns why it was refused."""
    topic = Topics.of_device(mqtt, device)(DOCTOR)
    connection = Connection(mqtt, f"{client_id(device)}-doctor", topic, SystemClock())
    wake, other = socket.socketpair()
    try:
        while not connection.ready:
            connection.wait(_POLL_SECONDS, wake)
        connection.publish(topic, b"", Tag("event", "doctor"))
        while connection.in_flight:
            connection.wait(_POLL_SECONDS, wake)
        return next((result.refused for result in connection.results() if result.refused is not None), None)
    finally:
        connection.close()
        wake.close()
        other.close()
