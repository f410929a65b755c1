"""`make manifests`: packages/kubernetes rendered by kustomize, and checked against the schemas of Kubernetes, offline.

Every object is checked strictly against each version in VERSIONS: an unknown key is a mistake. That it is one is tried,
too: with one key misspelt, each object that has it must be refused.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tools import figures

ROOT = Path(__file__).parents[2]
FOLDERS = tuple(
    f"packages/kubernetes/{folder}" for folder in ("base", "overlays/example", "centre/base", "centre/overlays/example")
)
VERSIONS = tuple(f"1.{minor}" for minor in range(30, 38))
MISSPELT = {
    "Deployment": ("readinessProbe", "readynessProbe"),
    "CronJob": ("suspend", "suspended"),
    "Service": ("targetPort", "targetport"),
    "HorizontalPodAutoscaler": ("maxReplicas", "maxReplica"),
    "PodDisruptionBudget": ("minAvailable", "minimumAvailable"),
    "NetworkPolicy": ("policyTypes", "policyType"),
    "Ingress": ("ingressClassName", "ingressClass"),
    "PersistentVolumeClaim": ("accessModes", "accessMode"),
}
"""A key of each kind of object, and a way to misspell it."""


class Row(NamedTuple):
    """The results of one folder and one version."""

    folder: str
    version: str
    objects: int
    mistakes: list[str]
    refused: int
    """Objects with a misspelt key that were refused, as they should be."""
    wrong: int
    """Objects with a misspelt key."""


def main() -> int:
    """Render and check everything; 0 if nothing is wrong and every misspelt key was noticed."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise SystemExit(
            "manifests: kubectl is missing: apt-get install kubernetes-client (or kubectl of kubernetes.io)"
        )
    rows = [row for folder in FOLDERS for row in checked(folder, rendered(kubectl, folder))]
    table = tabled(rows)
    print(table)
    figures.save("manifests", table)
    for row in rows:
        for mistake in row.mistakes:
            sys.stderr.write(f"{row.folder}, {row.version}: {mistake}\n")
    return 0 if all(not row.mistakes and row.refused == row.wrong for row in rows) else 1


def rendered(kubectl: str, folder: str) -> list[dict[str, Any]]:
    """The objects of a folder, as `kubectl apply -k` would send them; contacts no cluster."""
    done = subprocess.run([kubectl, "kustomize", folder], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"manifests: {folder}: {done.stderr.strip().splitlines()[-1]}")
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def checked(folder: str, objects: list[dict[str, Any]]) -> list[Row]:
    """One row for each version."""
    rows = []
    for version in VERSIONS:
        mistakes = [f"{one['kind']}: {problem}" for one in objects if (problem := mistake(one, version))]
        wrong = [misspelt(one) for one in objects if one["kind"] in MISSPELT]
        refused = sum(mistake(one, version) is not None for one in wrong)
        rows.append(Row(folder, version, len(objects), mistakes, refused, len(wrong)))
    return rows


def mistake(one: dict[str, Any], version: str) -> str | None:
    """What is wrong with an object, in one line; None if it is valid, without unknown keys."""
    import kubernetes_validate

    with warnings.catch_warnings():
        # The package reads its schemas by a function that Python is going to remove.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            kubernetes_validate.validate(one, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            return str(error.message).splitlines()[0]
    return None


def misspelt(one: dict[str, Any]) -> dict[str, Any]:
    """The object with one key misspelt, wherever it occurs."""
    right, wrong = MISSPELT[one["kind"]]
    text, count = re.subn(rf"\b{right}:", f"{wrong}:", yaml.safe_dump(one))
    if not count:
        raise SystemExit(f"manifests: {one['kind']} has no {right} that could be misspelt")
    changed: dict[str, Any] = yaml.safe_load(text)
    return changed


def tabled(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    lines = ["| folder | Kubernetes | objects | mistakes | misspelt keys refused |", "|---|---|---:|---:|---|"]
    lines += [
        f"| {row.folder} | {row.version} | {row.objects} | {len(row.mistakes)} | {row.refused} of {row.wrong} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
