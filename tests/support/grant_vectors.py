"""Judges the cases of docs/grant-vectors.json with a verifier; as a script with a `verifier.py` on its path alone.

    python -I -S grant_vectors.py FOLDER PACKAGES VECTORS

FOLDER has `verifier.py`, PACKAGES what it needs; nothing else but the standard library can be imported.
"""

import base64
import importlib
import json
import sys
from pathlib import Path
from typing import Any


def verdict(verifier: Any, keys: dict[str, str], case: dict[str, Any]) -> str:
    """`accept`, or the reason of the rejection."""
    least = {key: tuple(value) if isinstance(value, list) else value for key, value in case["minimum"].items()}
    minimum = verifier.Minimum(**least)
    known = {} if case.get("without_keys") else {kid: base64.b64decode(key) for kid, key in keys.items()}
    until = 1000.0 + case["keys_expire_in_ms"] / 1000 if "keys_expire_in_ms" in case else float("inf")
    rules = verifier.Rules(case["door"], known, minimum, until)
    memory = verifier.Memory(
        {nonce: 1000 - age / 1000 for nonce, age in case["nonces"].items()},
        set(case["used"]),
        {device: [(boot, seq) for boot, seq in boots] for device, boots in case["seen"].items()},
    )
    envelope = case["envelope"].encode() if "envelope" in case else base64.b64decode(case["envelope_base64"])
    try:
        verifier.verify(envelope, retained=case["retained"], now=1000.0, rules=rules, memory=memory)
    except verifier.Reject as reject:
        return str(reject.reason)
    return "accept"


if __name__ == "__main__":
    folder, packages, vectors = sys.argv[1:]
    sys.path += [folder, packages]
    alone = importlib.import_module("verifier")
    content = json.loads(Path(vectors).read_text(encoding="utf-8"))
    verdicts = [verdict(alone, content["keys"], case) for case in content["cases"]]
    sys.stdout.write(json.dumps({"file": alone.__file__, "verdicts": verdicts}))
