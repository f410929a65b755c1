"""What differs in a container: the commands in texts, whose a volume is, and where parts come from."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from edgeface.core.installed import container, owner
from edgeface.core.installed import place as places
from edgeface.core.installed.container import engine, for_here
from edgeface.core.installed.place import Place, add_part, place, repair

if TYPE_CHECKING:
    from pathlib import Path

NOBODY = 65534


@pytest.fixture
def podman(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(container, "ROOT", tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".containerenv").touch()
    return tmp_path


def test_a_machine_is_not_a_container() -> None:
    assert engine() is None
    assert for_here("sudo edgeface doctor") == "sudo edgeface doctor"


@pytest.mark.parametrize(
    ("mark", "variable", "found"),
    [
        ("run/.containerenv", None, "podman"),
        (".dockerenv", None, "docker"),
        (None, "container", "podman"),
        (".dockerenv", "KUBERNETES_SERVICE_HOST", "kubectl"),
    ],
)
def test_each_engine_has_its_mark(
    mark: str | None, variable: str | None, found: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(container, "ROOT", tmp_path)
    if mark is not None:
        (tmp_path / mark).parent.mkdir(exist_ok=True)
        (tmp_path / mark).touch()
    if variable is not None:
        monkeypatch.setenv(variable, "oci")
    assert engine() == found


def test_where_systemd_is_booted_edgeface_is_a_service(podman: Path) -> None:
    assert engine() == "podman"
    (podman / "run" / "systemd" / "system").mkdir(parents=True)
    assert engine() is None


@pytest.mark.parametrize(
    ("text", "here"),
    [
        ("see `journalctl -u edgeface`", "see `podman logs CONTAINER`"),
        ("systemctl status edgeface shows it", "podman logs CONTAINER shows it"),
        ("after `systemctl restart edgeface`.", "after `podman restart CONTAINER`."),
        ("then systemctl reload edgeface", "then podman kill --signal HUP CONTAINER"),
        ("sudo edgeface doctor, or change data:", "podman exec CONTAINER edgeface doctor, or change data:"),
        ("systemctl status edgeface-door", "systemctl status edgeface-door"),
        (
            "GStreamer is missing: sudo apt install gir1.2-x-1.0 b, in a venv made with --system-site-packages",
            "GStreamer is missing: the image does not have it; docs/container.md",
        ),
    ],
)
@pytest.mark.usefixtures("podman")
def test_commands_for_the_service_become_those_of_the_engine(text: str, here: str) -> None:
    assert for_here(text) == here


def test_kubernetes_has_its_own_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert for_here("sudo edgeface doctor") == "kubectl exec POD -- edgeface doctor"
    assert for_here("systemctl restart edgeface") == "kubectl delete pod POD"


@pytest.mark.parametrize("inside", [True, False])
def test_the_owner_of_a_volume_is_named_with_the_command_that_helps(*, inside: bool) -> None:
    # As a user who does not own it, also where the tests run as root.
    code = f"if not os.geteuid(): os.setgid({NOBODY}), os.setuid({NOBODY})\n"
    code = f"import os; from pathlib import Path; from edgeface.core.installed import container, owner\n{code}"
    code += "container.ROOT = Path('/run'); os.environ.pop('container', None)\n"
    code += "os.environ.update(container='podman')\n" if inside else ""
    code += "print(owner.of_another(Path('/root'), os.W_OK))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    says = r"belongs to user 0, and edgeface runs as user (\d+): chown -R \1:\d+ what is mounted at /root; .*\n"
    assert re.fullmatch(says if inside else "None\n", done.stdout), done.stdout


def test_a_folder_that_can_be_used_or_is_missing_has_no_wrong_owner(tmp_path: Path) -> None:
    assert owner.of_another(tmp_path, os.W_OK) is None
    assert owner.of_another(tmp_path / "missing", os.W_OK) is None


def test_a_user_has_another_number_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(owner, "PROC", tmp_path)
    assert owner.outside(900, "uid_map") == 900
    (tmp_path / "uid_map").write_text("         0       1000          1\n         1     100000      65536\n")
    assert [owner.outside(user, "uid_map") for user in (0, 900, 70000)] == [1000, 100899, 70000]


def test_an_image_is_built_again_with_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As it lies in the image, whose folder is that of the Debian package, too.
    monkeypatch.setattr(places, "SERVICE", tmp_path)
    (tmp_path / "image").touch()
    found = place(tmp_path / "lib" / "python3" / "site-packages" / "edgeface", tmp_path)
    assert found == Place("image", None)
    assert add_part("heic", found).startswith("build the image with --build-arg EXTRAS=heic")
    assert repair("numpy<2", here=found) == "pull or build the image again"
