"""How to fix each fault of the broker: the one source for the health page and `edgeface doctor`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from edgeface.core.installed.container import engine
from edgeface.mqtt.settings import is_loopback

if TYPE_CHECKING:
    from edgeface.mqtt.settings import Mqtt

START = "Start the broker on this machine: `systemctl status mosquitto`; `sudo apt install mosquitto` if it is missing."
"""Nothing listens at the broker's port of this machine."""
OUTSIDE = "This address is the container itself: set mqtt.host to the broker's container, or an address of its machine."
"""The same in a container."""
REFUSED = "The machine answers, but no broker listens on this port: is it running there, and is mqtt.port correct?"
SILENT = "The machine does not answer: is it on, is mqtt.host correct, and does a firewall between block the port?"
NAME = "Is mqtt.host spelled correctly, and does the name server work? An IP address needs none."
EXPIRED = "Renew the broker's certificate, and check the clock of this machine."
UNTRUSTED = "mqtt.tls.ca must be the CA that signed the broker's certificate, and mqtt.host the name in it."
TLS = "Check mqtt.port and mqtt.tls, the client certificate too; docs/mosquitto/README.md."
FILES = "Check that the files exist, belong together, and are readable for edgeface."
LOGIN = "Check mqtt.username and its password, or the client certificate. The broker's log has the reason."
DENIED = "Allow this device to write and read its topics in the broker's access list; docs/mosquitto/acl is an example."
TWICE = "Give each device a name of its own (device in config.yaml), or look for the reason in the broker's log."
SLOW = "The broker or the network is overloaded: see the broker's log, and test the network with ping."
NO_MQTT = "Is mqtt.port the port of an MQTT broker? edgeface needs MQTT 5: mosquitto 1.6 or newer."
OLD_MQTT = "Update the broker: mosquitto 1.6, RabbitMQ 3.13 or newer, or any other with MQTT 5, which edgeface needs."
ELSE = "See the log of the broker, and `edgeface doctor` on the device."

# Patterns in what mqtt/connection.py reports, and how to fix it; the first match counts.
_ADVICE = (
    (r"^mqtt\.tls: cannot use", FILES),
    (r"\bdenies\b|may not write", DENIED),
    (r"does not speak MQTT 5", OLD_MQTT),
    (r"rejects the connection", LOGIN),
    (r"not trusted: .*(expired|not yet valid)", EXPIRED),
    (r"not trusted", UNTRUSTED),
    (r"no TLS with|does it speak TLS|may require a client certificate", TLS),
    (r"does not support MQTT 5", NO_MQTT),
    (r"another client is called", TWICE),
    (r"has not answered in time|has disconnected", SLOW),
    (r"cannot be reached: .*refused", REFUSED),
    (r"cannot be reached: .*(name|address family|idna|label)", NAME),
    (r"cannot be reached", SILENT),
)
OFFERED = frozenset(text for _, text in _ADVICE) | {START, OUTSIDE, ELSE}
"""Every text that `advice` gives."""


def advice(problem: str, mqtt: Mqtt) -> str:
    """How to fix a problem that a Connection or ConnectionProblems has reported in these words."""
    found = next((text for pattern, text in _ADVICE if re.search(pattern, problem, re.IGNORECASE)), ELSE)
    if found is not REFUSED or not is_loopback(mqtt.host):
        return found
    return START if engine() is None else OUTSIDE


def unreachable(mqtt: Mqtt, error: Exception, hint: str = "") -> str:
    """The problem of a broker to which no connection can be opened."""
    return f"the broker {mqtt.host}:{mqtt.port} cannot be reached: {getattr(error, 'strerror', None) or error}{hint}"
