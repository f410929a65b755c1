"""The files of packages/image and packages/compose, without an engine."""

from __future__ import annotations

import json
import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgeface.cli.parser import parser
from edgeface.core import systemd
from edgeface.core.installed.parts import PARTS

ROOT = Path(__file__).parents[2]
COMPOSE, IMAGE = ROOT / "packages" / "compose", ROOT / "packages" / "image"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"]
CONTAINERFILE = (IMAGE / "Containerfile").read_text()


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_narrow(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges"]
    assert "privileged" not in service
    # Only the one that runs once may change owners, and it has no network.
    assert ("cap_add" in service) == (name == "setup") == (service.get("network_mode") == "none")


def test_ports_are_published_on_this_machine_alone() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert len(ports) == 4
    assert all(re.fullmatch(r"\$\{[A-Z]+:-127\.0\.0\.1:\d+\}:\d+", port) for port in ports)


def test_what_is_mounted_from_the_checkout_exists() -> None:
    mounts = [volume.split(":")[0] for service in SERVICES.values() for volume in service["volumes"]]
    files = [mount for mount in mounts if mount.startswith(".")]
    assert len(files) >= 8
    assert [mount for mount in files if not (COMPOSE / mount).exists()] == []


def test_no_password_is_written_down() -> None:
    variables = [name for service in SERVICES.values() for name in service.get("environment", ())]
    secret = [name for name in variables if re.search("PASSWORD|SECRET|TOKEN|KEY", name)]
    assert secret == ["GF_SECURITY_ADMIN_PASSWORD__FILE"]
    made = re.findall(r"^ *password (\S+)", (COMPOSE / "setup").read_text(), re.MULTILINE)
    assert made == ["/secrets/admin.password", "/metrics/grafana.password"]


def test_grafana_finds_the_dashboard_and_prometheus() -> None:
    (provider,) = yaml.safe_load((COMPOSE / "grafana" / "dashboards.yaml").read_text())["providers"]
    mounted = [volume.split(":")[1] for volume in SERVICES["grafana"]["volumes"]]
    assert any(Path(target).parent == Path(provider["options"]["path"]) for target in mounted)
    (source,) = yaml.safe_load((COMPOSE / "grafana" / "datasources.yaml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    dashboard = json.loads((ROOT / "docs" / "grafana.json").read_text())
    (variable,) = (one for one in dashboard["templating"]["list"] if one["name"] == "datasource")
    assert variable["query"] == source["type"]


def test_prometheus_reads_what_the_first_start_writes() -> None:
    text = (COMPOSE / "prometheus.yml").read_text()
    folder = next(volume.split(":")[1] for volume in SERVICES["prometheus"]["volumes"] if volume.startswith("metrics:"))
    setup = (COMPOSE / "setup").read_text()
    for file in re.findall(rf"{folder}/([\w.]+)", text):
        assert file in setup


@pytest.mark.parametrize("script", [COMPOSE / "setup", IMAGE / "install"], ids=lambda path: path.name)
def test_the_scripts_are_posix_shell(script: Path) -> None:
    subprocess.run(["/bin/sh", "-n", script], check=True, timeout=20)


def test_the_image_is_run_by_a_user_and_asks_for_its_health() -> None:
    assert re.findall(r"^USER (\S+)$", CONTAINERFILE, re.MULTILINE) == ["900"]
    assert f"{systemd.HEALTH}=/dev/shm/" in CONTAINERFILE
    check = re.search(r"^HEALTHCHECK .* CMD (\[.*\])$", CONTAINERFILE, re.MULTILINE)
    assert check is not None
    program, *words = json.loads(check[1])
    assert program == "edgeface"
    assert callable(parser().parse_args(words).verb)


def test_the_parts_of_the_image_exist() -> None:
    found = re.search(r"extras=([\w,-]+)\$", (IMAGE / "install").read_text())
    assert found is not None
    assert set(found[1].split(",")) <= PARTS.keys()


def test_the_context_has_what_the_image_is_built_from() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    kept = [line[1:] for line in lines if line.startswith("!")]
    assert "*" in lines
    assert [name for name in kept if not (ROOT / name).exists()] == []
    needed = (
        "packages/release/lock-debian13.txt",
        "tools/install/platforms",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "edgeface",
        "models",
        "tools/install/prune",
        "packages/image/install",
    )
    assert [name for name in needed if not any(fnmatch(name, pattern) for pattern in kept)] == []
