"""A running device takes up another embedder without a restart, or keeps the one it has and says why."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from edgeface.cameras.mailbox import Mailbox
from edgeface.config import loader
from edgeface.config.active_model import activate, in_use
from edgeface.config.configuration import Configuration, Fleet
from edgeface.core.clock import SystemClock
from edgeface.core.errors import ConfigError
from edgeface.daemon.session import RecognitionSession
from edgeface.daemon.vision import Health, Vision
from edgeface.faces.embedder import embedder_name
from edgeface.faces.settings import EmbedderSettings
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import Template
from edgeface.journal.journal import Journal
from edgeface.mqtt.publisher import LogPublisher
from edgeface.web.context import Models
from tests.support.broker import until
from tests.support.embeddings import unit
from tests.support.other_model import other_model

if TYPE_CHECKING:
    from pathlib import Path

CENTRE = "https://centre.example:8444"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return other_model(tmp_path_factory.mktemp("models"))


def settings(data: Path, model: Path | None = None, *models: Path) -> Configuration:
    fleet = Fleet(centres=(CENTRE,), models=models)
    return Configuration.model_construct(data=data, cameras={}, embedder=EmbedderSettings(model=model), fleet=fleet)


def enroll(data: Path, model: str, *people: str) -> None:
    with closing(Gallery.open(data, model)) as gallery:
        for number, one in enumerate(people):
            gallery.enroll(one, one, [Template(unit(number), model, "photo", 1e9)], 1e9)


def test_vision_continues_with_another_embedder_or_with_the_one_it_has(tmp_path: Path, file: Path) -> None:
    data, broken, clock = tmp_path / "data", tmp_path / "broken.tflite", SystemClock()
    broken.write_bytes(b"no model")
    enroll(data, embedder_name(), "alice", "bob")
    enroll(data, embedder_name(file), "alice")
    mailbox, journal = Mailbox(), Journal(tmp_path / "journal.db", days=1, clock=clock)
    vision = Vision(
        lambda one, wall: RecognitionSession(one, "boot", wall), settings(data), mailbox, LogPublisher(journal, clock),
        Health(clock), clock,
    )  # fmt: skip
    with closing(journal):
        vision.start()
        assert vision.people == {"alice", "bob"}
        vision.configuration = settings(data, file)
        until(lambda: vision.people == {"alice"}, 10)
        assert embedder_name(file).partition(":")[0] in vision.models
        vision.configuration = settings(data, broken)
        until(lambda: any("the embedder stays as it is" in line for line in vision.problems), 10)
        assert vision.people == {"alice"}
        vision.configuration = settings(data)
        until(lambda: vision.people == {"alice", "bob"} and not vision.problems, 10)
        mailbox.close()
        vision.join()
    assert vision.error is None


def test_the_pages_embed_with_the_embedder_of_the_configuration(tmp_path: Path, file: Path) -> None:
    models = Models()
    for wanted in (None, file, None):
        with models.analyzer(settings(tmp_path, wanted)) as analyzer:
            assert analyzer.embedder.name == embedder_name(wanted)


def test_only_a_listed_model_can_be_the_one_in_use(tmp_path: Path, file: Path) -> None:
    listed, other = settings(tmp_path, None, file), settings(tmp_path)
    assert in_use(listed).embedder.model is None
    activate(tmp_path, embedder_name(file))
    assert in_use(listed).embedder.model == file
    assert in_use(other) is other
    assert in_use(settings(tmp_path, None, tmp_path / "missing.tflite")).embedder.model is None
    activate(tmp_path, embedder_name())
    assert in_use(settings(tmp_path, file, file)).embedder.model is None
    (tmp_path / "embedder").write_bytes(b"\xff" * 1000)
    assert in_use(listed) is listed


def test_every_command_uses_the_model_that_the_device_was_changed_over_to(tmp_path: Path, file: Path) -> None:
    config = tmp_path / "config.yaml"
    cameras = "{porch: {type: replay, path: clip.mp4}}"
    config.write_text(f"data: {tmp_path}\ncameras: {cameras}\nfleet: {{centres: ['{CENTRE}'], models: [{file}]}}\n")
    assert loader.load(config).embedder.model is None
    activate(tmp_path, embedder_name(file))
    assert loader.load(config).embedder.model == file
    with config.open("a") as more:
        more.write(f"embedder: {{model: {tmp_path}/mine.tflite}}\n")
    with pytest.raises(ConfigError, match=r"fleet\.models: must name embedder\.model too"):
        loader.load(config)
