"""The repository of apps for Home Assistant, from packages/home_assistant_app, ready to be pushed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import yaml

from edgeface import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "packages" / "home_assistant_app"
OUT = ROOT / "build" / "home-assistant-app"
SCHEMA = Path(__file__).with_name("config.schema.json")
_COPIED = ("README.md", "DOCS.md", "icon.png", "logo.png", "translations")
"""What of the app is as in the source."""


def write(image: str, url: str, out: Path = OUT) -> list[Path]:
    """Write the repository in place of the folder `out`; returns its files.

    `image` has no tag: the Supervisor adds the version. Raises ValueError if `image` or `url` cannot be used.
    """
    config = {**app(), "version": __version__, "image": image, "url": url}
    if mistakes := problems(config):
        raise ValueError("; ".join(mistakes))
    shutil.rmtree(out, ignore_errors=True)
    folder = out / "edgeface"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(_yaml(config), encoding="utf-8")
    (out / "repository.yaml").write_text(_yaml({**_read("repository.yaml"), "url": url}), encoding="utf-8")
    shutil.copy(SOURCE / "README.md", out)
    shutil.copy(ROOT / "CHANGELOG.md", folder)
    for name in _COPIED:
        source = SOURCE / "edgeface" / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    return sorted(path for path in out.rglob("*") if path.is_file())


def app() -> dict[str, Any]:
    """The app's configuration without version, image and url."""
    return _read("edgeface/app.yaml")


def translation(language: str) -> dict[str, Any]:
    """The names of the options in a language."""
    return _read(f"edgeface/translations/{language}.yaml")


def problems(config: Mapping[str, Any]) -> list[str]:
    """What is wrong with the config.yaml of an app, by the documentation of Home Assistant."""
    validator = jsonschema_rs.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    return [
        f"{'.'.join(map(str, one.instance_path)) or 'config.yaml'}: {one.message}"
        for one in validator.iter_errors(config)
    ]


def _read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((SOURCE / name).read_text(encoding="utf-8"))
    return found


def _yaml(keys: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(keys), sort_keys=False, allow_unicode=True, width=120)
