"""What the doctor finds of the broker: connection, TLS, log-in, rights, and whether the service may speak with it."""

from __future__ import annotations

import os
import socket
import subprocess
from typing import TYPE_CHECKING

from edgeface.config import egress
from edgeface.core.clock import SystemClock
from edgeface.core.errors import BrokerError, EdgefaceError
from edgeface.doctor.finding import Finding
from edgeface.mqtt import settings
from edgeface.mqtt.connection import BROKER_TIMEOUT, Connection, Tag
from edgeface.mqtt.topics import Topics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edgeface.config.configuration import Configuration
    from edgeface.mqtt.settings import Mqtt

_TICK = 0.2


def findings(configuration: Configuration) -> Iterator[Finding]:
    """The broker, and what systemd's firewall keeps the service from."""
    mqtt = configuration.mqtt
    if mqtt is None:
        yield Finding("broker", "none is configured: events go to the log and the journal", "note", "mqtt:")
    else:
        yield _broker(configuration, mqtt)
    try:
        away = egress.outside(egress.peers(configuration))
    except EdgefaceError as error:
        yield Finding("network", str(error), "bad", "is the name right, and the name server there?")
        return
    for peer in away:
        says = f"{peer.what} {peer.host} is on the internet, to which edgeface.service lets nothing out by itself"
        yield Finding("network", says, "note", "sudo edgeface egress --write")


def service_runs() -> bool:
    """Whether edgeface.service runs on this machine; False where there is no systemd."""
    command = ["systemctl", "is-active", "--quiet", "edgeface.service"]
    try:
        return subprocess.run(command, check=False, capture_output=True, timeout=5).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _broker(configuration: Configuration, mqtt: Mqtt) -> Finding:
    where = f"{mqtt.host}:{mqtt.port}"
    try:
        spared = _spared(mqtt)
        if spared is not None:
            socket.create_connection((mqtt.host, mqtt.port), BROKER_TIMEOUT).close()
            return Finding("broker", f"{where} answers; not logged in: {spared}", "note")
        refused = _logged_in(mqtt, Topics(mqtt.prefix, configuration.device))
    except (BrokerError, UnicodeError) as error:
        return Finding("broker", str(error), "bad", _remedy(str(error), mqtt))
    except OSError as error:
        return Finding("broker", f"{where}: {error.strerror or error}", "bad", _remedy("reached", mqtt))
    safe = "TLS, its certificate checked" if mqtt.tls is not None else "plaintext"
    if refused is not None:
        remedy = f"let this device write {mqtt.prefix}/{configuration.device}/#; docs/mosquitto/acl"
        return Finding("broker", f"{where}: logged in, and may not write: {refused}", "bad", remedy)
    if mqtt.tls is None and not settings.is_loopback(mqtt.host):
        remedy = "mqtt.tls; docs/mosquitto/README.md"
        return Finding("broker", f"{where}: logged in over plaintext, which the network can read", "note", remedy)
    return Finding("broker", f"{where}: logged in, {safe}; may write")


def _spared(mqtt: Mqtt) -> str | None:
    """Why not to log in: it cannot be done from here, or it would throw the running service out."""
    if mqtt.password_credential is not None and "CREDENTIALS_DIRECTORY" not in os.environ:
        return "only the service is given the password; systemctl status edgeface"
    if mqtt.password_env is not None and mqtt.password_env not in os.environ:
        return f"{mqtt.password_env} is not set here"
    if mqtt.tls is not None and mqtt.tls.certificate is not None and service_runs():
        return "the service runs, and a certificate is one client; systemctl status edgeface"
    return None


def _logged_in(mqtt: Mqtt, topics: Topics) -> str | None:
    """Log in under a name of our own, write an empty message that is not kept, and leave: the reason of a refusal."""
    topic = f"{topics.root}/doctor"
    connection = Connection(mqtt, f"{topics.client}-doctor", topic, SystemClock())
    wake, other = socket.socketpair()
    try:
        while not connection.ready:
            connection.wait(_TICK, wake)
        connection.publish(topic, b"", Tag("event", "doctor"))
        while connection.in_flight:
            connection.wait(_TICK, wake)
        return next((result.refused for result in connection.results() if result.refused is not None), None)
    finally:
        connection.close()
        wake.close()
        other.close()


def _remedy(text: str, mqtt: Mqtt) -> str:
    if "not trusted" in text:
        return "mqtt.tls.ca has to be the CA that signed the broker's certificate, and mqtt.host the name in it"
    if "refuses us" in text:
        return "mqtt.username and its password, or the certificate; the broker's log says which"
    if "TLS" in text:
        return "mqtt.port and mqtt.tls; docs/mosquitto/README.md"
    if "reached" in text and settings.is_loopback(mqtt.host):
        return "sudo apt install mosquitto; systemctl status mosquitto"
    return "is it running, and the firewall open?"
