"""packages/kubernetes/centre, as far as text can show: it fits the centre, and asks for nothing more.

`make manifests` checks the manifests against the schemas of Kubernetes.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from edgeface.centre import settings as centre_settings
from edgeface.centre.context import KEYRING

FOLDER = Path(__file__).parents[2] / "packages" / "kubernetes" / "centre"
BASE, EXAMPLE = FOLDER / "base", FOLDER / "overlays" / "example"


def objects(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((BASE / f"{name}.yaml").read_text(encoding="utf-8")))


@pytest.fixture(name="pod")
def _pod() -> dict[str, Any]:
    (deployment,) = objects("deployment")
    found: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return found


@pytest.fixture(name="container")
def _container(pod: dict[str, Any]) -> dict[str, Any]:
    (found,) = pod["containers"]
    return dict(found)


@pytest.mark.parametrize("folder", [BASE, EXAMPLE], ids=["base", "example"])
def test_the_settings_are_valid_and_have_the_ports_and_folders_of_the_pod(
    folder: Path, container: dict[str, Any]
) -> None:
    settings = centre_settings.parse((folder / "centre.yaml").read_bytes(), "centre.yaml")
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    assert ports == {"devices": settings.devices.port, "admins": settings.admins.port}
    mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    assert mounts["config"] == str(centre_settings.DEFAULT.parent)
    assert mounts["data"] == str(settings.data)
    assert mounts["keyring-1"] == str(settings.data / KEYRING)
    assert mounts["keyring-2"] == str(settings.keyring)
    assert f"sslrootcert={mounts['credentials']}/" in settings.database.conninfo
    assert settings.database.password_credential is not None
    assert settings.passphrase_credential is not None
    assert {one["name"]: one["value"] for one in container["env"]} == {"CREDENTIALS_DIRECTORY": mounts["credentials"]}


def test_no_two_pods_ever_use_the_keyring() -> None:
    (deployment,) = objects("deployment")
    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    claims = {one["metadata"]["name"]: one for one in objects("volumes")}
    assert [one["spec"]["accessModes"] for one in claims.values()] == [["ReadWriteOncePod"]] * 3
    for name, one in claims.items():
        labels = one["metadata"].get("labels", {})
        assert (labels.get("velero.io/exclude-from-backup") == "true") == ("keyring" in name)


def test_a_pod_may_do_nothing_that_it_does_not_need(pod: dict[str, Any], container: dict[str, Any]) -> None:
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"].keys() >= {"memory"}
    (policy,) = objects("network")
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert all(rule.get("to") for rule in policy["spec"]["egress"]), "it may not connect to everyone"
    open_to_all = [rule["ports"] for rule in policy["spec"]["ingress"] if not rule.get("from")]
    assert open_to_all == [[{"port": "devices"}]]


def test_no_secret_is_written_down(pod: dict[str, Any]) -> None:
    texts = [path.read_text(encoding="utf-8") for path in FOLDER.rglob("*.yaml")]
    assert len(texts) >= 10
    assert not [text for text in texts if "kind: Secret\n" in text or "secretGenerator" in text]
    assert [one["secret"]["secretName"] for one in pod["volumes"] if "secret" in one] == ["edgeface-centre"]


def test_the_jobs_have_the_pod_of_the_centre_and_never_start_by_themselves(pod: dict[str, Any]) -> None:
    (patch,) = objects("command-pod")
    assert patch["spec"]["suspend"] is True
    found = copy.deepcopy(patch["spec"]["jobTemplate"]["spec"]["template"]["spec"])
    assert found.pop("restartPolicy") == "Never"
    wanted = copy.deepcopy(pod)
    del wanted["terminationGracePeriodSeconds"]
    for name in ("args", "ports", "startupProbe", "readinessProbe", "livenessProbe"):
        del wanted["containers"][0][name]
    assert found == wanted
    arguments = [
        one["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"] for one in objects("commands")
    ]
    assert arguments == [["centre", "init"], ["centre", "restored"]]


@pytest.mark.parametrize(("name", "path"), [("disruption", "selector"), ("network", "podSelector")])
def test_a_selector_names_these_pods_only(name: str, path: str) -> None:
    (one,) = objects(name)
    ((pairs,),) = [[label["pairs"]] for label in objects("kustomization")[0]["labels"]]
    assert one["spec"][path] == {"matchLabels": pairs}


def test_connections_of_devices_come_from_their_own_addresses_and_tls_ends_in_the_centre() -> None:
    devices, admins = objects("service")
    assert devices["spec"]["externalTrafficPolicy"] == "Local"
    assert "type" not in admins["spec"], "admins are not reachable from outside of the cluster"
    assert not list(FOLDER.rglob("*ingress*"))
