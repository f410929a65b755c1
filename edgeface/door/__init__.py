"""The door's own process: verify a grant, drive the relay.

`verifier.py` needs only the standard library and cryptography, and can be copied to another controller as one file.
Its public names can be imported from here.
"""

from edgeface.door.verifier import (
    FACTORS,
    LEVELS,
    MAX_BYTES,
    MAX_FACE_AGE,
    REASONS,
    VERSIONS,
    Grant,
    GrantVerifier,
    Memory,
    Minimum,
    Reject,
    Rules,
    require_key,
    verify,
)

Gate = GrantVerifier
"""The name of GrantVerifier in documents of 0.1."""

__all__ = [
    "FACTORS",
    "LEVELS",
    "MAX_BYTES",
    "MAX_FACE_AGE",
    "REASONS",
    "VERSIONS",
    "Gate",
    "Grant",
    "GrantVerifier",
    "Memory",
    "Minimum",
    "Reject",
    "Rules",
    "require_key",
    "verify",
]
