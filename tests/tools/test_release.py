"""What `make release` decides: licences, versions and the packages' names. The build itself is `make release`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from edgeface import __version__
from tools.release import apt, build, checks, licences, lock
from tools.release.__main__ import compared
from tools.release.licences import Item

ROOT = Path(__file__).parents[2]
SETTINGS = licences.settings()


def test_the_version_is_in_one_place() -> None:
    assert build.version() == __version__
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert re.search(r'^dynamic = \["version"\]$', project, re.MULTILINE)
    assert __version__ not in project
    scripts = [path for path in (ROOT / "tools" / "install").rglob("*") if path.is_file()]
    assert [path.name for path in scripts if __version__ in path.read_text(encoding="utf-8")] == []


@pytest.mark.parametrize(
    ("expression", "accepted"),
    [
        ("MIT", True),
        ("Apache-2.0 OR BSD-3-Clause", True),
        ("GPL-3.0-only OR MIT", True),
        ("BSD-3-Clause AND 0BSD AND MIT AND Zlib AND CC0-1.0", True),
        ("GPL-3.0-or-later WITH GCC-exception-3.1", True),
        ("GPL-3.0-or-later", False),
        ("MIT AND GPL-2.0-only", False),
        ("(MIT OR GPL-2.0-only) AND MIT", False),
        ("AGPL-3.0-or-later", False),
        ("License :: OSI Approved :: MIT License", False),
        ("", False),
    ],
)
def test_which_licences_are_accepted(expression: str, *, accepted: bool) -> None:
    assert licences.is_accepted(expression, SETTINGS.accepted) is accepted


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("opt/edgeface/lib/opencv_python_headless.libs/libavcodec-0e0457d8.so.62.28.101", "libavcodec"),
        ("opt/edgeface/lib/opencv_python_headless.libs/libopenblasp-r0-80f387f1.3.3.so", "libopenblasp"),
        ("opt/edgeface/lib/numpy.libs/libopenblas64_p-r0-0cf96a72.3.23.dev.so", "libopenblas64_p"),
        ("opt/edgeface/lib/opencv_python_headless.libs/libpng16-3f00cf31.so.16.58.0", "libpng16"),
        ("opt/edgeface/lib/numpy.libs/libscipy_openblas64_-1b7162d6.so", "libscipy_openblas64_"),
        ("opt/edgeface/lib/numpy/_core/_multiarray_umath.cpython-313-aarch64-linux-gnu.so", None),
        ("opt/edgeface/lib/opencv_python_headless.libs/README", None),
    ],
)
def test_the_libraries_of_wheels_are_known_by_their_names(file: str, name: str | None) -> None:
    assert licences.library(file) == name
    assert name is None or name in SETTINGS.libraries


def test_what_is_unknown_or_not_accepted_is_a_fault() -> None:
    bom = {
        "components": [
            {"type": "library", "name": "good", "version": "1", "licenses": [{"license": {"id": "MIT"}}]},
            {"type": "library", "name": "copyleft", "version": "2", "licenses": [{"expression": "GPL-2.0-only"}]},
            {"type": "library", "name": "vague", "version": "3", "licenses": [{"license": {"name": "BSD License ::"}}]},
            {"type": "library", "name": "silent", "version": "4"},
            {"type": "machine-learning-model", "name": "new.tflite"},
            {"type": "machine-learning-model", "name": "onet.tflite"},
        ]
    }
    found = list(licences.items(bom, ["x.libs/libx265-12345678.so.1"], SETTINGS))
    faults = [licences.fault(one, SETTINGS.accepted) for one in found]
    assert [one.name for one, fault in zip(found, faults, strict=True) if fault] == [
        "copyleft", "vague", "silent", "new.tflite", "libx265",
    ]  # fmt: skip
    assert licences.table([Item("package", "silent", "4", None)]).endswith("| package | silent | 4 | ? |\n")


def test_a_build_of_ffmpeg_with_its_gpl_parts_is_refused() -> None:
    assert licences.ffmpeg_fault(b"--enable-openssl --enable-libvpx") is None
    assert licences.ffmpeg_fault(b"--enable-libx264 --enable-gpl") == "FFmpeg was built with --enable-gpl"
    assert licences.ffmpeg_fault(b"") == "FFmpeg does not say how it was configured"


def test_each_model_file_has_a_licence_and_its_place_in_models_md() -> None:
    shipped = {path.name for path in (ROOT / "models").iterdir() if path.suffix in {".tflite", ".f32"}}
    assert shipped == SETTINGS.models.keys()
    documented = (ROOT / "models" / "MODELS.md").read_text(encoding="utf-8")
    assert [name for name in shipped if f"## {name}" not in documented] == []


@pytest.mark.parametrize("debian", ["12", "13"])
def test_every_pinned_package_has_hashes_and_nothing_depends_on_the_machine(debian: str) -> None:
    text = (build.SETTINGS / f"lock-debian{debian}.txt").read_text(encoding="utf-8")
    entries = [entry for entry in re.split(r"\n(?=\S)", text) if entry.strip()]
    assert len(entries) > 40
    assert [entry for entry in entries if "--hash=sha256:" not in entry or ";" in entry or "://" in entry] == []


def test_the_packages_have_the_parts_of_make_deb() -> None:
    script = (ROOT / "tools" / "install" / "deb").read_text(encoding="utf-8")
    found = re.search(r"extras=([a-z,]+)\$", script)
    assert found is not None
    assert found.group(1).split(",") == list(lock.EXTRAS)


@pytest.mark.parametrize(
    ("name", "suite"),
    [("edgeface_0.2.0~dev0+deb12_arm64.deb", "bookworm"), ("edgeface_1.0+deb13_amd64.deb", "trixie")],
)
def test_a_package_goes_to_the_suite_of_its_debian(name: str, suite: str) -> None:
    assert apt.codename_of(Path(name)) == suite


@pytest.mark.parametrize("name", ["edgeface_0.1.0_amd64.deb", "edgeface_0.2.0+ubuntu22.04_arm64.deb"])
def test_a_package_for_another_system_is_refused(name: str) -> None:
    with pytest.raises(SystemExit, match="not for Debian 12 or 13"):
        apt.codename_of(Path(name))


def test_a_repository_needs_a_key(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no such secret key"):
        apt.add(tmp_path / "apt", "", [tmp_path / "edgeface_1.0+deb12_amd64.deb"])
    assert not (tmp_path / "apt").exists()


@pytest.mark.parametrize(("has", "copies"), [("1.0+deb13", 1), ("2.0+deb13", 0)])
def test_the_version_before_is_kept_when_a_release_is_added_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has: str, copies: int
) -> None:
    listed = f'[ "$3" != list ] || echo "trixie|main|amd64: edgeface {has}"'
    script = f'#!/bin/sh\necho "$3" "$4" "$5" >>{tmp_path}/said\n{listed}\n'
    for name, text in (("reprepro", script), ("gpg", "#!/bin/sh\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    apt.add(tmp_path / "apt", "KEY", [tmp_path / "edgeface_2.0+deb13_amd64.deb"])
    said = (tmp_path / "said").read_text().splitlines()
    assert said.count("copy trixie-previous trixie") == copies
    assert said[-2].startswith("includedeb trixie ")


def test_a_check_that_fails_is_a_row_with_its_reason(tmp_path: Path) -> None:
    rows = {what: (good, line) for what, good, line in checks.results(tmp_path) if "sdist builds" in what}
    assert rows == {"The sdist builds the same wheel": (False, f"0 files *.whl in {tmp_path}, expected one")}


def test_the_list_of_licences_says_where_each_is_from() -> None:
    text = json.loads((build.SETTINGS / "licences.json").read_text(encoding="utf-8"))
    for part in ("packages", "libraries", "models"):
        assert all(len(pair) == 2 and all(pair) for pair in text[part].values())


def test_two_builds_are_the_same_only_with_the_same_names_and_bytes(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    assert not compared(one, other)[1]
    (one / "a.whl").write_bytes(b"a")
    assert compared(one, other)[1:] == (False, "not the same: a.whl")
    (other / "a.whl").write_bytes(b"b")
    assert compared(one, other)[1:] == (False, "not the same: a.whl")
    (other / "a.whl").write_bytes(b"a")
    assert compared(one, other)[1:] == (True, "1 files, the same bytes")
