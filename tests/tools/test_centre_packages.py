"""packages/centre: its files for nginx fit the centre's settings, and nginx accepts them where it is installed."""

from __future__ import annotations

import os
import re
import socket
import socketserver
import subprocess
import tempfile
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from edgeface.centre.search.client import SearchClient
from edgeface.centre.search.messages import Answer, Nearest
from edgeface.centre.settings import Admins, Devices, Search
from edgeface.fleet.messages import MAX_WAIT
from tests.support.broker import until
from tests.support.centre import embedding
from tools.fleet_faults import balancer

ROOT = Path(__file__).parents[2]
PACKAGES = ROOT / "packages" / "centre"
SEARCH = (PACKAGES / "search.conf").read_text(encoding="utf-8")


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


def test_nginx_asks_the_workers_where_they_listen() -> None:
    found = re.findall(r"server unix:(\S+)/worker-\d\.sock max_fails=0;", SEARCH)
    assert found == [str(Search().sockets)] * 2
    # A POST is sent again only with both.
    assert "proxy_next_upstream error timeout http_503 non_idempotent;" in SEARCH


@pytest.mark.skipif(balancer.program() is None, reason="needs nginx")
def test_a_search_goes_through_nginx_to_a_worker_that_runs(tmp_path: Path) -> None:
    """The first socket is of a worker that has ended, the second of one that answers."""
    folder = Path(tempfile.mkdtemp(prefix="ge", dir=tmp_path.parent))
    text = SEARCH.replace("/run/edgeface-centre-search", str(folder)).replace("/run/edgeface-search", str(folder))
    file = tmp_path / "nginx.conf"
    kinds = "client_body", "proxy", "fastcgi", "uwsgi", "scgi"
    temporary = " ".join(f"{one}_temp_path {tmp_path}/t;" for one in kinds)
    # As root, its workers would take another user, which may not enter the folder.
    user = "user root;" if os.geteuid() == 0 else ""
    file.write_text(
        f"{user} daemon off; pid {tmp_path}/pid; error_log {tmp_path}/log; events {{}}\nhttp {{ {temporary}\n{text}}}\n"
    )
    with socket.socket(socket.AF_UNIX) as ended:
        ended.bind(str(folder / "worker-0.sock"))
    server = socketserver.ThreadingUnixStreamServer(str(folder / "worker-1.sock"), Worker)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    nginx = subprocess.Popen([str(balancer.program()), "-c", str(file)])
    try:
        until((folder / "nginx.sock").exists, 10)
        client = SearchClient(Search(balancer=folder / "nginx.sock"))
        assert {client.search("m", embedding(1), 10, None)[0].site for _ in range(4)} == {"tower"}
    finally:
        nginx.terminate()
        nginx.wait(10)
        server.shutdown()
        server.server_close()


class Worker(BaseHTTPRequestHandler):
    """Answers as a worker does."""

    def do_POST(self) -> None:
        answer = Answer(candidates=[Nearest(site="tower", person="0" * 32, score=1.0)]).model_dump_json().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def address_string(self) -> str:
        return "nginx"

    def log_message(self, *_: object) -> None:
        """Stay silent."""
