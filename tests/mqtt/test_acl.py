"""The mosquitto configuration in docs/mosquitto on a real broker: every role and every topic, in both directions."""

from __future__ import annotations

import base64
import json
import re
import shutil
import socket
import subprocess
import threading
import time
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from edgeface.core.clock import SystemClock
from edgeface.journal.journal import Journal
from edgeface.mqtt import topics
from edgeface.mqtt.mqtt_publisher import MqttPublisher
from edgeface.mqtt.settings import Mqtt, Tls
from edgeface.mqtt.topics import Topic, Topics
from tests.mqtt.test_topics import TABLE as TOPICS
from tests.recognition.test_pipeline import RIGHT, analyzer, gallery, pipeline
from tests.support.broker import until
from tests.support.certificates import Authority
from tests.support.film import film
from tests.support.sayings import an_event
from tests.support.slack import Slack

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from edgeface.core.types import Embedding, Image
    from edgeface.demo.mosquitto import Mosquitto

pytestmark = pytest.mark.broker
CLOCK = SystemClock()
SHIPPED = Path(__file__).parents[2] / "docs" / "mosquitto"

DEVICE, DOOR = "edgeface-front", "edgeface-door-front-door"
OWNER = "edgeface-owner"
CENTRE = "edgeface-centre"
ROLES = (
    DEVICE,
    DOOR,
    OWNER,
    CENTRE,
    "homeassistant",
    "auditor",
    "viewer",
    "edgeface-back",
    "edgeface-door-gate",
    "nobody",
    "#",
    "+",
)
"""The names on the certificates; the last three are in no access list."""

# Who may write and who may read each topic of the table; the roles are those of the first device and its door.
SHOWN = {"homeassistant", "auditor", "viewer"}
RIGHTS: dict[Topic, tuple[set[str], set[str]]] = {
    topics.STATUS: ({DEVICE}, SHOWN),
    topics.STATE: ({DEVICE}, {DEVICE, "homeassistant", "auditor"}),
    topics.AUDIT: ({DEVICE}, {"auditor", CENTRE}),
    topics.SITE_SEQ: ({CENTRE}, set()),
    topics.GENERATION: ({DEVICE}, {DOOR}),
    topics.DOCTOR: ({DEVICE}, set()),
    topics.CAMERA_STATUS: ({DEVICE}, SHOWN),
    topics.EVENT: ({DEVICE}, {"homeassistant"}),
    topics.PEOPLE: ({DEVICE}, {"homeassistant", "viewer"}),
    topics.SNAPSHOT: ({DEVICE}, {"homeassistant"}),
    topics.CHALLENGE: ({DEVICE}, {"homeassistant", DOOR}),
    topics.ENABLED_SET: ({DEVICE, "homeassistant"}, {DEVICE}),
    topics.ENABLED_STATE: ({DEVICE}, {DEVICE, "homeassistant"}),
    topics.DISCOVERY: ({DEVICE}, {"homeassistant"}),
    topics.DISCOVERY_CAMERA: ({DEVICE}, {DEVICE, "homeassistant"}),
    topics.DISCOVERY_DOOR: ({DEVICE}, {DEVICE, "homeassistant"}),
    topics.DISCOVERY_PERSON: ({DEVICE}, {DEVICE, "homeassistant"}),
    topics.SEEN: ({DEVICE}, {DEVICE, "homeassistant"}),
    topics.IGNORE: ({DEVICE, "homeassistant"}, {DEVICE}),
    topics.HOME_ASSISTANT_STATUS: ({"homeassistant"}, {DEVICE, "edgeface-back", "homeassistant"}),
    topics.DOOR_CHALLENGE: ({DOOR}, {DEVICE, DOOR}),
    topics.DOOR_FACTOR: ({DOOR}, {DEVICE}),
    topics.DOOR_GRANT: ({DEVICE}, {DOOR}),
    topics.DOOR_RESULT: ({DOOR}, {DEVICE}),
    topics.DOOR_STATUS: ({DOOR}, {*SHOWN, DOOR}),
    topics.DOOR_KEYS: ({OWNER}, {OWNER, DOOR, "edgeface-door-gate"}),
    topics.DOOR_GENERATION: ({DOOR}, {DEVICE}),
    topics.DOOR_STATE: ({DOOR}, {DEVICE, "homeassistant", "auditor"}),
    topics.DOOR_EVENT: ({DOOR}, {"homeassistant"}),
}


def rights(device: str, door: str) -> dict[str, tuple[set[str], set[str]]]:
    """The rights by the names that the topics have for a device and its door."""
    fill = Topics(
        prefix="edgeface",
        discovery="homeassistant",
        device=device,
        camera="porch",
        door=door,
        person="alice",
        site="tower",
    )
    roles = {DEVICE: f"edgeface-{device}", DOOR: f"edgeface-door-{door}"}
    return {
        fill(topic).name: ({roles.get(role, role) for role in writers}, {roles.get(role, role) for role in readers})
        for topic, (writers, readers) in RIGHTS.items()
    }


# No one has any right that is not in here.
TABLE: dict[str, tuple[set[str], set[str]]] = {
    **rights("back", "gate"),
    **rights("front", "front-door"),
    "homeassistant/device/another/config": (set(), {"homeassistant"}),
    "edgeface/doors": (set(), set()),
    "edgeface/front": ({DEVICE}, set()),
    "edgeface": (set(), set()),
    "zigbee2mqtt/lamp/set": (set(), set()),
}


def test_every_topic_of_the_table_has_its_rights() -> None:
    assert set(RIGHTS) == set(TOPICS)


def the_acl(front: str) -> str:
    """The shipped list, with a second device and a second door added as README.md describes."""
    blocks = front.split("\n\n")
    device = next(block for block in blocks if "user edgeface-front\n" in block)
    door = next(block for block in blocks if "user edgeface-door-front-door\n" in block)
    more = f"{device}\n\n{door}".replace("front-door", "gate").replace("front", "back")
    shown = "topic read edgeface/front/+/challenge\n"
    both = shown + shown.replace("front", "back")
    return f"{front.replace(shown, both)}\n{more}\n"


def shipped(folder: Path, authority: Authority, acl: str | None = None) -> list[str]:
    """The shipped files with this test's paths; the Mosquitto fixture sets the port."""
    certificate, key = authority.broker()
    (folder / "acl").write_text(acl or the_acl((SHIPPED / "acl").read_text()))
    (folder / "acl").chmod(0o600)
    paths = {"ca.pem": authority.ca, "broker.pem": certificate, "broker.key": key, "acl": folder / "acl"}
    text = (SHIPPED / "mosquitto.conf").read_text()
    text = re.sub(r"/etc/mosquitto/edgeface/(\S+)", lambda found: str(paths[found[1]]), text)
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert lines[0] == "listener 8883"
    return lines[1:]


@dataclass
class Client:
    """One client of the broker: the messages that it receives, and the broker's answers to those that it publishes."""

    port: int
    context: ssl.SSLContext
    id: str
    topics: tuple[str, ...] = ("#", "$SYS/#")
    will: str | None = None
    heard: list[tuple[str, str]] = field(default_factory=list)
    answers: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ready = threading.Event()
        self.gone = threading.Event()
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=self.id, protocol=paho.MQTTv5)
        client.tls_set_context(self.context)
        client.max_inflight_messages_set(100)
        if self.will is not None:
            client.will_set(self.will, b"by a will", qos=1, retain=True)
        client.on_connect = self._connected
        client.on_subscribe = lambda *_: self.ready.set()
        client.on_message = self._message
        client.on_publish = self._published
        client.on_disconnect = lambda *_: self.gone.set()
        client.connect("127.0.0.1", self.port, keepalive=30)
        client.loop_start()
        self.client = client

    def _connected(self, client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self.gone.set()
        else:
            client.subscribe([(topic, 1) for topic in self.topics])

    def _message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        self.heard.append((message.topic, message.payload.decode(errors="replace")))

    def _published(self, _client: paho.Client, _data: Any, mid: int, reason: Any, _properties: Any) -> None:
        self.answers[mid] = reason.value

    def publish(self, topic: str, payload: str, *, retain: bool = False) -> int:
        return self.client.publish(topic, payload, qos=1, retain=retain).mid

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority") / "ca")


@pytest.fixture
def site(make_broker: Callable[..., Mosquitto], tmp_path: Path, authority: Authority) -> Mosquitto:
    """A broker with the shipped files."""
    return make_broker(*shipped(tmp_path, authority))


@pytest.fixture
def enter(site: Mosquitto, authority: Authority) -> Iterator[Callable[..., Client]]:
    clients: list[Client] = []

    def make(name: str, **options: Any) -> Client:
        client = Client(site.port, authority.context(name), options.pop("id", name), **options)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


def answered(asked: set[int], client: Client) -> bool:
    return asked <= client.answers.keys()


def has_heard(count: int, client: Client) -> bool:
    return client.ready.is_set() and len(client.heard) >= count


def wait_for(client: Client, condition: Callable[[Client], object]) -> None:
    until(lambda: condition(client))


def test_every_role_and_every_topic(enter: Callable[..., Client]) -> None:
    clients = {role: enter(role) for role in ROLES}
    assert all(client.ready.wait(30) for client in clients.values())
    asked = {
        (role, topic): clients[role].publish(topic, f"{role} {topic}")
        for role in ROLES
        for topic in (*TABLE, "$SYS/broker/version")
    }
    until(lambda: all(mid in clients[role].answers for (role, _), mid in asked.items()), 20)
    wanted = {
        (reader, topic, f"{writer} {topic}")
        for topic, (writers, readers) in TABLE.items()
        for writer in writers
        for reader in readers
    }
    until(lambda: sum(len(client.heard) for client in clients.values()) >= len(wanted), 10)
    time.sleep(0.3)
    assert sorted((role, *heard) for role in ROLES for heard in clients[role].heard) == sorted(wanted)
    taken = {pair for pair, mid in asked.items() if clients[pair[0]].answers[mid] < 0x80}
    assert taken == {(writer, topic) for topic, (writers, _) in TABLE.items() for writer in writers}


def test_retained_messages_are_read_by_those_who_may(enter: Callable[..., Client]) -> None:
    for writer in ROLES:
        client = enter(writer, topics=("nothing",))
        asked = {client.publish(topic, topic, retain=True) for topic in TABLE}
        wait_for(client, partial(answered, asked))
        client.close()
    for role in ROLES:
        client = enter(role)
        wanted = sorted((topic, topic) for topic, (writers, readers) in TABLE.items() if writers and role in readers)
        wait_for(client, partial(has_heard, len(wanted)))
        time.sleep(0.05)
        assert sorted(client.heard) == wanted


def test_a_name_is_the_certificates_whatever_the_client_says(enter: Callable[..., Client], site: Mosquitto) -> None:
    device, listener = enter(DEVICE), enter("homeassistant")
    impostor = enter("viewer", id=DEVICE)
    assert all(client.ready.wait(30) for client in (device, listener, impostor))
    mid = impostor.publish("edgeface/front/porch/event", "I am the device")
    until(lambda: mid in impostor.answers)
    device.publish("edgeface/front/porch/event", "and still here")
    until(lambda: listener.heard)
    assert impostor.answers[mid] == 0x87
    assert listener.heard == [("edgeface/front/porch/event", "and still here")]
    assert not device.gone.is_set()
    assert "already connected" not in site.log


def test_a_will_is_written_by_those_who_may(enter: Callable[..., Client]) -> None:
    listener = enter("homeassistant")
    assert listener.ready.wait(30)
    for role in ("viewer", "nobody", DEVICE):
        client = enter(role, will="edgeface/front/status")
        wait_for(client, lambda client: client.ready.is_set() or client.gone.is_set())
        sock: Any = client.client.socket()
        if sock is not None:
            sock.shutdown(socket.SHUT_RDWR)
    until(lambda: listener.heard)
    time.sleep(0.2)
    assert listener.heard == [("edgeface/front/status", "by a will")]


def test_nobody_comes_in_without_a_certificate(site: Mosquitto, authority: Authority) -> None:
    client = Client(site.port, authority.context(None), "homeassistant")
    assert client.gone.wait(30)
    assert not client.ready.is_set()
    client.close()


@pytest.fixture
def device(authority: Authority, tmp_path: Path) -> Iterator[Callable[..., MqttPublisher]]:
    journal = Journal(tmp_path / "journal.db")
    publishers: list[MqttPublisher] = []

    def make(broker: Mosquitto, tls: Tls | None = None) -> MqttPublisher:
        settings = Mqtt(port=broker.port, tls=tls or authority.tls(DEVICE))
        publisher = MqttPublisher(settings, "front", CLOCK, journal, on_enabled=lambda *_: None, cameras=("porch",))
        publishers.append(publisher)
        publisher.start()
        until(lambda: publisher.connected)
        publisher.set(topics.STATE, {"version": "1"})
        return publisher

    yield make
    for publisher in publishers:
        publisher.close()
    journal.close()


def test_the_device_has_all_that_it_needs(
    site: Mosquitto, enter: Callable[..., Client], device: Callable[..., MqttPublisher]
) -> None:
    listener, auditor = enter("homeassistant"), enter("auditor")
    assert listener.ready.wait(30)
    assert auditor.ready.wait(30)
    publisher = device(site)
    publisher.publish(an_event(1), b"\xff\xd8jpeg")
    publisher.publish(an_event(2), late=True)
    publisher.set(topics.PEOPLE.at(camera="porch"), "Alice")
    until(lambda: "edgeface/front/audit" in dict(auditor.heard))
    until(lambda: "homeassistant/device/edgeface_front/config" in dict(listener.heard))
    until(lambda: {"edgeface/front/porch/event", "edgeface/front/porch/snapshot"} <= dict(listener.heard).keys())
    listener.publish("edgeface/front/porch/enabled/set", "OFF")
    until(lambda: ("edgeface/front/porch/enabled/state", "OFF") in listener.heard)
    assert publisher.problem is None
    assert publisher.counters()["refused"] == 0


@pytest.mark.parametrize(
    ("denied", "does", "says"),
    [
        ("edgeface/front/porch/event", lambda publisher: publisher.publish(an_event(1)), "the event topic"),
        ("edgeface/front/audit", lambda publisher: publisher.publish(an_event(1), late=True), "the audit topic"),
        (
            "edgeface/front/porch/status",
            lambda publisher: publisher.set(topics.CAMERA_STATUS.at(camera="porch"), "online"),
            "porch/status",
        ),
    ],
)
def test_a_denial_is_in_the_state_within_a_second(
    denied: str,
    does: Callable[[MqttPublisher], None],
    says: str,
    make_broker: Callable[..., Mosquitto],
    tmp_path: Path,
    authority: Authority,
    device: Callable[..., MqttPublisher],
) -> None:
    acl = the_acl((SHIPPED / "acl").read_text())
    denial = f"user edgeface-front\ntopic deny {denied}\n"
    site = make_broker(*shipped(tmp_path, authority, acl.replace("user edgeface-front\n", denial)))
    listener = Client(site.port, authority.context("homeassistant"), "homeassistant")
    assert listener.ready.wait(30)
    publisher = device(site)
    until(lambda: "edgeface/front/state" in dict(listener.heard))
    began = time.monotonic()
    with Slack() as slack:
        does(publisher)
        until(lambda: any(topic.endswith("front/state") and says in text for topic, text in listener.heard), 3)
    assert time.monotonic() - began <= 1.0 + slack.late
    listener.close()
    assert "Not authorized" in (publisher.problem or "")


# Everyone may do everything but subscribe, except to the state.
DYNAMIC: dict[str, Any] = {
    "defaultACLAccess": {
        "publishClientSend": True,
        "publishClientReceive": True,
        "subscribe": False,
        "unsubscribe": True,
    },
    "anonymousGroup": "all",
    "groups": [{"groupname": "all", "roles": [{"rolename": "all"}]}],
    "roles": [
        {
            "rolename": "all",
            "acls": [{"acltype": "subscribePattern", "topic": "edgeface/front/state", "allow": True}],
        }
    ],
    "clients": [],
}


def traces(embedding: Any) -> Iterator[bytes]:
    """What a part of an embedding would look like in a message."""
    for dtype in (np.float32, np.float16, np.float64):
        raw = embedding[:24].astype(dtype).tobytes()
        yield raw[:16]
        yield from (base64.b64encode(raw[shift:])[4:20] for shift in range(3))
        yield raw[:16].hex().encode()
    for digits in (3, 4, 5, 6, 7, 8):
        yield ", ".join(f"{value:.{digits}f}" for value in embedding[:3]).encode()
        yield ",".join(str(round(float(value), digits)) for value in embedding[:3]).encode()


def test_a_trace_is_seen() -> None:
    embedding = np.random.default_rng(1).normal(0, 0.06, 128).astype(np.float32)
    messages = (
        json.dumps({"embedding": [float(value) for value in embedding.round(4).astype(float).round(4)]}).encode(),
        b"x" + embedding.tobytes(),
        base64.b64encode(embedding.astype(np.float16).tobytes()),
        b'{"template":"%s"}' % embedding.tobytes().hex().encode(),
    )
    for message in messages:
        assert any(trace in message for trace in traces(embedding))


def lists(value: Any) -> Iterator[list[Any]]:
    if isinstance(value, list):
        yield value
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        yield from lists(part)


def test_no_message_of_a_real_run_has_an_embedding(
    broker: Mosquitto, listen: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = gallery()
    secret = list(view.matrix)
    embed = analyzer().embedder.embed

    def kept(crop: Image) -> Embedding:
        embedding: Embedding = embed(crop)
        secret.append(embedding)
        return embedding

    monkeypatch.setattr(analyzer().embedder, "embed", kept)
    listener = listen(broker, "#")
    journal = Journal(tmp_path / "journal.db")
    publisher = MqttPublisher(
        Mqtt(port=broker.port), "front", CLOCK, journal, on_enabled=lambda *_: None, snapshots=True
    )
    publisher.start()
    until(lambda: publisher.connected)
    made, said = pipeline(view), 0
    for frame in film((2.5, (("astronaut", 20, 40), RIGHT)), (3.0, ())):
        outcome = made.process(frame)
        for one in outcome.events:
            publisher.publish(replace(one, monotonic=CLOCK.monotonic()), b"\xff\xd8jpeg", late=said % 2 == 1)
            said += 1
    publisher.set(topics.STATE, {"version": "1"})
    audit, event = "edgeface/front/audit", "edgeface/front/porch/event"
    until(lambda: len(listener.of(audit)) + len(listener.of(event)) == said)
    until(lambda: listener.of("edgeface/front/state"))
    publisher.close()
    journal.close()
    everything = b"\n".join(heard.payload for heard in listener.heard)
    assert said >= 4
    assert b'"person":"obama"' in everything
    assert b'"event_type":"unknown"' in everything
    assert len(secret) >= 10
    for embedding in secret:
        assert not [trace for trace in traces(embedding) if trace in everything]
    objects = [heard.json for heard in listener.heard if heard.payload.startswith(b"{")]
    assert max(len(numbers) for message in objects for numbers in lists(message)) <= 16
    assert not re.search(rb"[A-Za-z0-9+/]{64}", everything)


def plugin() -> Path | None:
    return next(iter(sorted(Path("/usr/lib").glob("*/mosquitto_dynamic_security.so"))), None)


@pytest.mark.skipif(plugin() is None, reason="mosquitto came without mosquitto_dynamic_security.so")
def test_a_denied_switch_is_in_the_state_where_the_broker_says_it(
    make_broker: Callable[..., Mosquitto], tmp_path: Path, listen: Callable[..., Any]
) -> None:
    # With an acl_file mosquitto allows everyone to subscribe to everything (mosquitto issue 2042); its plugin does not.
    (tmp_path / "dynamic.json").write_text(json.dumps(DYNAMIC))
    (tmp_path / "dynamic.json").chmod(0o600)
    broker = make_broker(
        "allow_anonymous true", f"plugin {plugin()}", f"plugin_opt_config_file {tmp_path / 'dynamic.json'}"
    )
    listener = listen(broker, "edgeface/front/state")
    journal = Journal(tmp_path / "journal.db")
    settings = Mqtt(port=broker.port)
    publisher = MqttPublisher(settings, "front", CLOCK, journal, on_enabled=lambda *_: None, cameras=("porch",))
    publisher.set(topics.STATE, {"version": "1"})
    publisher.start()
    until(lambda: publisher.connected)
    began = time.monotonic()
    with Slack() as slack:
        until(lambda: any(b"subscribe" in payload for payload in listener.payloads("edgeface/front/state")), 3)
    publisher.close()
    journal.close()
    assert time.monotonic() - began <= 1.0 + slack.late
    assert "denies subscribe" in (publisher.problem or "")


def test_certificates_sh_makes_what_mosquitto_and_we_take(
    make_broker: Callable[..., Mosquitto], tmp_path: Path, device: Callable[..., MqttPublisher]
) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    for arguments in (["ca"], ["broker", "localhost", "127.0.0.1", "::1"], ["client", DEVICE]):
        subprocess.run([SHIPPED / "certificates.sh", *arguments], cwd=folder, check=True, capture_output=True)
    (folder / "acl").write_text((SHIPPED / "acl").read_text())
    (folder / "acl").chmod(0o600)
    text = (SHIPPED / "mosquitto.conf").read_text().replace("/etc/mosquitto/edgeface", str(folder))
    lines = [line for line in text.splitlines() if line and not line.startswith(("#", "listener"))]
    broker = make_broker(*lines)
    tls = Tls(ca=folder / "ca.pem", certificate=folder / f"{DEVICE}.pem", key=folder / f"{DEVICE}.key")
    assert device(broker, tls).problem is None
    assert {file.name for file in folder.iterdir() if file.stat().st_mode & 0o077} <= {
        "ca.pem",
        "broker.pem",
        f"{DEVICE}.pem",
        "acl",
    }
    openssl = shutil.which("openssl") or "openssl"
    for name in ("broker", DEVICE):
        strict = [openssl, "verify", "-x509_strict", "-CAfile", "ca.pem", f"{name}.pem"]
        subprocess.run(strict, cwd=folder, check=True, capture_output=True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["ca"], "is there already"),
        (["client", "Alice"], "lowercase letters"),
        (["client", "../x"], "lowercase letters"),
        (["client", "ca"], "taken"),
        (["broker", "a,DNS:evil"], "no host name"),
        (["broker"], "give the names"),
        ([], "say what"),
    ],
)
def test_certificates_sh_refuses(arguments: list[str], says: str, tmp_path: Path) -> None:
    (tmp_path / "ca.key").touch()
    done = subprocess.run(
        [SHIPPED / "certificates.sh", *arguments], cwd=tmp_path, check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert says in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["ca.key"]
