import os
from pathlib import Path

import pytest

from edgeface.core import board
from edgeface.core.board import Power

PI_5 = (
    "processor\t: 0\nFeatures\t: fp asimd evtstrm aes atomics fphp asimdhp cpuid asimdrdm asimddp\nCPU part\t: 0xd0b\n"
)
PI_4 = "processor\t: 0\nFeatures\t: fp asimd evtstrm crc32 cpuid\nCPU part\t: 0xd08\n"
XEON = "processor\t: 0\nmodel name\t: Intel(R) Xeon(R)\nflags\t\t: fpu avx avx2 avx512f avx512_vnni avx_vnni\n"


def written(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("cpuinfo", "features"),
    [
        (PI_5, ("asimd", "fp16", "lse", "dot products")),
        (PI_4, ("asimd",)),
        (XEON, ("avx", "avx2", "avx512", "dot products")),
        ("", ()),
    ],
)
def test_features_of_the_cpu_have_plain_names(tmp_path: Path, cpuinfo: str, features: tuple[str, ...]) -> None:
    written(tmp_path / "cpuinfo", cpuinfo)
    assert board.cpu_features(tmp_path) == features


def test_the_device_tree_names_the_board_before_the_cpu_does(tmp_path: Path) -> None:
    written(tmp_path / "cpuinfo", XEON)
    assert board.model(tmp_path) == "Intel(R) Xeon(R)"
    written(tmp_path / "device-tree" / "model", "Raspberry Pi 5 Model B Rev 1.0\0")
    assert board.model(tmp_path) == "Raspberry Pi 5 Model B Rev 1.0"


def test_this_machine_has_a_name_a_system_and_cores() -> None:
    assert board.model() != "unknown"
    assert "Linux" in board.system()
    assert 1 <= board.cores() <= (os.cpu_count() or 1)
    assert board.peak_rss() > 5e6


# The firmware's folder has different names on a Raspberry Pi 4 and a 5.
@pytest.mark.parametrize("folder", ["soc/soc:firmware", "soc@107c000000/soc@107c000000:firmware"])
@pytest.mark.parametrize(
    ("bits", "slow", "power"),
    [
        ("0\n", False, Power((), ())),
        ("50005\n", True, Power(("under-voltage", "throttled"), ("under-voltage", "throttled"))),
        ("80008\n", False, Power(("near the temperature limit",), ("near the temperature limit",))),
        ("20000\n", False, Power((), ("clock capped",))),
        ("0x2\n", True, Power(("clock capped",), ())),
    ],
)
def test_power_as_the_firmware_reports_it(tmp_path: Path, folder: str, bits: str, *, slow: bool, power: Power) -> None:
    written(tmp_path / "devices" / "platform" / folder / "get_throttled", bits)
    assert board.throttled(tmp_path) is slow
    assert board.power(tmp_path) == power


def test_vcgencmd_reports_power_if_the_kernel_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "vcgencmd"
    written(program, '#!/bin/sh\n[ "$1" = get_throttled ] && echo throttled=0x50000\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert board.power(tmp_path) == Power((), ("under-voltage", "throttled"))
    written(program, "#!/bin/sh\necho VCHI initialization failed\nexit 255\n")
    assert board.power(tmp_path) is None


def test_a_machine_without_sensors_reports_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert board.temperature(tmp_path) is None
    assert board.throttled(tmp_path) is None
    assert board.power(tmp_path) is None
    assert board.rtc(tmp_path) is None


def test_the_hottest_sensor_counts_and_a_broken_one_does_not(tmp_path: Path) -> None:
    for number, text in enumerate(["41200\n", "52750\n", "-5000\n", "invalid\n", ""]):
        written(tmp_path / "class" / "thermal" / f"thermal_zone{number}" / "temp", text)
    assert board.temperature(tmp_path) == 52.75


def test_the_battery_backed_clock_has_a_name(tmp_path: Path) -> None:
    written(tmp_path / "class" / "rtc" / "rtc0" / "name", "rpi-rtc soc@107c000000:rpi_rtc\n")
    assert board.rtc(tmp_path) == "rpi-rtc soc@107c000000:rpi_rtc"
