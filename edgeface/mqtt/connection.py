"""One connection to the broker, from CONNECT to its end, and the Waker that interrupts its wait."""

from __future__ import annotations

import select
import socket
import ssl
import struct
from collections import deque
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import paho.mqtt.client as paho
from paho.mqtt import properties as v5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.subscribeoptions import SubscribeOptions

from edgeface.core.errors import BrokerError
from edgeface.mqtt import client as mqtt_client
from edgeface.mqtt import old_protocol
from edgeface.mqtt.advice import unreachable
from edgeface.security.secret_sources import password

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from paho.mqtt.reasoncodes import ReasonCode

    from edgeface.core.clock import Clock
    from edgeface.mqtt.settings import Mqtt
    from edgeface.mqtt.topics import Topic

MOST_UNACKNOWLEDGED = 100
"""Messages that a caller who acknowledges them itself may hold."""
BROKER_TIMEOUT = 3.0
"""Seconds for the broker to answer a request; after that the connection ends."""

_SESSION_SECONDS = 3600
# Below paho's own limit of 20, so that paho never queues and nothing ages inside it.
_MAX_IN_FLIGHT = 16
# "Session taken over" (MQTT 5, 3.14.2.1).
_TAKEN_OVER = 0x8E


class Tag(NamedTuple):
    """What a request was about, to be recognised in its PublishResult."""

    kind: str
    """event, audit, grant, retained, probe or subscribe."""
    id: str


class PublishResult(NamedTuple):
    """The broker's answer to a request."""

    tag: Tag
    refused: str | None
    """The broker's reason; None if it accepted the request."""
    seconds: float
    """From the request to the answer."""


class _Sent(NamedTuple):
    tag: Tag
    at: float
    until: float
    """When the connection ends unless the broker has answered."""


class Message(NamedTuple):
    """A message from the broker."""

    topic: str
    payload: bytes
    retained: bool
    mid: int = 0
    """The number under which it is acknowledged; 0 with a QoS of 0."""


class Connection:
    """An MQTT 5 connection, used by one thread; opening it blocks for BROKER_TIMEOUT at most.

    Each connection has its own paho client: paho keeps what is not acknowledged, and would send it again, late, on
    its next connection. When the connection ends, `wait` raises BrokerError.
    """

    def __init__(
        self,
        settings: Mqtt,
        name: str,
        will: Topic | None,
        clock: Clock,
        *,
        last_words: bytes = b"offline",
        session_seconds: int = _SESSION_SECONDS,
        acknowledging: bool = False,
    ) -> None:
        """Start connecting as the client `name`.

        The broker publishes `last_words` on `will` if the connection breaks, and holds messages of QoS 1 for
        `session_seconds` after that. With `acknowledging`, the caller acknowledges each message to it.
        """
        self._clock = clock
        self._settings = settings
        self._broker = f"{settings.host}:{settings.port}"
        self._name = name
        self._sent: dict[int, _Sent] = {}
        self._results: list[PublishResult] = []
        self._ended: str | None = None
        self.messages: deque[Message] = deque(maxlen=256)
        """Received messages, oldest first."""
        self.ready = False
        """Whether the broker has accepted the connection."""
        self.window = _MAX_IN_FLIGHT
        """Requests that may be in flight."""
        self.answered = float("-inf")
        """When the latest of the requests that the broker has answered was sent."""
        self._session_seconds = session_seconds
        self._acknowledging = acknowledging
        self._client = self._make_client(settings, will, last_words)
        self._deadline = clock.monotonic() + BROKER_TIMEOUT
        self._connect(settings)

    @property
    def in_flight(self) -> int:
        """Requests that the broker has not answered."""
        return len(self._sent)

    @property
    def congested(self) -> bool:
        """Whether the network accepts no more for now."""
        return self._client.want_write()

    def unanswered(self) -> list[Tag]:
        """The tags of the requests that the broker has not answered."""
        return [sent.tag for sent in self._sent.values()]

    def results(self) -> list[PublishResult]:
        """The broker's answers since the last call."""
        results, self._results = self._results, []
        return results

    def publish(
        self,
        topic: Topic,
        payload: bytes,
        tag: Tag | None = None,
        *,
        expiry: int | None = None,
        until: float | None = None,
        about: Mapping[str, str] | None = None,
    ) -> None:
        """Send a message; with QoS 1 its PublishResult follows. The broker may hold it for `expiry` seconds.

        `about` are its user properties (MQTT 5, 3.3.2.3.7).

        The default tag is ("retained", name of the topic). If there is no answer by `until` (monotonic, by default
        BROKER_TIMEOUT from now), the connection ends, so that no byte of the message leaves this machine later.
        """
        properties = _properties(PacketTypes.PUBLISH)
        if expiry is not None:
            properties.MessageExpiryInterval = expiry
        if about is not None:
            properties.UserProperty = list(about.items())
        info = self._client.publish(topic.name, payload, topic.qos, topic.retain, properties)
        if topic.qos:
            self._request(info.mid, tag or Tag("retained", topic.name), until)

    def subscribe(
        self, topics: Iterable[str], *, as_published: bool = False, qos: Literal[0, 1] = 1, retained: bool = False
    ) -> None:
        """Subscribe, to messages already retained only if `retained`; `as_published` keeps the sender's retain flag.

        With a QoS of 0, the broker keeps nothing for a client that is away. With `retained`, what the broker retains
        comes at once, and nothing that this client publishes itself.
        """
        handling = SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE if retained else SubscribeOptions.RETAIN_DO_NOT_SEND
        options = SubscribeOptions(qos, retained, as_published, handling)
        for topic in topics:
            self._request(self._client.subscribe([(topic, options)])[1], Tag("subscribe", topic))

    def acknowledge(self, message: Message) -> None:
        """Tell the broker that a message of this connection is safe: it does not send it again."""
        if message.mid:
            self._client.ack(message.mid, 1)

    def probe(self) -> None:
        """Ask whether the broker is alive, unless a probe is in flight; the answer updates `answered`."""
        # paho has no public PINGREQ; an UNSUBSCRIBE from an unused topic is as small, and always answered.
        if not any(sent.tag.kind == "probe" for sent in self._sent.values()):
            self._request(self._client.unsubscribe("edgeface/probe")[1], Tag("probe", ""))

    def wait(self, seconds: float, wake: socket.socket) -> None:
        """Serve the network until something happens or `wake` is readable; raises BrokerError once it has ended."""
        self._check()
        sock = self._client.socket()
        poller = select.poll()
        poller.register(wake, select.POLLIN)
        if sock is not None:
            poller.register(sock.fileno(), select.POLLIN | (select.POLLOUT if self._client.want_write() else 0))
            for descriptor, events in poller.poll(max(0.0, min(seconds, self._left())) * 1000):
                if descriptor == sock.fileno():
                    self._serve(sock, events)
        if self._client.socket() is not None:
            self._client.loop_misc()
        self._check()

    def drop(self) -> None:
        """End it at once: unsent bytes are discarded (RST), and the broker publishes our will."""
        sock: Any = self._client.socket()
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()

    def close(self) -> None:
        """Disconnect properly: the broker does not publish our will."""
        self._client.disconnect()
        self.drop()

    def _make_client(self, settings: Mqtt, will: Topic | None, last_words: bytes) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._name,
            protocol=paho.MQTTv5,
            reconnect_on_failure=False,
            manual_ack=self._acknowledging,
        )
        client.connect_timeout = BROKER_TIMEOUT
        if will is not None:
            client.will_set(will.name, last_words, will.qos, will.retain)
        secret = password(settings)
        if settings.username is not None:
            client.username_pw_set(settings.username, secret)
        if settings.tls is not None:
            client.tls_set_context(mqtt_client.tls_context(settings.tls))
        mqtt_client.limit_packets(client)
        client.on_socket_open = _disable_nagle
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_unsubscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _connect(self, settings: Mqtt) -> None:
        properties = _properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = self._session_seconds
        properties.MaximumPacketSize = mqtt_client.MAX_PACKET_BYTES
        if self._acknowledging:
            # The broker sends no more before some are acknowledged: `messages` never overflows.
            properties.ReceiveMaximum = MOST_UNACKNOWLEDGED
        try:
            self._client.connect(
                settings.host,
                settings.port,
                settings.keepalive,
                clean_start=self._session_seconds == 0,
                properties=properties,
            )
        except ssl.SSLCertVerificationError as error:
            raise BrokerError(f"the broker {self._broker} is not trusted: {error.verify_message}") from error
        except ssl.SSLError as error:
            raise BrokerError(f"no TLS with the broker {self._broker}: {error.reason or error}") from error
        except (OSError, ValueError) as error:
            plain = settings.tls is not None and isinstance(error, ConnectionResetError)
            hint = " (does it speak TLS on that port?)" if plain else ""
            raise BrokerError(unreachable(settings, error, hint)) from error

    def _serve(self, sock: Any, events: int) -> None:
        try:
            if events & ~select.POLLOUT:
                self._client.loop_read()
                # TLS may have buffered whole packets, for which the descriptor is no longer readable.
                while self._client.socket() is sock and isinstance(sock, ssl.SSLSocket) and sock.pending():
                    self._client.loop_read()
            if events & select.POLLOUT and self._client.socket() is sock:
                self._client.loop_write()
        except mqtt_client.MALFORMED as error:
            raise BrokerError(f"the broker {self._broker} does not support MQTT 5: {type(error).__name__}") from error

    def _check(self) -> None:
        if self._ended is not None:
            raise BrokerError(self._ended)
        if self._left() < 0:
            raise BrokerError(f"the broker {self._broker} has not answered in time: it or the network is slow")

    def _left(self) -> float:
        due = min((sent.until for sent in self._sent.values()), default=float("inf") if self.ready else self._deadline)
        return due - self._clock.monotonic()

    def _request(self, mid: int | None, tag: Tag, until: float | None = None) -> None:
        if mid is not None:
            now = self._clock.monotonic()
            self._sent[mid] = _Sent(tag, now, now + BROKER_TIMEOUT if until is None else until)

    def _answer(self, mid: int, reason: ReasonCode | None) -> None:
        sent = self._sent.pop(mid, None)
        if sent is None:
            return
        self.answered = max(self.answered, sent.at)
        if sent.tag.kind != "probe":
            refused = str(reason) if reason is not None and reason.is_failure else None
            self._results.append(PublishResult(sent.tag, refused, self._clock.monotonic() - sent.at))

    def _end(self, text: str) -> None:
        self.ready = False
        self._ended = self._ended or f"the broker {self._broker} {text}"

    def _on_connect(self, _client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, properties: Any) -> None:
        if reason.value == old_protocol.UNSUPPORTED:
            self._end(old_protocol.ONLY_OLD)
        elif reason.is_failure:
            self._end(f"rejects the connection: {reason}")
        else:
            self.window = max(2, min(_MAX_IN_FLIGHT, getattr(properties, "ReceiveMaximum", _MAX_IN_FLIGHT)))
            self.ready = True

    def _on_disconnect(
        self, _client: paho.Client, _data: Any, flags: paho.DisconnectFlags, reason: ReasonCode, _properties: Any
    ) -> None:
        another = f"another client is called {self._name}"
        # mosquitto 2.0.11 does not send "Session taken over" before it closes the connection; 2.0.21 does.
        closed = f"it stopped, or {another}"
        if not self.ready:
            closed = "it may require a client certificate, TLS or no TLS (mqtt.tls), or may not support MQTT 5"
            if self._ended is None and old_protocol.is_only_old(self._settings):
                self._end(old_protocol.ONLY_OLD)
        why = f"{reason}: {another}" if reason.value == _TAKEN_OVER else str(reason)
        sent = flags.is_disconnect_packet_from_server
        self._end(f"has disconnected edgeface: {why}" if sent else f"has closed the connection: {closed}")

    def _on_publish(self, _client: paho.Client, _data: Any, mid: int, reason: ReasonCode, _properties: Any) -> None:
        self._answer(mid, reason)

    def _on_subscribe(
        self, _client: paho.Client, _data: Any, mid: int, reasons: list[ReasonCode], _properties: Any
    ) -> None:
        self._answer(mid, next((reason for reason in reasons if reason.is_failure), None))

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        mid = message.mid if message.qos else 0
        self.messages.append(Message(message.topic, bytes(message.payload), message.retain, mid))


_properties: Any = v5.Properties


def _disable_nagle(_client: paho.Client, _data: Any, sock: Any) -> None:
    # Without this a second small message waits for the first one's acknowledgement, 40 ms (RFC 896; RFC 1122, 4.2.3.2).
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Waker:
    """Any thread wakes, one thread waits for `socket` to become readable."""

    def __init__(self) -> None:
        self._sender, self.socket = socket.socketpair()
        self._sender.setblocking(False)
        self.socket.setblocking(False)

    def wake(self) -> None:
        """Make `socket` readable; never blocks."""
        try:
            self._sender.send(b"\0")
        except OSError:
            return  # the pipe is full, so the thread is being woken already; or it is closed, and so is the thread

    def clear(self) -> None:
        """Make `socket` unreadable until the next `wake`."""
        try:
            while self.socket.recv(4096):
                continue
        except BlockingIOError:
            return

    def close(self) -> None:
        """Close both ends; `wake` may still be called."""
        self._sender.close()
        self.socket.close()
