"""How something is added to edgeface, wherever it is installed."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from edgeface.core.installed import place as places
from edgeface.core.installed.parts import PARTS, missing_part
from edgeface.core.installed.place import Place, add_part, place, repair

ROOT = Path(__file__).parents[2]
MODULES = {
    "psycopg[binary,pool]": "psycopg psycopg_pool",
    "python-multipart": "python_multipart",
    "pyserial": "serial",
    "adafruit-circuitpython-pn532": "adafruit_pn532",
}
TEXTS = [
    *sorted((ROOT / "edgeface").rglob("*.py")),
    *sorted((ROOT / "edgeface").rglob("*.json")),
    *sorted((ROOT / "edgeface").rglob("*.html")),
    *sorted((ROOT / "docs").glob("*.*")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "config.yaml")),
    *sorted(path for path in (ROOT / "tools" / "install").rglob("*") if path.is_file()),
]


def test_every_part_has_the_modules_of_its_extra() -> None:
    tomllib = pytest.importorskip("tomllib", reason="Python 3.11")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {name: found for name, found in project["optional-dependencies"].items() if name not in {"test", "dev"}}

    def modules(extra: str) -> list[str]:
        found = []
        for name in (re.split(r"[<>=!]", one)[0] for one in extras[extra]):
            if name.startswith("edgeface["):
                found += [module for other in name[9:-1].split(",") for module in modules(other)]
            else:
                found += MODULES.get(name, name.replace("-", "_")).split()
        return sorted(found)

    assert {extra: modules(extra) for extra in extras} == {extra: sorted(given) for extra, given in PARTS.items()}


def test_a_part_that_is_missing_is_named_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing_part("web", "web") is None
    monkeypatch.setitem(sys.modules, "jinja2", None)
    missing = missing_part("web", "web")
    assert missing is not None
    assert str(missing) == f"web: jinja2 is not installed: {add_part('web')}"


def test_here_it_is_a_checkout() -> None:
    assert place() == Place("checkout", ROOT)
    assert shlex.split(add_part("notify")) == [sys.executable, "-m", "pip", "install", "-e", f"{ROOT}[notify]"]
    assert shlex.split(repair("numpy<2")) == [sys.executable, "-m", "pip", "install", "numpy<2"]


def test_a_release_is_installed_again_from_where_it_came_and_a_package_is_built_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "SERVICE", tmp_path)
    release = tmp_path / "releases" / "20261130-100000"
    release.mkdir(parents=True)
    packages = release / "lib" / "python3" / "site-packages" / "edgeface"
    assert place(packages, release) == Place("release", None)
    assert add_part("notify", place(packages, release)) == "sudo make install EXTRAS=notify, in a checkout of edgeface"
    (release / "source").write_text(f"{ROOT}\n")
    assert add_part("notify", place(packages, release)) == f"sudo make -C {ROOT} install EXTRAS=notify"
    packaged = place(tmp_path / "lib" / "edgeface", Path("/usr"))
    assert packaged == Place("package", None)
    assert "make deb EXTRAS=mediapipe" in add_part("mediapipe", packaged)
    assert "pip" not in repair("numpy<2", here=packaged) + repair("numpy<2", here=place(packages, release))


def test_a_folder_with_spaces_is_quoted() -> None:
    elsewhere = Place("environment", Path("/home/me/my door"))
    assert shlex.split(add_part("web", elsewhere))[-1] == "/home/me/my door[web]"


def test_nothing_says_to_install_a_package_that_no_index_has() -> None:
    command = re.compile(r"pip3? install[^\n]*(?<![./\w{])'?edgeface(?:\[|\b)(?![/_-])")
    found = {str(path.relative_to(ROOT)): command.findall(path.read_text(encoding="utf-8")) for path in TEXTS}
    assert {name: commands for name, commands in found.items() if commands} == {}
