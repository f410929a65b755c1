"""`make compose-test`: packages/compose with podman-compose: one command, then TLS, passwords, health and metrics."""

from __future__ import annotations

import argparse
import json
import os
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING

from edgeface.demo.mosquitto import free_port
from tools import figures
from tools.image import podman
from tools.image.trial import TAG
from tools.service.roots import HERE
from tools.steps import attempt, passed, require, table, until

if TYPE_CHECKING:
    from collections.abc import Callable

BUILD = podman.BUILD.parent / "compose"
FILE = HERE / "packages" / "compose" / "compose.yaml"
PROGRAM = BUILD / "venv" / "bin" / "podman-compose"
PROJECT = "edgeface-compose-trial"
EVENTS = "edgeface/front/+/event"


class Compose:
    """The services of compose.yaml, with images made here in place of the public ones."""

    def __init__(self) -> None:
        ports = {name: free_port() for name in ("page", "broker", "prometheus")}
        self.page, self.broker, self.prometheus = ports.values()
        self.folder = BUILD / "secrets"
        self.mosquitto = podman.mosquitto()
        self._environment = {
            **os.environ,
            "CONTAINERS_CONF": str(podman.settings()),
            "EDGEFACE_IMAGE": TAG,
            "MOSQUITTO_IMAGE": self.mosquitto,
            "PROMETHEUS_IMAGE": podman.root_image("prometheus", "amd64", "prometheus"),
            **{name.upper(): f"127.0.0.1:{port}" for name, port in ports.items()},
        }

    def run(self, *words: str) -> None:
        """Run podman-compose; raises Failed with its output."""
        options = ("--project-name", PROJECT, "--file", FILE, "--profile", "prometheus")
        done = subprocess.run(
            [PROGRAM, *options, *words], env=self._environment, timeout=600, text=True, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        require(done.returncode == 0, f"{' '.join(words)}: exit {done.returncode}: {done.stdout[-1500:]}")

    def start(self) -> None:
        """Start all services; returns when the page answers."""
        self.run("up", "--detach")
        until(lambda: self.ask("/login")[0] == 200, 60, "the page answers", every=0.5)

    def name(self, service: str) -> str:
        """The container of a service."""
        return f"{PROJECT}_{service}_1"

    def secret(self, file: str) -> str:
        """A file of the volume `secrets`, as its owner reads it."""
        return (podman.volume_folder(f"{PROJECT}_secrets") / file).read_text()

    def ask(self, path: str, token: str | None = None, form: dict[str, str] | None = None) -> tuple[int, str]:
        """Status and text of a page over TLS, or the cookie that it sets; trusts the authority of the first start."""
        context = ssl.create_default_context(cadata=self.secret("ca.pem"))
        data = None if form is None else urllib.parse.urlencode(form).encode()
        request = urllib.request.Request(f"https://localhost:{self.page}{path}", data)
        request.add_header("Origin", f"https://localhost:{self.page}")
        if token is not None:
            request.add_header("Authorization", f"Bearer {token}")
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _NoRedirect)
        try:
            with opener.open(request, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers.get("Set-Cookie") or error.read().decode()
        except OSError as error:
            return 0, str(error)

    def sign_in(self, password: str) -> bool:
        """Whether the page starts a session for admin with this password."""
        return "edgeface=" in self.ask("/login", form={"name": "admin", "secret": password})[1]

    def subscribe(self, name: str | None, topic: str = EVENTS, seconds: int = 30) -> tuple[int, str]:
        """mosquitto_sub with the certificate of a client, or none; its exit status and what it printed."""
        for file in ("ca.pem", *((f"{name}.pem", f"{name}.key") if name else ())):
            (self.folder / file).write_text(self.secret(file))
        own = ["--cert", f"/s/{name}.pem", "--key", f"/s/{name}.key"] if name else []
        words = ["--network", f"{PROJECT}_default", "--volume", f"{self.folder}:/s:ro", self.mosquitto]
        words += ["mosquitto_sub", "-h", "broker", "-p", "8883", "--cafile", "/s/ca.pem", *own]
        done = podman.podman("run", "--rm", *words, "-t", topic, "-C", "1", "-W", str(seconds), check=False)
        return done.returncode, done.stdout + done.stderr


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


class Steps:
    """One run, in order."""

    def __init__(self, compose: Compose) -> None:
        self.compose = compose

    def all(self) -> list[Callable[[], str]]:
        """Every step."""
        return [
            self.up, self.health, self.sign_in, self.events, self.strangers, self.metrics, self.again, self.rules,
        ]  # fmt: skip

    def up(self) -> str:
        """One command: the page answers over TLS."""
        began = time.monotonic()
        self.compose.start()
        return f"after {time.monotonic() - began:.0f} s, with the clip of the demo as its camera"

    def health(self) -> str:
        """The health checks of edgeface, broker and Prometheus."""
        services = ("edgeface", "broker", "prometheus")
        containers = list(map(self.compose.name, services))
        until(lambda: all(map(podman.healthy, containers)), 60, "all are healthy", every=1)
        return f"{', '.join(services)}: healthy"

    def sign_in(self) -> str:
        """The admin's password is in a file of the volume; another one is refused."""
        password = self.compose.secret("admin.password").strip()
        require(len(password) >= 32, "the password is short")
        good, bad = self.compose.sign_in(password), self.compose.sign_in("admin")
        require(good and not bad, f"{good}, {bad}")
        return f"{len(password)} characters; a session starts with it alone"

    def events(self) -> str:
        """Events over TLS for a subscriber with its own certificate, who sees only what its list allows."""
        # Events are for Home Assistant; the viewer may read who is in view.
        status, text = self.compose.subscribe("homeassistant")
        require(status == 0 and json.loads(text)["event_type"], f"{status}: {text}")
        denied, more = self.compose.subscribe("viewer", seconds=10)
        require(denied != 0, f"the viewer reads events: {more}")
        people, _ = self.compose.subscribe("viewer", "edgeface/front/+/people")
        require(people == 0, "the viewer does not see who is in view")
        return f"homeassistant receives {json.loads(text)['event_type']}; viewer: people, no events"

    def strangers(self) -> str:
        """Without a certificate, or with another authority's, the broker and the page refuse."""
        status, text = self.compose.subscribe(None, seconds=5)
        require(status != 0, f"{status}: {text}")
        plain = podman.podman(
            "run", "--rm", "--network", f"{PROJECT}_default", self.compose.mosquitto,
            "mosquitto_sub", "-h", "broker", "-p", "8883", "-t", "#", "-C", "1", "-W", "5", check=False,
        )  # fmt: skip
        require(plain.returncode != 0, "plaintext is accepted")
        metrics, _ = self.compose.ask("/metrics", token="x" * 43)
        require(metrics == 401, f"/metrics with a wrong token: {metrics}")
        return f"no certificate: refused; plaintext: refused; /metrics with a wrong token: {metrics}"

    def metrics(self) -> str:
        """Prometheus scrapes /metrics over TLS with its token."""
        query = urllib.parse.quote("edgeface_camera_processed_total")

        def value() -> float:
            address = f"http://127.0.0.1:{self.compose.prometheus}/api/v1/query?query={query}"
            try:
                with urllib.request.urlopen(address, timeout=5) as answer:
                    found = json.load(answer)["data"]["result"]
            except OSError:
                return 0
            return float(found[0]["value"][1]) if found else 0

        took = until(lambda: value() > 0, 60, "frames in Prometheus", every=1)
        return f"{value():.0f} frames counted, {took:.0f} s after the page answered"

    def again(self) -> str:
        """Down and up again: the same password, authority and people."""
        before = [self.compose.secret(file) for file in ("admin.password", "ca.pem")]
        self.compose.run("down")
        self.compose.start()
        require(before == [self.compose.secret(file) for file in ("admin.password", "ca.pem")], "other secrets")
        good = self.compose.sign_in(before[0].strip())
        require(good, "no session starts")
        return "signed in with the same password"

    def rules(self) -> str:
        """Prometheus accepts its configuration and the alerts of docs/alerts.yaml."""
        words = ("promtool", "check", "config", "/etc/prometheus/prometheus.yml")
        checked = podman.podman("exec", self.compose.name("prometheus"), *words, check=False)
        require(checked.returncode == 0, checked.stdout + checked.stderr)
        return f"promtool: {checked.stdout.count('SUCCESS')} files accepted"


def main() -> int:
    """Run it; 0 if every step did what it should."""
    parser = argparse.ArgumentParser(prog="make compose-test", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="use the image of the last make image-test")
    arguments = parser.parse_args()
    podman.require("compose-test", arm64=False)
    if not arguments.keep:
        podman.build("amd64", TAG)
    compose = Compose()
    compose.folder.mkdir(parents=True, exist_ok=True)
    try:
        compose.run("down", "--volumes")
        columns = {"result": [attempt(step) for step in Steps(compose).all()]}
    finally:
        compose.run("down", "--volumes")
    print(table(columns))
    figures.save("compose-test", table(columns))
    return 0 if passed(columns) else 1


if __name__ == "__main__":
    sys.exit(main())
