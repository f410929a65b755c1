"""packages/centre: its nginx.conf fits the centre's settings, and nginx accepts it where it is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from edgeface.centre.settings import Admins, Devices
from edgeface.fleet.messages import MAX_WAIT

ROOT = Path(__file__).parents[2]
PACKAGES = ROOT / "packages" / "centre"
NGINX = (PACKAGES / "nginx.conf").read_text(encoding="utf-8")
MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")


def program() -> str | None:
    """nginx, if it is here with the module `stream`."""
    found = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    return found if found is not None and MODULE.exists() else None


def test_the_ports_are_those_of_the_settings() -> None:
    assert re.findall(r"listen (\d+);", NGINX) == [str(Devices().port), str(Admins().port)]


def test_a_device_that_waits_for_news_is_not_cut_off() -> None:
    waits = [int(seconds) for seconds in re.findall(r"proxy_timeout (\d+)s;", NGINX)]
    assert len(waits) == 2
    assert min(waits) > 1.5 * MAX_WAIT


def test_nginx_has_no_key() -> None:
    assert "ssl" not in NGINX
    assert "http {" not in re.sub(r"#.*", "", NGINX)


@pytest.mark.skipif(program() is None, reason="needs nginx with the module stream")
def test_nginx_accepts_it(tmp_path: Path) -> None:
    file = tmp_path / "nginx.conf"
    file.write_text(f"load_module {MODULE};\npid {tmp_path}/pid;\nerror_log stderr;\nevents {{}}\n{NGINX}")
    done = subprocess.run([str(program()), "-t", "-c", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
