"""The parts of edgeface that are installed only where they are asked for: the extras of pyproject.toml."""

from __future__ import annotations

from importlib.util import find_spec
from typing import NamedTuple

from edgeface.core.installed.place import add_part

_WEB = ("starlette", "uvicorn", "jinja2", "prometheus_client", "python_multipart", "segno")
_FLEET = ("msgpack",)
PARTS = {
    "web": _WEB,
    "door": ("gpiozero",),
    "door-nfc": ("adafruit_pn532", "serial"),
    "pass": ("segno",),
    "heic": ("pi_heif",),
    "notify": ("apprise", "http_ece", "py_vapid"),
    "mediapipe": ("mediapipe",),
    "evaluate": ("matplotlib",),
    "fleet": _FLEET,
    "centre": (*_FLEET, *_WEB, "psycopg", "psycopg_pool", "pyotp"),
}
"""The modules of each part, as they are imported."""


class MissingPart(NamedTuple):
    """A part that something needs and that is not installed."""

    extra: str
    module: str
    """The first of its modules that is missing."""
    needed: str
    """What needs it: a key of config.yaml, or a command."""

    @property
    def problem(self) -> str:
        """What is wrong, without what to do."""
        return f"{self.needed}: {self.module} is not installed"

    @property
    def remedy(self) -> str:
        """The command that installs it here."""
        return add_part(self.extra)

    def __str__(self) -> str:
        """One line, with the way out."""
        return f"{self.problem}: {self.remedy}"


def missing_part(extra: str, needed: str) -> MissingPart | None:
    """The part if one of its modules cannot be found; nothing is imported."""
    missing = missing_module(PARTS[extra])
    return None if missing is None else MissingPart(extra, missing, needed)


def missing_module(modules: tuple[str, ...]) -> str | None:
    """The first of them that cannot be found; nothing is imported."""
    return next((module for module in modules if not _found(module)), None)


def _found(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        # A module that was taken out of sys.modules by putting None there.
        return False
