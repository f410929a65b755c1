"""Relays as their makers' pages describe them, with faults; edgeface/door/relays has the addresses of the pages."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

if TYPE_CHECKING:
    from collections.abc import Callable

USER, PASSWORD, REALM = "admin", "open sesame", "shellyplus1-a8032abcdef0"


@dataclass
class Contact:
    """The contact of a relay with a timer, and when it was switched."""

    on: bool = False
    pulse: float = 0.0
    """Seconds after which it switches off by itself, as set before (PulseTime); 0: never."""
    history: list[tuple[float, bool]] = field(default_factory=list)
    changed: Callable[[], None] = lambda: None
    _timer: threading.Timer | None = None

    def switch(self, on: bool, seconds: float = 0.0) -> None:  # noqa: FBT001 - what a device is told
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        seconds = seconds or self.pulse
        if on and seconds:
            self._timer = threading.Timer(seconds, lambda: self.switch(False))
            self._timer.daemon = True
            self._timer.start()
        if on != self.on:
            self.on = on
            self.history.append((time.monotonic(), on))
        self.changed()

    def off_at(self) -> float:
        """When it was switched off last."""
        return next(at for at, on in reversed(self.history) if not on)

    def on_at(self) -> float:
        """When it was first switched on."""
        return next(at for at, on in self.history if on)


class WebRelay:
    """A Shelly or Tasmota device with a web server, from `start` to `stop`."""

    def __init__(self, kind: str, *, secured: bool = False) -> None:
        self.kind = kind
        self.secured = secured
        self.contact = Contact()
        self.repair()
        self.requests: list[str] = []
        self.headers: list[str | None] = []
        relay = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                relay.serve(self)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)

    def repair(self) -> None:
        """End all faults."""
        self.status = 200
        """Answered to every request; if it is another than 200, nothing is done."""
        self.delay = 0.0
        """Seconds until a request is served."""
        self.drip = False
        """Send one byte of the answer per half second."""
        self.body: bytes | None = None
        """Answered to every request."""
        self.location: str | None = None
        self.reads: bool | None = None
        """What it reports, whatever the contact does."""
        self.obeys = True

    def start(self) -> WebRelay:
        self._thread.start()
        return self

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join(5)

    def serve(self, handler: BaseHTTPRequestHandler) -> None:
        self.requests.append(handler.path)
        self.headers.append(handler.headers.get("Authorization"))
        time.sleep(self.delay)
        headers: dict[str, str] = {}
        status, body = self.status, b"{}"
        if self.secured and not self._let_in(handler):
            status, body = 401, b"401: Unauthorized"
            if self.kind == "shelly-gen2":
                headers["WWW-Authenticate"] = f'Digest qop="auth", realm="{REALM}", nonce="60dc59c6", algorithm=SHA-256'
        elif self.location is not None:
            headers["Location"] = self.location
        elif status == 200:
            body = json.dumps(self._answer(handler.path)).encode()
        self._send(handler, status, headers, body if self.body is None else self.body)

    def _send(self, handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes) -> None:
        try:
            handler.send_response(status)
            for name, value in headers.items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            if not self.drip:
                handler.wfile.write(body)
            for byte in body if self.drip else b"":
                handler.wfile.write(bytes([byte]))
                time.sleep(0.5)
        except OSError:
            handler.close_connection = True  # the client has gone

    def _answer(self, path: str) -> dict[str, Any]:
        parts, query = urlsplit(path), parse_qs(urlsplit(path).query)
        answers = {"shelly-gen2": self._gen2, "shelly-gen1": self._gen1, "tasmota": self._tasmota}
        return answers[self.kind](parts.path, query)

    def _shown(self) -> bool:
        return self.contact.on if self.reads is None else self.reads

    def _switch(self, on: bool, seconds: float = 0.0) -> None:  # noqa: FBT001 - what a device is told
        if self.obeys:
            self.contact.switch(on, seconds)

    def _gen2(self, path: str, query: dict[str, list[str]]) -> dict[str, Any]:
        assert query["id"] == ["0"]
        if path == "/rpc/Switch.Set":
            before = self.contact.on
            self._switch(query["on"] == ["true"], float(query.get("toggle_after", ["0"])[0]))
            return {"was_on": before}
        assert path == "/rpc/Switch.GetStatus"
        return {"id": 0, "source": "HTTP_in", "output": self._shown(), "temperature": {"tC": 53.1, "tF": 127.6}}

    def _gen1(self, path: str, query: dict[str, list[str]]) -> dict[str, Any]:
        assert path == "/relay/0"
        if "turn" in query:
            self._switch(query["turn"] == ["on"], float(int(query.get("timer", ["0"])[0])))
        return {"ison": self._shown(), "has_timer": "timer" in query, "overpower": False, "source": "http"}

    def _tasmota(self, path: str, query: dict[str, list[str]]) -> dict[str, Any]:
        assert path == "/cm"
        return tasmota(self.contact, query["cmnd"][0], self._switch, self._shown)

    def _let_in(self, handler: BaseHTTPRequestHandler) -> bool:
        header = handler.headers.get("Authorization") or ""
        if self.kind == "tasmota":
            query = parse_qs(urlsplit(handler.path).query)
            return query.get("user") == [USER] and query.get("password") == [PASSWORD]
        if self.kind == "shelly-gen1":
            return header == "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        given = dict(part.strip().split("=", 1) for part in header.removeprefix("Digest ").split(",") if "=" in part)
        fields = {name: value.strip('"') for name, value in given.items()}
        if fields.get("uri") != handler.path:
            return False

        def hashed(text: str) -> str:
            return hashlib.sha256(text.encode()).hexdigest()

        first, second = hashed(f"{USER}:{REALM}:{PASSWORD}"), hashed(f"GET:{handler.path}")
        middle = ":".join([fields["nonce"], fields["nc"], fields["cnonce"], fields["qop"]])
        return fields["response"] == hashed(f"{first}:{middle}:{second}")


def tasmota(
    contact: Contact, command: str, switch: Callable[[bool], None], shown: Callable[[], bool]
) -> dict[str, Any]:
    """Obey one command as Tasmota does; returns its answer."""
    name, _, value = command.partition(" ")
    if name == "PulseTime1":
        number = int(value)
        contact.pulse = number / 10 if number <= 111 else number - 100
        return {"PulseTime1": {"Set": number, "Remaining": 0}}
    if name != "Power1":
        return {"Command": "Unknown"}
    if value:
        switch(value == "ON")
    return {"POWER": "ON" if shown() else "OFF"}


class MqttRelay:
    """A relay or lock at a broker; it answers as its page says, until `mute` or `reads` is set."""

    def __init__(self, kind: str, port: int, *, seconds: float = 0.0) -> None:
        """`seconds` is how long a lock moves."""
        self.kind = kind
        self.contact = Contact(changed=self._report)
        self.mute = False
        self.deaf = False
        self.reads: bool | None = None
        self.seconds = seconds
        self.heard: list[tuple[str, bytes]] = []
        self._ready = threading.Event()
        topics = {
            "shelly-gen2": "lock/rpc",
            "shelly-gen1": "lock/relay/0/command",
            "tasmota": "cmnd/lock/#",
            "zigbee2mqtt-lock": "lock/set",
            "home-assistant-lock": "lock/command",
        }
        self.client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"device-{kind}", protocol=paho.MQTTv5)
        self.client.reconnect_delay_set(min_delay=1, max_delay=1)
        self.client.on_connect = lambda client, *_: client.subscribe(topics[kind], qos=1)
        self.client.on_subscribe = lambda *_: self._ready.set()
        self.client.on_message = lambda _client, _data, message: self._obey(message.topic, bytes(message.payload))
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert self._ready.wait(30)

    def stop(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def publish(self, topic: str, payload: str, *, retain: bool = False) -> None:
        if not self.mute:
            self.client.publish(topic, payload, retain=retain)

    def _obey(self, topic: str, payload: bytes) -> None:
        self.heard.append((topic, payload))
        if self.deaf:
            return
        if self.kind == "shelly-gen2":
            self._rpc(json.loads(payload))
        elif self.kind == "tasmota":
            command = f"{topic.rpartition('/')[2]} {payload.decode()}".strip()
            self.publish("stat/lock/RESULT", json.dumps(tasmota(self.contact, command, self._set, self._shown)))
        else:
            word = json.loads(payload)["state"] if payload.startswith(b"{") else payload.decode()
            on = {"on": True, "off": False, "UNLOCK": True, "LOCK": False}[word]
            timer = threading.Timer(self.seconds, lambda: self._set(on))
            timer.daemon = True
            timer.start()

    def _set(self, on: bool) -> None:  # noqa: FBT001 - what a device is told
        self.contact.switch(on)

    def _rpc(self, call: dict[str, Any]) -> None:
        parameters = call["params"]
        result: dict[str, Any] = {"id": 0, "output": self._shown()}
        if call["method"] == "Switch.Set":
            result = {"was_on": self.contact.on}
            self.contact.switch(parameters["on"], parameters.get("toggle_after", 0.0))
        answer = {"id": call["id"], "src": "shellyplus1-a8032abcdef0", "dst": call["src"], "result": result}
        self.publish(f"{call['src']}/rpc", json.dumps(answer))

    def _report(self) -> None:
        on = self._shown()
        if self.kind == "shelly-gen1":
            self.publish("lock/relay/0", "on" if on else "off")
        elif self.kind == "tasmota":
            self.publish("stat/lock/RESULT", json.dumps({"POWER": "ON" if on else "OFF"}))
        elif self.kind == "zigbee2mqtt-lock":
            facts = {"state": "UNLOCK" if on else "LOCK", "lock_state": "unlocked" if on else "locked", "battery": 80}
            self.publish("lock", json.dumps(facts))
        elif self.kind == "home-assistant-lock":
            self.publish("lock/state", "UNLOCKED" if on else "LOCKED", retain=True)

    def _shown(self) -> bool:
        return self.contact.on if self.reads is None else self.reads
