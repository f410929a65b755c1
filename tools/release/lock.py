"""`make release-lock`: choose exact versions of all packages for the next release, with their hashes."""

from __future__ import annotations

import subprocess
import sys

from tools.release.build import HERE, SETTINGS, TOOLS

EXTRAS = ("web", "door", "notify", "pass")
"""The parts that are in the Debian packages."""
_SYSTEMS = {"12": ("3.11", "36"), "13": ("3.13", "40")}
"""Python and glibc of a Debian release; uv knows no later glibc than 40."""


def main() -> int:
    """Write packages/release/lock-debian*.txt and tools.txt; fails if the processors need different versions."""
    for debian, (python, glibc) in _SYSTEMS.items():
        chosen = {
            machine: resolved(debian, python, f"{machine}-manylinux_2_{glibc}") for machine in ("x86_64", "aarch64")
        }
        if len(set(chosen.values())) > 1:
            raise SystemExit(f"release-lock: Debian {debian} needs other versions on aarch64 than on x86_64")
        (SETTINGS / f"lock-debian{debian}.txt").write_text(chosen["x86_64"], encoding="utf-8")
    tools = _compile("--universal", "--python-version", "3.11", str(SETTINGS / "tools.in"))
    (SETTINGS / "tools.txt").write_text(tools, encoding="utf-8")
    return 0


def resolved(debian: str, python: str, platform: str) -> str:
    """The versions for one system, and the hashes of their files for every system."""
    extras = [word for extra in EXTRAS for word in ("--extra", extra)]
    limits = ["--constraint", str(SETTINGS / f"constraints-debian{debian}.txt")]
    return _compile("--python-version", python, "--python-platform", platform, *extras, *limits, "pyproject.toml")


def _compile(*arguments: str) -> str:
    fixed = ("--quiet", "--no-header", "--no-annotate", "--generate-hashes", "--no-emit-index-url", "--upgrade")
    done = subprocess.run(
        [TOOLS / "uv", "pip", "compile", *fixed, *arguments], cwd=HERE, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
