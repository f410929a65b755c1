"""packages/centre: its nginx.conf fits the centre's settings, and nginx accepts it where it is installed."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from edgeface.centre.settings import Admins, Devices
from edgeface.fleet.messages import MAX_WAIT
from tools.fleet_faults import balancer

if TYPE_CHECKING:
    from pathlib import Path


def test_the_ports_are_those_of_the_settings() -> None:
    assert re.findall(r"listen (\d+);", balancer.NGINX) == [str(Devices().port), str(Admins().port)]


def test_a_device_that_waits_for_news_is_not_cut_off() -> None:
    waits = [int(seconds) for seconds in re.findall(r"proxy_timeout (\d+)s;", balancer.NGINX)]
    assert len(waits) == 2
    assert min(waits) > 1.5 * MAX_WAIT


def test_nginx_has_no_key() -> None:
    assert "ssl" not in balancer.NGINX
    assert "http {" not in re.sub(r"#.*", "", balancer.NGINX)


@pytest.mark.skipif(balancer.program() is None, reason="needs nginx with the module stream")
def test_nginx_accepts_it(tmp_path: Path) -> None:
    file = tmp_path / "nginx.conf"
    file.write_text(balancer.nginx_conf(tmp_path, {}), encoding="utf-8")
    done = subprocess.run([str(balancer.program()), "-t", "-c", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
