"""packages/kubernetes and the file for nginx, as far as text can show: they fit the service, and ask for nothing more.

`make manifests` checks the manifests against the schemas of Kubernetes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.serve import nginx_conf
from edgeface.config import loader
from edgeface.recognition_service.app import OPERATIONS
from edgeface.web.http.limits import MAX_UPLOAD_BYTES
from edgeface.web.http.operation import PREFIX
from tools.manifests import __main__ as manifests

ROOT = Path(__file__).parents[2]
BASE = ROOT / "packages" / "kubernetes" / "base"


def manifest(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((BASE / f"{name}.yaml").read_text(encoding="utf-8"))
    return found


@pytest.fixture(name="container")
def _container() -> dict[str, Any]:
    (found,) = manifest("deployment")["spec"]["template"]["spec"]["containers"]
    return dict(found)


def test_the_configuration_of_the_pods_is_one_and_has_their_port(container: dict[str, Any]) -> None:
    configuration = loader.parse((BASE / "config.yaml").read_bytes(), "config.yaml")
    assert configuration.serve is not None
    assert configuration.serve.workers == 1
    assert {one["name"]: one["containerPort"] for one in container["ports"]} == {"http": configuration.serve.port}
    mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    assert str(configuration.data) == mounts["people"]
    assert container["args"] == ["serve", "--config", f"{mounts['config']}/config.yaml"]
    assert {one["name"]: one["value"] for one in container["env"]} == {"CREDENTIALS_DIRECTORY": mounts["key"]}


def test_a_pod_may_do_nothing_that_it_does_not_need(container: dict[str, Any]) -> None:
    pod = manifest("deployment")["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert all(one["readOnly"] for one in container["volumeMounts"])
    assert container["resources"]["limits"].keys() >= {"memory"}
    policy = manifest("network")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert "egress" not in policy, "nothing may be asked"


def test_the_probes_ask_what_the_service_answers(container: dict[str, Any]) -> None:
    paths = {name: container[name]["httpGet"]["path"] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert paths == {
        "startupProbe": "/health/ready",
        "readinessProbe": "/health/ready",
        "livenessProbe": "/health/live",
    }


def test_a_pod_has_the_time_to_finish_what_is_under_way(container: dict[str, Any]) -> None:
    configuration = loader.parse((BASE / "config.yaml").read_bytes(), "config.yaml")
    assert configuration.serve is not None
    pod = manifest("deployment")["spec"]["template"]["spec"]
    wait = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] >= wait + configuration.serve.stop_seconds + 5


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("deployment", ("spec", "template", "spec", "topologySpreadConstraints", 0, "labelSelector")),
        ("disruption", ("spec", "selector")),
        ("network", ("spec", "podSelector")),
    ],
)
def test_a_selector_names_these_pods_only(name: str, path: tuple[str | int, ...]) -> None:
    found: Any = manifest(name)
    for step in path:
        found = found[step]
    ((pairs,),) = [[one["pairs"]] for one in manifest("kustomization")["labels"]]
    assert found == {"matchLabels": pairs}


def test_every_kind_has_a_key_that_is_misspelt_on_trial() -> None:
    no_objects = {"kustomization", "config", "centre"}
    bases = BASE, BASE.parent / "centre" / "base"
    files = [path for base in bases for path in base.glob("*.yaml") if path.stem not in no_objects]
    texts = [path.read_text(encoding="utf-8") for path in files]
    # The longest of a kind: jobs get their key from a patch.
    kinds = {one["kind"]: one for text in sorted(texts, key=len) for one in yaml.safe_load_all(text)}
    assert kinds.keys() == manifests.MISSPELT.keys()
    for kind, one in kinds.items():
        changed = yaml.safe_dump(manifests.misspelt(one))
        assert manifests.MISSPELT[kind][1] in changed
        assert not re.search(rf"\b{manifests.MISSPELT[kind][0]}:", changed)


def test_nginx_and_the_ingress_let_through_what_the_service_takes() -> None:
    text = (ROOT / "packages" / "recognition_service" / "nginx.conf").read_text(encoding="utf-8")
    annotations = manifest("ingress")["metadata"]["annotations"]
    for size in (
        re.findall(r"client_max_body_size (\d+)m;", text)[0],
        annotations["nginx.ingress.kubernetes.io/proxy-body-size"].removesuffix("m"),
    ):
        assert MAX_UPLOAD_BYTES <= int(size) * 2**20 < 1.1 * MAX_UPLOAD_BYTES
    assert all(f"{PREFIX}{one.path}".startswith("/api/v1/") for one in OPERATIONS)
    assert "location /api/v1/ {" in text
    # A POST is sent again only with both.
    assert "proxy_next_upstream error timeout http_503 non_idempotent;" in text
    assert "proxy_request_buffering on;" in text


def test_the_measured_nginx_is_the_supplied_one_on_another_address(tmp_path: Path) -> None:
    made = nginx_conf(tmp_path, 12345, 3)
    assert "listen 127.0.0.1:12345;" in made
    assert "ssl" not in made
    assert [f"unix:{tmp_path}/worker-{n}.sock" in made for n in range(4)] == [True, True, True, False]
    assert "non_idempotent" in made
