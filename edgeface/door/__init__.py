"""The door's own process: verify a grant, drive the relay.

`verifier.py` needs only the standard library and cryptography, and can be copied to another controller as one file.
Its public names can be imported from here.
"""

from edgeface.door.verifier import Grant, GrantVerifier, Memory, Minimum, Reject, Rules, require_key, verify

__all__ = ["Grant", "GrantVerifier", "Memory", "Minimum", "Reject", "Rules", "require_key", "verify"]
