"""The door's own process: verify a grant, drive the relay.

`verifier.py` imports the standard library and cryptography alone, so it can be copied to a door controller by itself;
what it offers to other programs is importable from here.
"""

from edgeface.door.verifier import Grant, GrantVerifier, Memory, Minimum, Reject, Rules, require_key, verify

__all__ = ["Grant", "GrantVerifier", "Memory", "Minimum", "Reject", "Rules", "require_key", "verify"]
