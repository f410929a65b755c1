"""A PIN that a door has sealed, over a real broker, and a face before the pipeline: one grant, and no other way."""

import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeface.access.factor_messages import PinFactor, SealingKey, ShownFactor, seal_factor
from edgeface.access.policy import AccessPolicy, Door
from edgeface.access.second_factor import SecondFactors
from edgeface.core.clock import SystemClock
from edgeface.core.types import Embedding, ExpectedPerson
from edgeface.demo.mosquitto import Mosquitto
from edgeface.faces.calibration import CalibrationTable
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import Template
from edgeface.gallery.unknowns import Unknowns
from edgeface.journal.journal import Journal
from edgeface.mqtt import topics
from edgeface.mqtt.mqtt_publisher import MqttPublisher
from edgeface.mqtt.settings import Mqtt
from edgeface.recognition.limits import camera_limits, with_limits
from edgeface.recognition.pipeline import Pipeline, PipelineRules
from edgeface.recognition.settings import Recognition, UnknownSettings
from edgeface.security import signing_keys
from edgeface.security.sealing_keys import SEALING, SealingKeys
from edgeface.security.vault import open_vault
from tests.access.test_second_factor import DURESS, MODEL, PIN, RIGHT, WRONG
from tests.support.broker import Listener, until
from tests.support.scripted import FPS, Look, ScriptedFaces, analyzer, play
from tests.support.unknowns import fixed

CLOCK = SystemClock()
ROOT = "edgeface/doors/front"
TABLE = CalibrationTable.shipped()
Listen = Callable[..., Listener]


def towards(n: int, cosine: float, seed: int) -> Embedding:
    across = np.random.default_rng(seed).standard_normal(192)
    across[n] = 0.0
    face = np.sqrt(1 - cosine**2) * across / np.linalg.norm(across)
    face[n] = cosine
    return np.asarray(face, np.float32)


@dataclass
class Device:
    """A device with one door that requires a PIN, from the pipeline to the broker."""

    publisher: MqttPublisher
    pipeline: Pipeline
    faces: ScriptedFaces
    key: SealingKey
    listener: Listener
    expected: list[ExpectedPerson] = field(default_factory=list)

    def challenge(self) -> str:
        nonce = secrets.token_urlsafe(18)
        self.listener.publish(f"{ROOT}/challenge", json.dumps({"nonce": nonce, "boot": "d00r", "reads": [1, 2]}))
        return nonce

    def show(self, factor: ShownFactor, nonce: str | None = None) -> bytes:
        payload = seal_factor(factor, self.key, "front", nonce or self.challenge())
        self.listener.publish(f"{ROOT}/factor", payload.decode())
        return payload

    def stand(self, person: int, frames: int = 12) -> None:
        """Have a face before the camera for so many frames."""
        time.sleep(frames / FPS)
        looks = [Look(towards(person, 0.8, n)) for n in range(frames)]
        for result in play(self.pipeline, self.faces, looks, start=CLOCK.monotonic() - frames / FPS):
            while self.expected:
                self.pipeline.expect(self.expected.pop(0))
            for claim in result.claims:
                self.publisher.claim(claim)

    def grants(self) -> list[dict[str, Any]]:
        return [json.loads(one.json["payload"]) for one in self.listener.of(f"{ROOT}/grant")]

    def factors(self) -> dict[str, Any]:
        facts: dict[str, Any] = self.publisher.facts()["doors"].get("front", {}).get("factors", {})
        return facts


@pytest.fixture
def device(tmp_path: Path, broker: Mosquitto, listen: Listen) -> Iterator[Device]:
    vault = open_vault(tmp_path)
    signing_keys.write(tmp_path, signing_keys.new((), "first", vault, 0.0))
    (record,) = signing_keys.new((), "seal-1", vault, 0.0, SEALING)
    signing_keys.write(tmp_path, [record], SEALING)
    with closing(Gallery.open(tmp_path, MODEL)) as gallery:
        for n, person in enumerate(("alice", "bob")):
            gallery.enroll(person, None, [Template(towards(n, 1.0, 1), MODEL, "photo", 1.0)], 1.0)
        gallery.set_pin("alice", "1042", PIN, 1.0)
        view = gallery.snapshot()
    door = Door.model_validate({"camera": "porch", "allow": [{"person": "alice"}], "factor": "pin", "cooldown": 0})
    policy = with_limits(AccessPolicy({"front": door}), TABLE, view)
    accept, cameras = camera_limits(policy, {}, "normal", TABLE, view)
    faces, expected = ScriptedFaces(), list[ExpectedPerson]()
    rules = PipelineRules("front", "b007", Recognition(), UnknownSettings())
    pipeline = Pipeline(rules, analyzer(faces), Unknowns("b007", fixed(accept.same)), view, accept, cameras)
    listener = listen(broker, "edgeface/#")
    with closing(Journal(tmp_path / "journal.db")) as journal:
        publisher = MqttPublisher(
            Mqtt(port=broker.port),
            "front",
            CLOCK,
            journal,
            on_enabled=lambda _camera, _on: None,
            cameras=("porch",),
            boot="b007",
            policy=lambda: policy,
            signer=signing_keys.Signer(tmp_path, vault, CLOCK),
            keys=SealingKeys(tmp_path, vault, CLOCK),
            factors=SecondFactors(lambda: Gallery.open(tmp_path, MODEL), CLOCK),
            expect=expected.append,
        )
        publisher.start()
        publisher.set(topics.STATE, {"version": "1"})
        until(lambda: publisher.connected and publisher.alive)
        time.sleep(0.2)
        key = SealingKey("front", record.kid, *signing_keys.public_keys([record]))
        yield Device(publisher, pipeline, faces, key, listener, expected)
        publisher.close()
        assert not publisher.alive


def audit(device: Device, kind: str) -> list[dict[str, Any]]:
    return [one.json for one in device.listener.of("edgeface/front/audit") if one.json["event_type"] == kind]


@pytest.mark.broker
def test_a_pin_and_the_face_open_and_neither_does_alone(device: Device) -> None:
    device.challenge()
    device.stand(0)
    until(lambda: audit(device, "refused"), 4)
    assert (audit(device, "refused")[0]["reason"], device.grants()) == ("factor", [])
    payload = device.show(RIGHT)
    until(lambda: device.expected)
    device.challenge()
    device.stand(1)
    time.sleep(0.3)
    assert device.grants() == [], "someone else stands before the camera"
    device.challenge()
    device.stand(0)
    until(device.grants)
    (grant,) = device.grants()
    assert (grant["v"], grant["person"], grant["level"], grant["factor"]) == (2, "alice", "high", "pin")
    until(lambda: audit(device, "granted"))
    # The same message again, and the face: the nonce is used up, and so is the factor.
    device.listener.publish(f"{ROOT}/factor", payload.decode())
    device.challenge()
    device.stand(0)
    time.sleep(0.3)
    assert len(device.grants()) == 1
    assert device.publisher.counters()["ignored"] == 1


@pytest.mark.broker
def test_what_is_wrong_is_in_the_audit_trail_and_in_the_state_and_nowhere_else(device: Device) -> None:
    device.show(WRONG)
    until(lambda: audit(device, "factor"))
    device.show(DURESS)
    until(lambda: audit(device, "duress"))
    device.show(PinFactor("7777", "4711"))
    until(lambda: len(audit(device, "factor")) == 2)
    first, second = audit(device, "factor")
    assert (first["door"], first["kind"], first["person"], first["reason"]) == ("front", "pin", "alice", "wrong")
    assert (second["person"], second["reason"]) == (None, "unknown")
    assert audit(device, "duress")[0]["person"] == "alice"
    until(lambda: device.factors() == {"right": 1, "refused": {"wrong": 1, "unknown": 1}}, 4)
    state = device.listener.of("edgeface/front/state")[-1].payload.decode()
    assert "duress" not in state
    said = b"".join(one.payload for one in device.listener.heard)
    assert not [pin for pin in (b"4711", b"8315", b"0815", b"1042", b"7777") if pin in said]
