"""A process leaves no core."""

import subprocess

CHILD = """
import ctypes, resource
from edgeface.security.process import leave_no_core
leave_no_core()
print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""


def test_a_process_is_not_dumpable_and_its_core_has_no_room(python: str) -> None:
    done = subprocess.run([python, "-c", CHILD], capture_output=True, text=True, check=True)
    assert done.stdout == "(0, 0) 0\n"
