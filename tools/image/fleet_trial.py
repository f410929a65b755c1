"""`make fleet-image-test`: the image with the centre, as narrow as packages/kubernetes/centre, and a device joins."""

from __future__ import annotations

import argparse
import base64
import re
import secrets
import shutil
import sys

import yaml

from tools import figures
from tools.image.container import DEMO, MEDIA, NARROW
from tools.image.podman import BUILD, build, podman, require, root_image, sizes
from tools.service.roots import HERE
from tools.steps import attempt, passed, table, until
from tools.steps import require as must

TAG = "localhost/edgeface:centre"
NETWORK, DATABASE, CENTRE = "edgeface-fleet", "edgeface-fleet-db", "edgeface-fleet-centre"
DEVICE_VOLUME = "edgeface-fleet-device"
MANIFESTS = HERE / "packages" / "kubernetes" / "centre" / "base"
_KEY = f"edgeface-key-1:credential:{base64.b64encode(secrets.token_bytes(32)).decode()}\n"
_FOLDER = BUILD / "fleet"
_PASSWORD = "of-this-trial-only"  # noqa: S105 - the database has no port outside of its network
_SERVER = f"""\
set -e
bin=$(echo /usr/lib/postgresql/*/bin)
mkdir --parents /data && chown postgres /data
printf '%s' '{_PASSWORD}' >/tmp/password
runuser -u postgres -- "$bin/initdb" -D /data -U edgeface -A scram-sha-256 --pwfile /tmp/password -E UTF8 --locale C
echo 'host all all all scram-sha-256' >>/data/pg_hba.conf
exec runuser -u postgres -- "$bin/postgres" -D /data -c listen_addresses='*' -c unix_socket_directories=/tmp
"""


class Trial:
    """The containers of the trial; each step is named by its docstring."""

    def __init__(self) -> None:
        (deployment,) = yaml.safe_load_all((MANIFESTS / "deployment.yaml").read_text(encoding="utf-8"))
        (pod,) = deployment["spec"]["template"]["spec"]["containers"]
        self._words: list[str] = pod["args"]
        self._mounts = {one["name"]: one["mountPath"] for one in pod["volumeMounts"]}
        self._environment = [word for one in pod["env"] for word in ("--env", f"{one['name']}={one['value']}")]
        self._line = ""

    def prepare(self) -> None:
        """Remove what an earlier trial has left, and write settings and credentials."""
        self.remove()
        shutil.rmtree(_FOLDER, ignore_errors=True)
        facts = yaml.safe_load((MANIFESTS / "centre.yaml").read_text(encoding="utf-8"))
        facts["names"] = [CENTRE]
        facts["database"]["conninfo"] = f"host={DATABASE} dbname=postgres user=edgeface connect_timeout=3"
        for folder, files in {
            "config": {"centre.yaml": yaml.safe_dump(facts)},
            "credentials": {"edgeface-key": _KEY, "database": _PASSWORD, "passphrase": "also of this trial only"},
        }.items():
            (_FOLDER / folder).mkdir(parents=True)
            for name, text in files.items():
                (_FOLDER / folder / name).write_text(text, encoding="utf-8")
        podman("network", "create", NETWORK)

    def database(self) -> str:
        """PostgreSQL starts in a container of its own."""
        image = root_image("postgres", "amd64", "postgresql")
        podman("run", "--detach", "--name", DATABASE, "--network", NETWORK, image, "/bin/sh", "-c", _SERVER)

        def answers() -> bool:
            return not podman("exec", DATABASE, "pg_isready", "-h", "127.0.0.1", check=False).returncode

        until(answers, 60, "PostgreSQL answers", every=1)
        return "answers"

    def made(self) -> str:
        """Authority, keyring and tables are made."""
        return self._once("centre", "init").splitlines()[0]

    def serves(self) -> str:
        """The centre serves, without root, privileges, or a root file system that it could write to."""
        podman("run", "--detach", "--name", CENTRE, "--memory", "1g", *self._options(), TAG, *self._words)
        until(lambda: self._in_centre("health", check=False) == 0, 60, "the health check succeeds", every=1)
        return f"healthy; {self._memory()}"

    def enrolled(self) -> str:
        """Someone is enrolled from a photo in the running centre."""
        self._in_centre("fleet", "site", "house")
        photo = next((DEMO / "people").rglob("*.jpg")).relative_to(DEMO)
        self._in_centre("fleet", "enroll", "house", "alice", "--name", "Alice", f"{MEDIA}/{photo}")
        return self._memory()

    def joined(self) -> str:
        """A device in a container of its own joins."""
        done = podman("exec", CENTRE, "edgeface", "fleet", "code", "front", "house")
        (words,) = re.findall(r"^edgeface (fleet join .+)$", done.stdout, re.MULTILINE)
        options = ("--rm", "--network", NETWORK, "--volume", f"{DEVICE_VOLUME}:/var/lib/edgeface", *NARROW)
        config = _FOLDER / "config.yaml"
        config.write_text("device: front\ncameras: {porch: {type: replay, path: /media/clip.mp4}}\n", encoding="utf-8")
        podman("run", *options, "--volume", f"{config}:/etc/edgeface/config.yaml:ro", TAG, *words.split())
        devices = podman("exec", CENTRE, "edgeface", "fleet", "devices").stdout
        must("front" in devices, f"the centre lists: {devices}")
        return devices.splitlines()[-1].strip()

    def stops(self) -> str:
        """The centre stops within the time that Kubernetes gives it, and the job after a restore runs."""
        podman("stop", "--time", "30", CENTRE)
        status = podman("inspect", "--format", "{{.State.ExitCode}}", CENTRE).stdout.strip()
        must(status == "0", f"exit status {status}")
        return self._once("centre", "restored").splitlines()[0]

    def remove(self) -> None:
        """Remove all containers, volumes and the network."""
        podman("rm", "--force", "--time", "1", "--ignore", CENTRE, DATABASE)
        podman("volume", "rm", "--force", DEVICE_VOLUME, *map(_volume, ("data", "keyring-1", "keyring-2")), check=False)
        podman("network", "rm", "--force", NETWORK, check=False)

    def _options(self) -> list[str]:
        """Of every container of the centre, with the folders of the Deployment; `U` is what fsGroup does there."""
        found = ["--network", NETWORK, *NARROW, *self._environment, "--volume", f"{DEMO}:{MEDIA}:ro"]
        for name, path in self._mounts.items():
            own = (_FOLDER / name).exists()
            found += ["--volume", f"{_FOLDER / name}:{path}:ro,U" if own else f"{_volume(name)}:{path}:U"]
        return found

    def _once(self, *words: str) -> str:
        return podman("run", "--rm", "--no-healthcheck", *self._options(), TAG, *words).stdout

    def _in_centre(self, *words: str, check: bool = True) -> int:
        return podman("exec", CENTRE, "edgeface", *words, check=check).returncode

    def _memory(self) -> str:
        """What the container uses, as its control group counts it."""
        done = podman("stats", "--no-stream", "--format", "{{.MemUsage}}", CENTRE, check=False)
        return done.stdout.strip().partition(" /")[0] or "memory unknown"


def _volume(name: str) -> str:
    return f"edgeface-fleet-{name}"


def main() -> int:
    """Build and try; 0 if every step did what it should."""
    parser = argparse.ArgumentParser(prog="make fleet-image-test", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="try the image that the last run has built")
    arguments = parser.parse_args()
    require("fleet-image-test", arm64=False)
    if not arguments.keep:
        build("amd64", TAG, "--build-arg", "EXTRAS=centre")
    trial = Trial()
    try:
        trial.prepare()
        steps = (trial.database, trial.made, trial.serves, trial.enrolled, trial.joined, trial.stops)
        columns = {"result": [attempt(step) for step in steps]}
    finally:
        trial.remove()
    print(table(columns))
    print(f"{TAG}: {sizes(TAG)[0]:.0f} MB unpacked")
    figures.save("fleet-image-test", table(columns))
    return 0 if passed(columns) else 1


if __name__ == "__main__":
    sys.exit(main())
