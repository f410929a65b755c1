"""The configurations of packages/proxy: limits and headers are those of the page, and docs name what is in them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("starlette")

from edgeface.web.http.limits import MAX_UPLOAD_BYTES
from edgeface.web.live.stream import HEARTBEAT
from tools.proxy import servers
from tools.proxy.__main__ import Row, step, tabled
from tools.proxy.walk import FORGED
from tools.steps import require

ROOT = Path(__file__).parents[2]
NGINX, CADDY = ((servers.PACKAGES / name).read_text() for name in ("nginx.conf", "Caddyfile"))
GUIDE = (ROOT / "docs" / "reverse-proxy.md").read_text()
PORTS = servers.Ports(18443, 18099, 18080)


def test_the_proxies_accept_what_the_page_accepts() -> None:
    assert re.findall(r"client_max_body_size (\d+);", NGINX) == [str(MAX_UPLOAD_BYTES)]
    assert re.findall(r"client_body_buffer_size (\d+);", NGINX) == [str(MAX_UPLOAD_BYTES)], "no photo is on its disk"
    (megabytes,) = re.findall(r"max_size (\d+)MB", CADDY)
    assert int(megabytes) * 1_000_000 == MAX_UPLOAD_BYTES


def test_no_header_that_edgeface_reads_is_passed_on() -> None:
    for name in FORGED:
        assert f"proxy_set_header {name} " in NGINX, name
        # Caddy replaces these three itself.
        if name not in {"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"}:
            assert re.search(rf"header_up -?{name}\b", CADDY), name
        assert name in GUIDE or name.startswith("X-Remote-User")


def test_events_are_not_buffered_and_outlast_a_pause() -> None:
    assert "proxy_buffering off;" in NGINX
    (seconds,) = re.findall(r"proxy_read_timeout (\d+)s;", NGINX)
    assert int(seconds) > 2 * HEARTBEAT
    assert "flush_interval -1" in CADDY


@pytest.mark.parametrize("strips", [True, False])
def test_a_site_has_the_ports_and_the_certificate_of_the_test(tmp_path: Path, strips: bool) -> None:  # noqa: FBT001
    for make in (servers.nginx_site, servers.caddy_site):
        text = make(PORTS, tmp_path / "c.pem", tmp_path / "k.pem", strips=strips)
        assert f"127.0.0.1:{PORTS.page}" in text
        assert str(tmp_path / "c.pem") in text
        assert str(PORTS.proxy) in text
        assert "8099" not in text.replace(str(PORTS.page), "")
        assert bool(re.search(rf"X-Forwarded-Prefix {servers.BASE}", text)) == strips


def test_a_shipped_file_that_has_changed_fails_the_target() -> None:
    with pytest.raises(SystemExit, match="proxy-test: packages/proxy no longer has 'listen 443'"):
        servers.changed("listen 8443", ("listen 443", "listen 1"))


def test_a_step_that_fails_is_in_the_table_and_fails_the_target(capsys: pytest.CaptureFixture[str]) -> None:
    row, fine = Row("nginx", {}), Row("caddy", {})
    for one in (row, fine):
        step(one, "sign-in", lambda: None)
        step(one, "every page", lambda: 22)
    step(row, "events", lambda: require((), "no event"))
    assert [one.failed for one in (row, fine)] == [True, False]
    assert "nginx: events: Failed: no event" in capsys.readouterr().err
    assert "| nginx | works | 22 |  |  | FAILED |" in tabled([row])
