import json
import logging
import shutil
import socket
import sqlite3
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgeface.core.clock import SystemClock
from edgeface.core.errors import ConfigError
from edgeface.core.events import LIFETIME, SEND_WITHIN
from edgeface.demo.mosquitto import Mosquitto
from edgeface.journal.journal import Journal
from edgeface.mqtt import outgoing, topics
from edgeface.mqtt.mqtt_publisher import MqttPublisher
from edgeface.mqtt.publisher import names_in_view
from edgeface.mqtt.settings import Mqtt, Tls
from tests.support.broker import Listener, until
from tests.support.journals import counts
from tests.support.sayings import an_event
from tests.support.slack import Slack

pytestmark = pytest.mark.broker
CLOCK = SystemClock()
EVENT = "edgeface/front/porch/event"
CONFIG = "homeassistant/device/edgeface_front/config"
AUDIT = "edgeface/front/audit"
STATUS = "edgeface/front/status"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal.db")
    yield journal
    journal.close()


@pytest.fixture
def publish(journal: Journal) -> Iterator[Callable[..., MqttPublisher]]:
    publishers: list[MqttPublisher] = []

    def make(settings: Mqtt, **options: Any) -> MqttPublisher:
        options = {"on_enabled": lambda _camera, _on: None, "cameras": ("porch",), **options}
        publisher = MqttPublisher(settings, "front", CLOCK, journal, **options)
        publishers.append(publisher)
        publisher.start()
        return publisher

    yield make
    for publisher in publishers:
        publisher.close()


Publish = Callable[..., MqttPublisher]
Listen = Callable[..., Listener]
MakeBroker = Callable[..., Mosquitto]


def connected(publish: Publish, settings: Mqtt, **options: Any) -> MqttPublisher:
    publisher = publish(settings, **options)
    until(lambda: publisher.connected)
    return publisher


def seqs(listener: Listener, topic: str) -> list[int]:
    return [heard.json["seq"] for heard in listener.of(topic)]


def no_late_match(listener: Listener, said: dict[int, float]) -> None:
    for heard in listener.of(EVENT):
        assert not heard.retained
        assert heard.json["late"] is False
        assert heard.at - said[heard.json["seq"]] <= LIFETIME


def test_home_assistant_learns_another_display_name_while_it_runs(
    broker: Mosquitto, listen: Listen, publish: Publish
) -> None:
    names: dict[str, str] = {}
    listener = listen(broker, "#")
    publisher = connected(publish, Mqtt(port=broker.port), names=lambda: dict(names))
    config = CONFIG.replace("/config", "/camera_porch/config")

    def shown() -> list[str]:
        return [one.json["dev"]["name"] for one in listener.of(config)]

    until(lambda: shown() == ["front porch"])
    names["porch"] = "Front door"
    until(lambda: shown() == ["front porch", "Front door"])
    publisher.publish(an_event(1))
    until(lambda: listener.of(EVENT))
    assert listener.of(EVENT)[0].json["camera"] == "porch"
    # Nothing else has the name, and it is not announced again.
    assert {one.topic for one in listener.heard if b"Front door" in one.payload} == {config}
    assert shown() == ["front porch", "Front door"]


def test_how_long_the_broker_takes_for_an_event_is_measured(broker: Mosquitto, publish: Publish) -> None:
    took: list[float] = []
    publisher = connected(publish, Mqtt(port=broker.port), answered=took.append)
    publisher.publish(an_event(1))
    publisher.publish(an_event(2, age=LIFETIME), late=True)
    until(lambda: publisher.counters()["said"] == 1 and publisher.counters()["late"] == 1)
    assert len(took) == 1
    assert 0 < took[0] < 10


def test_an_event_arrives_once_in_milliseconds_and_is_marked_published(
    broker: Mosquitto, listen: Listen, publish: Publish, journal: Journal
) -> None:
    listener = listen(broker, "edgeface/#")
    publisher = connected(publish, Mqtt(port=broker.port))
    took: list[float] = []
    with Slack() as slack:
        for seq in range(20):
            event = an_event(seq)
            publisher.publish(event)
            until(lambda: len(listener.of(EVENT)) == len(took) + 1)
            took.append(listener.of(EVENT)[-1].at - event.monotonic)
    assert seqs(listener, EVENT) == list(range(20))
    assert sorted(took)[18] < 0.1 + slack.late
    until(lambda: counts(journal) == (20, 0))
    assert publisher.counters()["said"] == 20
    assert listener.of(EVENT)[0].expiry in {1, 2}
    assert listener.of(EVENT)[0].json["sent_at"] is not None
    assert not listener.of(AUDIT)


def test_the_state_of_an_earlier_run_is_read_before_ours_takes_its_place(
    broker: Mosquitto, listen: Listen, publish: Publish
) -> None:
    first: list[object] = []
    publisher = connected(publish, Mqtt(port=broker.port), recall=lambda known, by: first.append((known, by)))
    publisher.set(topics.STATE, {"generation": {"number": 7}})
    listener = listen(broker, "edgeface/front/state")
    until(lambda: [heard.json["generation"]["number"] for heard in listener.of("edgeface/front/state")] == [7])
    publisher.close()
    assert first == []
    second: list[object] = []
    again = publish(Mqtt(port=broker.port), recall=lambda known, by: second.append((known, by)))
    again.set(topics.STATE, {"generation": {"number": 8}})
    until(lambda: listener.of("edgeface/front/state")[-1].json["generation"]["number"] == 8)
    assert second == [({"number": 7}, "the broker")]


def test_a_burst_keeps_its_order(broker: Mosquitto, listen: Listen, publish: Publish) -> None:
    listener = listen(broker, EVENT)
    publisher = connected(publish, Mqtt(port=broker.port))
    for seq in range(200):
        publisher.publish(an_event(seq))
    until(lambda: len(listener.of(EVENT)) == 200)
    assert seqs(listener, EVENT) == list(range(200))


def test_more_than_the_inbox_holds_goes_to_the_audit_topic(broker: Mosquitto, listen: Listen, publish: Publish) -> None:
    listener = listen(broker, "edgeface/#")
    publisher = publish(Mqtt(port=broker.port))
    for seq in range(400):
        publisher.publish(an_event(seq))
    until(lambda: len(listener.of(EVENT)) + len(listener.of(AUDIT)) == 400)
    assert sorted(seqs(listener, EVENT) + seqs(listener, AUDIT)) == list(range(400))


def test_what_is_retained(broker: Mosquitto, listen: Listen, publish: Publish) -> None:
    publisher = connected(publish, Mqtt(port=broker.port), snapshots=True)
    live = listen(broker, "edgeface/#")
    publisher.set(topics.CAMERA_STATUS.at(camera="porch"), "online")
    publisher.set(topics.PEOPLE.at(camera="porch"), names_in_view(["Alice", "Bob, the\nbuilder"]))
    publisher.set(topics.STATE, {"version": "1", "fps": float("nan")})
    publisher.publish(an_event(1), b"\xff\xd8jpeg")
    until(lambda: live.of("edgeface/front/porch/snapshot"))
    until(lambda: any(b"version" in payload for payload in live.payloads("edgeface/front/state")))
    late = listen(broker, "edgeface/#", "homeassistant/#")
    until(lambda: len(late.heard) >= 7)
    assert {heard.topic: heard.payload for heard in late.heard if "state" not in heard.topic} == {
        STATUS: b"online",
        "edgeface/front/porch/status": b"online",
        "edgeface/front/porch/people": b"Alice, Bob the builder",
        **{topic: late.payloads(topic)[0] for topic in (CONFIG, CONFIG.replace("/config", "/camera_porch/config"))},
    }
    assert late.payloads("edgeface/front/porch/enabled/state") == [b"ON"]
    state = late.of("edgeface/front/state")[0].json
    assert state["version"] == "1"
    assert state["fps"] is None
    assert state["mqtt"]["problem"] is None
    assert all(heard.retained for heard in late.heard)
    assert live.of(EVENT)[0].json["snapshot"] == "edgeface/front/porch/snapshot"
    assert live.payloads("edgeface/front/porch/snapshot") == [b"\xff\xd8jpeg"]


def test_the_picture_comes_before_its_event_and_names_it(broker: Mosquitto, listen: Listen, publish: Publish) -> None:
    publisher = connected(publish, Mqtt(port=broker.port), snapshots=True)
    live = listen(broker, EVENT, "edgeface/front/porch/snapshot")
    for number in range(1, 21):
        publisher.publish(an_event(number), b"\xff\xd8%d" % number)
    until(lambda: len(live.heard) == 40)
    for picture, event in zip(live.heard[::2], live.heard[1::2], strict=True):
        assert picture.topic == "edgeface/front/porch/snapshot"
        assert picture.about == {"event": event.json["id"]}
        assert picture.payload == b"\xff\xd8%d" % event.json["seq"]


def test_nobody_is_in_view_at_the_start(broker: Mosquitto, listen: Listen, publish: Publish) -> None:
    people = "edgeface/front/porch/people"
    listener = listen(broker, people)
    listener.publish(people, "Alice", retain=True)
    connected(publish, Mqtt(port=broker.port))
    until(lambda: listener.payloads(people) == [b"Alice", b"nobody"])


def test_the_state_is_not_published_before_there_is_one(broker: Mosquitto, listen: Listen, publish: Publish) -> None:
    listener = listen(broker, "edgeface/front/#")
    publisher = connected(publish, Mqtt(port=broker.port))
    until(lambda: listener.payloads("edgeface/front/porch/people"))
    publisher.set(topics.STATE, {"version": "1"})
    until(lambda: listener.of("edgeface/front/state"))
    assert [heard.json["version"] for heard in listener.of("edgeface/front/state")] == ["1"]


def test_the_state_at_the_end_is_published_however_soon_it_comes(
    broker: Mosquitto, listen: Listen, publish: Publish
) -> None:
    listener = listen(broker, "edgeface/front/state")
    publisher = connected(publish, Mqtt(port=broker.port))
    publisher.set(topics.STATE, {"version": "1"})
    until(lambda: listener.of("edgeface/front/state"))
    publisher.set(topics.STATE, {"version": "2"})
    publisher.close()
    until(lambda: [heard.json["version"] for heard in listener.heard][-1:] == ["2"])


def test_closing_says_what_waits_and_offline(broker: Mosquitto, listen: Listen, publish: Publish) -> None:
    listener = listen(broker, STATUS, EVENT)
    publisher = connected(publish, Mqtt(port=broker.port))
    publisher.publish(an_event(1, type="left"))
    publisher.close()
    until(lambda: listener.payloads(STATUS)[-1:] == [b"offline"])
    assert [heard.topic for heard in listener.heard][-2:] == [EVENT, STATUS]


CHILD = """
import sys
from pathlib import Path
from edgeface.core.clock import SystemClock
from edgeface.journal.journal import Journal
from edgeface.mqtt.mqtt_publisher import MqttPublisher as Publisher
from edgeface.mqtt.settings import Mqtt
publisher = Publisher(Mqtt(port=int(sys.argv[1])), "front", SystemClock(), Journal(Path(sys.argv[2])),
                      on_enabled=lambda camera, on: None)
publisher.start()
sys.stdin.read()
"""


def test_a_killed_daemon_is_offline_by_its_will(broker: Mosquitto, listen: Listen, tmp_path: Path, python: str) -> None:
    listener = listen(broker, STATUS)
    with subprocess.Popen(
        [python, "-c", CHILD, str(broker.port), str(tmp_path / "child.db")], stdin=subprocess.PIPE
    ) as child:
        until(lambda: listener.payloads(STATUS) == [b"online"], 10)
        child.kill()
    until(lambda: listener.payloads(STATUS) == [b"online", b"offline"])


def test_a_switch_is_obeyed_and_nothing_else_is(broker: Mosquitto, listen: Listen, publish: Publish) -> None:
    switched: list[tuple[str, bool]] = []
    listener = listen(broker, "edgeface/front/porch/enabled/state")
    listener.publish("edgeface/front/porch/enabled/set", "OFF", retain=True)
    publisher = connected(publish, Mqtt(port=broker.port), on_enabled=lambda camera, on: switched.append((camera, on)))
    state = "edgeface/front/porch/enabled/state"
    until(lambda: listener.payloads(state) == [b"ON"])
    for payload in ("off", "", "ON ", "0", "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16")):
        listener.publish("edgeface/front/porch/enabled/set", payload)
    listener.publish("edgeface/front/attic/enabled/set", "OFF")
    listener.publish("edgeface/front/porch/enabled/set", "OFF")
    until(lambda: listener.payloads(state) == [b"ON", b"OFF"])
    assert switched == [("porch", False)]
    assert publisher.counters()["ignored"] == 5


def test_a_command_sent_while_we_are_away_is_obeyed_on_return(
    make_broker: MakeBroker, listen: Listen, publish: Publish, journal: Journal
) -> None:
    broker = make_broker()
    first = MqttPublisher(
        Mqtt(port=broker.port), "front", CLOCK, journal, on_enabled=lambda *_: None, cameras=("porch",)
    )
    first.start()
    until(lambda: first.connected)
    first.close()
    listen(broker, STATUS).publish("edgeface/front/porch/enabled/set", "OFF")
    switched: list[bool] = []
    publish(Mqtt(port=broker.port), on_enabled=lambda _camera, on: switched.append(on))
    until(lambda: switched == [False])


def test_discovery_is_published_again_when_home_assistant_starts(
    broker: Mosquitto, listen: Listen, publish: Publish
) -> None:
    config = CONFIG
    listener = listen(broker, config)
    connected(publish, Mqtt(port=broker.port))
    until(lambda: len(listener.of(config)) == 1)
    listener.publish("homeassistant/status", "online")
    until(lambda: len(listener.of(config)) == 2)
    assert listener.payloads(config)[0] == listener.payloads(config)[1]


def test_300_starts_of_home_assistant_bring_a_few_discovery_messages(
    broker: Mosquitto, listen: Listen, publish: Publish
) -> None:
    config = CONFIG
    listener = listen(broker, config)
    publisher = connected(publish, Mqtt(port=broker.port))
    until(lambda: len(listener.of(config)) == 1)
    for _ in range(300):
        listener.client.publish("homeassistant/status", "online", qos=1).wait_for_publish(30)
        time.sleep(0.005)
    until(lambda: len(listener.of(config)) == 2)
    time.sleep(outgoing.REPUBLISH_DELAY + 0.7)
    assert len(listener.of(config)) == 2, "the next one comes half a minute later"
    assert publisher.connected


def test_a_switch_with_the_retain_flag_is_ignored_by_a_daemon_that_is_connected(
    broker: Mosquitto, listen: Listen, publish: Publish
) -> None:
    switched: list[bool] = []
    sender = listen(broker, "edgeface/front/state")
    publisher = connected(publish, Mqtt(port=broker.port), on_enabled=lambda _, on: switched.append(on))
    # The broker takes what it is sent in order: once it has the state, the subscriptions are active.
    publisher.set(topics.STATE, {"version": "1"})
    until(lambda: sender.heard)
    topic = "edgeface/front/porch/enabled/set"
    sender.client.publish(topic, "OFF", qos=1, retain=True).wait_for_publish(30)
    until(lambda: publisher.counters()["ignored"] == 1)
    sender.client.publish(topic, "OFF", qos=1).wait_for_publish(30)
    until(lambda: switched == [False])
    assert publisher.counters()["ignored"] == 1


def test_a_late_event_is_history(broker: Mosquitto, listen: Listen, publish: Publish, journal: Journal) -> None:
    listener = listen(broker, EVENT, AUDIT)
    publisher = connected(publish, Mqtt(port=broker.port))
    publisher.publish(an_event(1, age=SEND_WITHIN + 0.1))
    publisher.publish(an_event(2))
    until(lambda: seqs(listener, AUDIT) == [1] and seqs(listener, EVENT) == [2])
    assert listener.of(AUDIT)[0].json["late"] is True
    until(lambda: counts(journal) == (2, 0))
    assert publisher.counters()["missed"] == 1


def test_a_row_of_another_process_is_published(
    broker: Mosquitto, listen: Listen, publish: Publish, tmp_path: Path
) -> None:
    listener = listen(broker, AUDIT)
    connected(publish, Mqtt(port=broker.port))
    other = Journal(tmp_path / "journal.db")
    assert other.record("enrolled", 1_800_000_000.0, {"person": "alice", "photos": 3})
    until(lambda: listener.of(AUDIT), 3)
    said = listener.of(AUDIT)[0].json
    assert {key: said[key] for key in ("event_type", "person", "photos", "device", "late")} == {
        "event_type": "enrolled",
        "person": "alice",
        "photos": 3,
        "device": "front",
        "late": False,
    }
    assert said["at"] == "2027-01-15T08:00:00.000Z"
    until(lambda: counts(other) == (1, 0))
    other.close()


def test_a_denial_is_noticed_and_the_event_goes_to_the_audit_topic(
    make_broker: MakeBroker, listen: Listen, publish: Publish, tmp_path: Path
) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic read #\ntopic readwrite edgeface/front/audit\ntopic readwrite edgeface/front/state\n")
    broker = make_broker("allow_anonymous true", f"acl_file {acl}")
    listener = listen(broker, "edgeface/#")
    publisher = connected(publish, Mqtt(port=broker.port))
    publisher.set(topics.STATE, {"version": "1"})
    publisher.publish(an_event(1))
    until(lambda: seqs(listener, AUDIT) == [1])
    assert publisher.counters()["refused"] >= 2
    assert publisher.problem is not None
    assert "Not authorized" in publisher.problem
    until(
        lambda: any("denies" in (heard.json["mqtt"]["problem"] or "") for heard in listener.of("edgeface/front/state"))
    )
    assert not listener.of(EVENT)


def test_a_denied_audit_topic_keeps_the_rows(
    make_broker: MakeBroker, publish: Publish, journal: Journal, tmp_path: Path
) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic read #\n")
    publisher = connected(publish, Mqtt(port=make_broker("allow_anonymous true", f"acl_file {acl}").port))
    publisher.publish(an_event(1))
    until(lambda: "audit" in (publisher.problem or ""))
    refused = publisher.counters()["refused"]
    time.sleep(1.2)
    assert publisher.counters()["refused"] == refused
    assert counts(journal) == (1, 1)


@pytest.fixture
def passwords(tmp_path: Path) -> Path:
    file = tmp_path / "passwords"
    file.touch(mode=0o600)
    program = shutil.which("mosquitto_passwd") or "mosquitto_passwd"
    subprocess.run([program, "-b", str(file), "front", "right-secret"], check=True, capture_output=True)
    return file


def test_passwords(
    make_broker: MakeBroker,
    publish: Publish,
    passwords: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    broker = make_broker("allow_anonymous false", f"password_file {passwords}")
    secret = tmp_path / "secret"
    secret.write_text("wrong-secret\n")
    secret.chmod(0o600)
    publisher = publish(Mqtt(port=broker.port, username="front", password_file=secret))
    until(lambda: publisher.counters()["failures"] == 1)
    assert "rejects the connection" in (publisher.problem or "")
    assert not publisher.connected
    secret.write_text("right-secret\nsecond line\n")
    until(lambda: publisher.connected)
    assert publisher.problem is None
    texts = caplog.text + repr(publisher) + json.dumps(publisher.counters())
    assert "secret" not in texts.replace(str(secret), "")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments: str) -> None:
        subprocess.run([shutil.which("openssl") or "openssl", *arguments], cwd=folder, check=True, capture_output=True)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    for ca in ("ca", "other"):
        openssl("req", "-x509", *curve, "-keyout", f"{ca}.key", "-out", f"{ca}.pem", "-subj", f"/CN={ca}")
    for name, alternative in (("right", "IP:127.0.0.1"), ("elsewhere", "DNS:broker.example")):
        openssl("req", *curve, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (folder / "extension").write_text(f"subjectAltName={alternative}\n")
        signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "extension")
        openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signing)
    return folder


def tls_options(folder: Path, name: str, *, client: bool = False) -> list[str]:
    return [
        "allow_anonymous true",
        f"cafile {folder / 'ca.pem'}",
        f"certfile {folder / name}.pem",
        f"keyfile {folder / name}.key",
        f"require_certificate {'true' if client else 'false'}",
    ]


def test_tls(make_broker: MakeBroker, listen: Listen, publish: Publish, certificates: Path) -> None:
    broker = make_broker(*tls_options(certificates, "right", client=True))
    ours = Tls(ca=certificates / "ca.pem", certificate=certificates / "right.pem", key=certificates / "right.key")
    # Not create_default_context: from Python 3.13 on that refuses a CA without key usage, as mosquitto-tls(7) makes it.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(certificates / "ca.pem")
    context.load_cert_chain(certificates / "right.pem", certificates / "right.key")
    listener = listen(broker, EVENT, tls=context)
    publisher = connected(publish, Mqtt(port=broker.port, tls=ours))
    for seq in range(50):
        publisher.publish(an_event(seq))
    until(lambda: seqs(listener, EVENT) == list(range(50)))


@pytest.mark.parametrize(
    ("server", "ca", "says"),
    [
        ("right", "other", "not trusted"),
        ("elsewhere", "ca", "IP address mismatch"),
        ("right", None, "not trusted"),
        ("right", "missing", "mqtt.tls: cannot use"),
    ],
)
def test_tls_with_the_wrong_broker(
    make_broker: MakeBroker, publish: Publish, certificates: Path, server: str, ca: str | None, says: str
) -> None:
    broker = make_broker(*tls_options(certificates, server))
    tls = Tls(ca=None if ca is None else certificates / f"{ca}.pem")
    publisher = publish(Mqtt(port=broker.port, tls=tls))
    until(lambda: publisher.problem is not None)
    assert says in (publisher.problem or "")
    assert "edgeface-front" not in broker.log


@pytest.mark.parametrize("host", ["192.168.1.5", "broker.local", "::2", "128.0.0.1"])
def test_plaintext_to_another_machine_is_refused(journal: Journal, host: str) -> None:
    settings = Mqtt.model_construct(**{**Mqtt().model_dump(), "host": host})
    with pytest.raises(ConfigError, match="plaintext"):
        MqttPublisher(settings, "front", CLOCK, journal, on_enabled=lambda *_: None)


@pytest.mark.parametrize(
    "rude",
    [b"", b"\x20\x03\x00\x00", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x20\x06\x00\x00\x03\xff\xff\xff", b"\xf0" * 64],
)
def test_what_is_no_broker_is_a_problem_and_not_an_end(publish: Publish, rude: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with server.accept()[0] as peer:
                peer.recv(4096)
                peer.sendall(rude)

        thread = threading.Thread(target=answer)
        thread.start()
        publisher = publish(Mqtt(port=server.getsockname()[1]))
        until(lambda: publisher.counters()["failures"] == 1)
        thread.join()
    assert (publisher.problem or "").startswith("the broker 127.0.0.1")


@pytest.mark.slow(seconds=5)
def test_nothing_is_lost_or_late_when_the_broker_is_killed_and_comes_back(
    broker: Mosquitto, listen: Listen, publish: Publish, journal: Journal
) -> None:
    publisher = connected(publish, Mqtt(port=broker.port, keepalive=2))
    publisher.set(topics.CAMERA_STATUS.at(camera="porch"), "online")
    listener = listen(broker, "edgeface/#")
    said: dict[int, float] = {}
    ends = time.monotonic() + 4.5
    seq, down, up = 0, False, False
    while time.monotonic() < ends:
        publisher.publish(an_event(seq))
        said[seq] = time.monotonic()
        seq += 1
        left = ends - time.monotonic()
        if left < 4 and not down:
            down = True
            broker.kill()
        if left < 1.3 and not up:
            up = True
            broker.start()
        time.sleep(0.05)
    until(lambda: publisher.connected and counts(journal)[1] == 0, 10)
    other = listen(broker, "edgeface/front/porch/status")
    until(lambda: other.payloads("edgeface/front/porch/status") == [b"online"])
    no_late_match(listener, said)
    assert publisher.counters()["reconnects"] == 1
    assert publisher.counters()["said"] + publisher.counters()["late"] == seq
    assert publisher.counters()["lost"] == 0
    late = [heard.json for heard in listener.of(AUDIT)]
    assert all(event["late"] for event in late)
    assert [event["seq"] for event in late] == sorted(event["seq"] for event in late)


def test_a_stalled_broker_passes_on_no_late_match(
    broker: Mosquitto, listen: Listen, publish: Publish, journal: Journal
) -> None:
    publisher = connected(publish, Mqtt(port=broker.port))
    listener = listen(broker, EVENT, AUDIT)
    said: dict[int, float] = {}

    def send(seq: int) -> None:
        said[seq] = time.monotonic()
        publisher.publish(an_event(seq))

    for seq in range(5):
        send(seq)
    until(lambda: counts(journal) == (5, 0))
    time.sleep(0.2)
    broker.pause()
    with Slack() as slack:
        for seq in range(5, 10):
            send(seq)
        hand_off = time.monotonic() - said[5]
    until(lambda: publisher.counters()["missed"] == 5, 5)
    send(10)
    time.sleep(1.5)
    broker.resume()
    until(lambda: counts(journal) == (11, 0), 15)
    until(lambda: len(seqs(listener, EVENT)) + len(seqs(listener, AUDIT)) == 11)
    assert hand_off < 0.05 + slack.late
    assert set(range(5)) <= set(seqs(listener, EVENT)) <= {0, 1, 2, 3, 4, 10}
    assert set(range(5, 10)) <= set(seqs(listener, AUDIT))
    no_late_match(listener, said)
    assert publisher.counters()["reconnects"] == 1


def test_a_slow_disk_delays_no_event(
    broker: Mosquitto, listen: Listen, publish: Publish, journal: Journal, tmp_path: Path
) -> None:
    listener = listen(broker, EVENT)
    publisher = connected(publish, Mqtt(port=broker.port))
    connection = sqlite3.connect(tmp_path / "journal.db")
    connection.execute("BEGIN IMMEDIATE")
    with Slack() as slack:
        started = time.monotonic()
        for seq in range(20):
            publisher.publish(an_event(seq))
        took = time.monotonic() - started
    assert took < 0.05 + slack.late
    until(lambda: len(listener.of(EVENT)) == 20, 1)
    assert publisher.counters()["waiting_for_disk"] == 20
    connection.rollback()
    connection.close()
    until(lambda: counts(journal) == (20, 0), 8)


def test_two_daemons_of_one_name_are_reported(broker: Mosquitto, publish: Publish, tmp_path: Path) -> None:
    first = connected(publish, Mqtt(port=broker.port))
    journal = Journal(tmp_path / "second.db")
    second = MqttPublisher(Mqtt(port=broker.port), "front", CLOCK, journal, on_enabled=lambda *_: None)
    second.start()
    until(lambda: first.counters()["failures"] == 1)
    assert "another client is called edgeface-front" in (first.problem or "")
    second.close()
    journal.close()


def test_say_after_close_is_written_down_or_counted(broker: Mosquitto, publish: Publish) -> None:
    publisher = connected(publish, Mqtt(port=broker.port))
    publisher.close()
    publisher.publish(replace(an_event(1), name="x"))
    assert publisher.counters()["queue"] == 1
