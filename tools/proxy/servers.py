"""nginx and Caddy with the configurations of packages/proxy, on free ports and with a certificate of their own."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tools import needs
from tools.ports import listens
from tools.steps import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.certificates import Authority

PACKAGES = Path(__file__).parents[2] / "packages" / "proxy"
HOST, BASE = "home.example", "/doors/edgeface"
"""As the shipped configurations have them."""
_CERTIFICATE, _KEY, _PAGE = "/etc/ssl/home.example.pem", "/etc/ssl/home.example.key", "127.0.0.1:8099"
_NGINX = """\
daemon off;
user root;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    types {{ text/html html; }}
{site}
}}
"""
_CADDY = """\
{{
	admin off
	auto_https disable_redirects
	skip_install_trust
	grace_period 1s
	http_port {http}
	https_port {https}
}}
{site}"""


class Ports(NamedTuple):
    """Where a proxy listens for https, where the page does, and where Caddy listens for http."""

    proxy: int
    page: int
    http: int


@dataclass(frozen=True)
class Proxy:
    """A proxy that runs."""

    name: str
    version: str
    port: int

    @property
    def origin(self) -> str:
        """Its address, as browsers know it."""
        return f"https://{HOST}:{self.port}"


def changed(text: str, *pairs: tuple[str, str]) -> str:
    """The text with each of these replaced; ends the target if the shipped file no longer has one of them."""
    for old, new in pairs:
        if old not in text:
            raise SystemExit(f"proxy-test: packages/proxy no longer has {old!r}")
        text = text.replace(old, new)
    return text


def nginx_site(ports: Ports, certificate: Path, key: Path, *, strips: bool) -> str:
    """The shipped configuration of nginx; without `strips`, the path is kept, as docs/reverse-proxy.md describes."""
    text = changed(
        (PACKAGES / "nginx.conf").read_text(),
        ("listen 443 ssl", f"listen 127.0.0.1:{ports.proxy} ssl"),
        *_own(ports, certificate, key),
    )
    if strips:
        return text
    kept = f"proxy_pass http://127.0.0.1:{ports.page}"
    return changed(text, (f"{kept}/;", f"{kept};"), (f"Prefix {BASE};", 'Prefix "";'))


def caddy_site(ports: Ports, certificate: Path, key: Path, *, strips: bool) -> str:
    """The shipped configuration of Caddy, as `nginx_site`."""
    text = changed(
        (PACKAGES / "Caddyfile").read_text(),
        (f"{HOST} {{", f"{HOST}:{ports.proxy} {{\n\tbind 127.0.0.1"),
        *_own(ports, certificate, key),
    )
    if strips:
        return text
    return changed(
        text, ("handle_path ", "handle "), (f"header_up X-Forwarded-Prefix {BASE}", "header_up -X-Forwarded-Prefix")
    )


def _own(ports: Ports, certificate: Path, key: Path) -> tuple[tuple[str, str], ...]:
    """What every shipped file has, and what takes its place."""
    return (_CERTIFICATE, str(certificate)), (_KEY, str(key)), (_PAGE, f"127.0.0.1:{ports.page}")


@contextmanager
def nginx(folder: Path, ports: Ports, authority: Authority, *, strips: bool) -> Iterator[Proxy]:
    """A real nginx until the block ends."""
    program = needs.program("proxy-test", "nginx", "nginx")
    file = folder / "nginx.conf"
    file.write_text(_NGINX.format(folder=folder, site=nginx_site(ports, *authority.broker(HOST), strips=strips)))
    told = subprocess.run([program, "-v"], capture_output=True, text=True, check=True).stderr
    command = [program, "-p", str(folder), "-c", str(file), "-e", str(folder / "error.log")]
    with _running(command, folder, ports.proxy):
        yield Proxy("nginx", told.strip().rpartition("/")[2], ports.proxy)


@contextmanager
def caddy(folder: Path, ports: Ports, authority: Authority, *, strips: bool) -> Iterator[Proxy]:
    """A real Caddy until the block ends."""
    program = needs.program("proxy-test", "caddy", "caddy")
    file = folder / "Caddyfile"
    site = caddy_site(ports, *authority.broker(HOST), strips=strips)
    file.write_text(_CADDY.format(http=ports.http, https=ports.proxy, site=site))
    told = subprocess.run([program, "version"], capture_output=True, text=True, check=True).stdout
    command = [program, "run", "--config", str(file), "--adapter", "caddyfile"]
    with _running(command, folder, ports.proxy):
        yield Proxy("Caddy", told.split()[0].lstrip("v"), ports.proxy)


@contextmanager
def _running(command: list[str], folder: Path, port: int) -> Iterator[None]:
    log = folder / "output.log"
    environment = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output, env=environment) as process:
        try:
            until(lambda: process.poll() is not None or listens(port), 60, f"{command[0]} listens")
            if process.poll() is not None:
                raise SystemExit(f"proxy-test: {command[0]} ended: {log.read_text()[-800:]}")
            yield
        finally:
            process.terminate()
            process.wait(10)
