"""The levels in force, and what more people end, where doors require a second factor."""

import shutil
from pathlib import Path

import pytest

from edgeface.cli import main
from edgeface.config import loader
from edgeface.config.configuration import Configuration
from edgeface.config.levels import effects, levels_in_force
from edgeface.faces.calibration import CalibrationTable, path_of
from edgeface.faces.tflite import EMBEDDER, FOLDER

YAML = """
cameras: {{porch: {{type: opencv, source: 0}}}}
mqtt: {{}}
groups: {{staff: [{people}], few: [p1, p2, p3]}}
doors:
  pin: {{camera: porch, factor: pin, allow: [{{group: staff}}]}}
  some: {{camera: porch, allow: [{{group: staff, factor: [pin, card]}}, {{group: few}}]}}
  face: {{camera: porch, allow: [{{group: staff}}]}}
"""
PEOPLE = [f"p{n}" for n in range(500)]


def configuration() -> Configuration:
    return loader.parse(YAML.format(people=", ".join(PEOPLE)).encode(), "config.yaml")


def test_only_those_who_pass_by_the_face_alone_count_for_a_door() -> None:
    table = CalibrationTable.shipped()
    found = {one.place: one for one in levels_in_force(configuration(), frozenset(PEOPLE))}
    assert (found["door pin"].people, found["door pin"].cosine) == (1, table.threshold("high", 1))
    assert (found["door some"].people, found["door some"].cosine) == (3, table.threshold("high", 3))
    assert (found["door face"].people, found["door face"].level) == (500, None)
    assert "a second factor" in str(found["door face"].problem)


def test_another_person_ends_no_level_of_a_door_with_a_factor() -> None:
    most = CalibrationTable.shipped().most("high")
    ended = effects(configuration(), frozenset(PEOPLE[:most]), frozenset(PEOPLE[most : most + 1])).ended
    assert [line for line in ended if "door" in line] == [line for line in ended if "door face" in line]
    assert ended


def test_everyone_counts_those_who_are_enrolled() -> None:
    yaml = YAML.format(people="p1").replace(
        "some: {camera: porch, allow: [", "all: {camera: porch, allow: [{group: everyone}, "
    )
    used = loader.parse(yaml.encode(), "config.yaml")
    most = CalibrationTable.shipped().most("high")
    found = {one.place: one for one in levels_in_force(used, frozenset(PEOPLE[:most]))}
    assert (found["door all"].people, found["door all"].level) == (most, "high")
    ended = effects(used, frozenset(PEOPLE[:most]), frozenset(PEOPLE[most : most + 1])).ended
    assert [line.split(",")[1].split(" can ")[0] for line in ended if "door" in line] == [" door all"]


def test_check_refuses_a_table_of_another_embedder_as_the_daemon_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped, own, config = FOLDER / EMBEDDER.file, tmp_path / "own.tflite", tmp_path / "config.yaml"
    shutil.copy(shipped, own)
    table = path_of(shipped).read_text().replace(EMBEDDER.sha256, "0" * 64)
    path_of(own).write_text(table)
    config.write_text(
        f"data: {tmp_path / 'data'}\nembedder: {{model: {own}}}\ncameras: {{porch: {{type: opencv, source: 0}}}}\n"
    )
    assert main.main(["check", "--config", str(config)]) == 78
    said = capsys.readouterr()
    assert said.out == ""
    assert "measured with the embedder '00000000'" in said.err
    assert said.err.count("\n") == 1
