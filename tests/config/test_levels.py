"""The levels in force, and what more people end, where doors require a second factor."""

from edgeface.config import loader
from edgeface.config.configuration import Configuration
from edgeface.config.levels import effects, levels_in_force
from edgeface.faces.calibration import CalibrationTable

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
