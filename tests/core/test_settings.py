from pydantic import Field

from edgeface.core.settings import Settings


class Base(Settings):
    width: int = 1
    """In pixels."""
    height: int = 1
    undocumented: int = 1


class Derived(Base):
    width: int = 2
    """In millimetres,
    as measured.
    """
    kind: int = Field(alias="type", default=3)
    """What it is."""


class Outer(Settings):
    inner: Derived = Derived()
    """The one inside."""
    many: tuple[Derived, ...] = ()
    "In any order."


def test_a_schema_describes_each_key_with_its_docstring() -> None:
    schema = Outer.model_json_schema()
    inside = schema["$defs"]["Derived"]["properties"]
    assert schema["properties"]["inner"]["description"] == "The one inside."
    assert schema["properties"]["many"]["description"] == "In any order."
    assert {name: one.get("description") for name, one in inside.items()} == {
        "width": "In millimetres,\nas measured.",
        "height": None,
        "undocumented": None,
        "type": "What it is.",
    }
    assert Base.model_json_schema()["properties"]["width"]["description"] == "In pixels."


def test_no_source_is_read_before_a_schema_is_asked_for() -> None:
    assert all(field.description is None for field in Outer.model_fields.values())
