"""A list of what a package contains, as CycloneDX: `python -m tools.release.sbom LIB FILE`.

It runs in the environment of packages/release/tools.txt. cyclonedx-bom lists the Python packages of the folder LIB;
the models are added, and the result is checked against the schema.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

_PROGRAM = Path(sys.executable).with_name("cyclonedx-py")
_CHECK = """\
import sys
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation import make_schemabased_validator
found = make_schemabased_validator(OutputFormat.JSON, SchemaVersion.V1_6).validate_str(sys.stdin.read())
sys.exit(found and f"not CycloneDX 1.6: {found}")
"""


def main(arguments: list[str]) -> int:
    """Write the list; fails if it is not valid."""
    lib, file = map(Path, arguments)
    bom = listed(lib)
    # The version is not in pyproject.toml.
    bom["metadata"]["component"]["version"] = next(
        iter(metadata.distributions(name="edgeface", path=[str(lib)]))
    ).version
    bom["components"] += models(lib)
    text = json.dumps(bom, indent=1, sort_keys=True) + "\n"
    subprocess.run([sys.executable, "-c", _CHECK], input=text, text=True, check=True)
    file.write_text(text, encoding="utf-8")
    return 0


def listed(lib: Path) -> dict[str, Any]:
    """What cyclonedx-bom finds in a folder of packages, whichever processor they are for: only metadata is read."""
    with tempfile.TemporaryDirectory() as work:
        # It asks an interpreter where its packages are.
        answer = Path(work) / "python"
        answer.write_text(f"#!/bin/sh\nprintf '%s' {shlex.quote(json.dumps([str(lib.resolve())]))}\n")
        answer.chmod(0o700)
        options = ("--output-reproducible", "--pyproject", "pyproject.toml")
        found = subprocess.run([_PROGRAM, "environment", *options, answer], check=True, stdout=subprocess.PIPE).stdout
    bom: dict[str, Any] = json.loads(found)
    return bom


def models(lib: Path) -> list[dict[str, Any]]:
    """The model files."""
    files = sorted(path for path in (lib / "edgeface" / "models").iterdir() if path.suffix in {".tflite", ".f32"})
    return [
        {
            "type": "machine-learning-model",
            "bom-ref": f"model:{file.name}",
            "name": file.name,
            "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(file.read_bytes()).hexdigest()}],
        }
        for file in files
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
