"""The files of packages/compose, without an engine; `make compose-test` runs them."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "packages" / "compose"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"]


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
    written = re.findall(r"^cp /secrets/(\S+) /metrics/$", setup, re.MULTILINE) + re.findall(
        r">/metrics/(\S+)$", setup, re.MULTILINE
    )
    assert sorted(re.findall(rf"{folder}/([\w.]+)", text)) == sorted(written) == ["ca.pem", "edgeface.token"]


def test_the_script_is_posix_shell() -> None:
    subprocess.run(["/bin/sh", "-n", COMPOSE / "setup"], check=True, timeout=20)
