"""The package of the Home Assistant app, and the repository that is made of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
import yaml
from PIL import Image

from edgeface import __version__
from edgeface.cli.home_assistant_app.options import Options
from edgeface.config import loader
from edgeface.web.languages.catalogues import languages
from tools.home_assistant_app import repository

ROOT = Path(__file__).parents[2]
IMAGE, URL = "registry.example.org/edgeface-app", "https://example.org/edgeface"
CONFIG: dict[str, Any] = {**repository.app(), "version": "1.2.3", "image": IMAGE, "url": URL}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    repository.write(IMAGE, URL, tmp_path / "out")
    return tmp_path / "out"


def test_the_app_is_as_home_assistant_documents_it() -> None:
    assert repository.problems(CONFIG) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"hostnetwork": True}, "hostnetwork"),
        ({"slug": "edge face"}, "slug"),
        ({"arch": ["armv7"]}, "arch"),
        ({"map": ["share:rw"]}, "map"),
        ({"map": [{"type": "addon_config"}]}, "map"),
        ({"services": ["mqtt"]}, "services"),
        ({"schema": {"name": "text"}}, "schema"),
        ({"schema": {"name": [["str"]]}}, "schema"),
        ({"schema": {"name": "str(1,60)"}}, "schema"),
        ({"image": "Name:1.2"}, "image"),
        ({"url": "example.org"}, "url"),
        ({"privileged": ["SYS_ADMIN"]}, "privileged"),
        ({"full_access": True}, "full_access"),
        ({"host_network": True}, "host_network"),
        ({"panel_admin": True}, "panel_admin"),
        ({"watchdog": "http://[HOST]:[PORT:8099]/"}, "watchdog"),
    ],
)
def test_what_the_supervisor_refuses_or_warns_of_is_a_mistake(change: dict[str, Any], problem: str) -> None:
    assert any(problem in line for line in repository.problems({**CONFIG, **change}))


@pytest.mark.parametrize("key", ["name", "version", "slug", "description", "arch", "options", "schema"])
def test_what_is_required_is_required(key: str) -> None:
    assert repository.problems({name: value for name, value in CONFIG.items() if name != key})


def test_the_form_has_the_options_that_the_start_reads() -> None:
    schema = CONFIG["schema"]
    assert schema.keys() == Options.model_fields.keys()
    for name, field in Options.model_fields.items():
        if isinstance(schema[name], list):
            entry = get_args(_list_of(field.annotation))[0]
            assert schema[name][0].keys() == entry.model_fields.keys()
            for key, one in entry.model_fields.items():
                assert _choices(schema[name][0][key]) == _literals(one.annotation)
        else:
            assert _choices(schema[name]) == _literals(field.annotation)


def _list_of(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is not tuple else annotation


def _choices(element: str) -> set[str]:
    found = re.fullmatch(r"list\((.+)\)\??", element)
    return set(found[1].split("|")) if found else set()


def _literals(annotation: Any) -> set[str]:
    return {one for one in get_args(annotation) if isinstance(one, str)}


def test_defaults_are_those_of_the_start_and_optional_options_have_none() -> None:
    defaults = CONFIG["options"]
    made = Options.model_validate(defaults)
    assert made == Options()
    optional = {name for name, element in CONFIG["schema"].items() if str(element).endswith("?")}
    assert defaults.keys() == CONFIG["schema"].keys() - optional


def test_passwords_are_password_fields() -> None:
    assert CONFIG["schema"]["cameras"][0]["password"] == "password?"  # noqa: S105 - the type of an option
    assert CONFIG["schema"]["notifications"][0]["address"] == "password"


@pytest.mark.parametrize("language", sorted(languages()))
def test_every_option_has_a_name_in_every_language(language: str) -> None:
    found = repository.translation(language)["configuration"]
    assert found.keys() == CONFIG["schema"].keys()
    for name, element in CONFIG["schema"].items():
        assert found[name]["name"]
        assert found[name]["description"]
        fields = found[name].get("fields", {})
        assert fields.keys() == (element[0].keys() if isinstance(element, list) else set())
        assert all(field["name"] for field in fields.values())


def test_the_translations_are_in_the_languages_of_the_page() -> None:
    names = {path.stem for path in (repository.SOURCE / "edgeface" / "translations").iterdir()}
    assert names == set(languages())


def test_the_repository_has_all_that_home_assistant_shows(written: Path) -> None:
    config = yaml.safe_load((written / "edgeface" / "config.yaml").read_text())
    assert config == {**CONFIG, "version": config["version"]}
    assert config["version"] == __version__
    assert yaml.safe_load((written / "repository.yaml").read_text()) == {"name": "edgeface", "url": URL}
    assert [path.name for path in written.rglob("config.*")] == ["config.yaml"]
    for name in ("README.md", "DOCS.md", "CHANGELOG.md"):
        assert (written / "edgeface" / name).stat().st_size > 100
    with Image.open(written / "edgeface" / "icon.png") as icon:
        assert (icon.format, icon.size) == ("PNG", (128, 128))
    with Image.open(written / "edgeface" / "logo.png") as logo:
        assert (logo.format, logo.size) == ("PNG", (250, 100))


def test_what_was_there_before_is_removed(written: Path) -> None:
    (written / "old").mkdir()
    (written / "old" / "config.yaml").write_text("")
    repository.write(IMAGE, URL, written)
    assert not (written / "old").exists()


@pytest.mark.parametrize(("image", "url"), [("Bad Image:1", URL), (IMAGE, "x"), ("", "")])
def test_a_parameter_that_cannot_be_used_writes_nothing(tmp_path: Path, image: str, url: str) -> None:
    with pytest.raises(ValueError, match=r"image|url"):
        repository.write(image, url, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_source_has_no_config_yaml_that_the_supervisor_would_find() -> None:
    """It looks for one in every folder of a repository."""
    assert not list(repository.SOURCE.rglob("config.*"))


def test_the_documentation_has_every_option() -> None:
    listed = set(
        re.findall(r"^\| `([a-z_]+)` \|", (repository.SOURCE / "edgeface" / "DOCS.md").read_text(), re.MULTILINE)
    )
    assert listed == Options.model_fields.keys()


def test_the_example_of_a_config_by_hand_is_one() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", (repository.SOURCE / "edgeface" / "DOCS.md").read_text(), re.DOTALL)
    camera = "cameras: {porch: {type: rtsp, url: 'rtsp://10.0.0.2/'}}\n"
    found = loader.parse(f"{example}{camera}".encode(), "config.yaml")
    assert found.web is not None
    assert found.web.ingress.users == {"your-name": "admin"}
    assert found.data == Path("/data/edgeface")
