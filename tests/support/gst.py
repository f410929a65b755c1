"""Makes apt's GStreamer for Python importable in the tests' own environment, or says why it cannot be."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import warnings
from pathlib import Path

SYSTEM_PYTHON = "/usr/bin/python3"

_APT = Path("/usr/lib/python3/dist-packages/gi")


def why_not() -> str | None:
    """None when `gi` can be imported; the reason for a skip otherwise.

    Its compiled part fits every patch version of the Python that it was built for, so the package alone is borrowed.
    """
    if "gi" in sys.modules:
        return None
    if importlib.util.find_spec("gi") is None and (reason := _borrowed()) is not None:
        return reason
    # PyGObject's importer is of the old kind, which Python 3.11 warns of.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import gi

            gi.require_version("GstVideo", "1.0")
            importlib.import_module("gi.repository.GstVideo")
        except (ImportError, ValueError) as error:
            sys.modules.pop("gi", None)
            return str(error)
    return None


def why_no_server() -> str | None:
    """None when the system's Python can run tests/support/rtsp_server.py."""
    program = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer, Gst\n"
    program += (
        "Gst.init(None); raise SystemExit(any(not Gst.ElementFactory.find(e) for e in ('x264enc', 'avdec_h264')))"
    )
    if not Path(SYSTEM_PYTHON).exists():
        return f"no {SYSTEM_PYTHON}"
    done = subprocess.run([SYSTEM_PYTHON, "-c", program], check=False, capture_output=True)
    return None if done.returncode == 0 else "gst-rtsp-server, x264enc or avdec_h264 is missing; make setup-dev"


def _borrowed() -> str | None:
    major, minor = sys.version_info[:2]
    if not list(_APT.glob(f"_gi.cpython-{major}{minor}-*.so")):
        return f"no gi of apt's for Python {major}.{minor}"
    spec = importlib.util.spec_from_file_location("gi", _APT / "__init__.py", submodule_search_locations=[str(_APT)])
    if spec is None or spec.loader is None:
        return "apt's gi cannot be loaded"
    module = importlib.util.module_from_spec(spec)
    sys.modules["gi"] = module
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spec.loader.exec_module(module)
    return None
