import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edgeface.access.policy import AllowRule, Door
from edgeface.config import loader
from edgeface.config.configuration import Configuration
from edgeface.core import board
from edgeface.core.board import Power
from edgeface.core.errors import ConfigError
from edgeface.core.files import LOCK, only_one
from edgeface.demo.mosquitto import Mosquitto
from edgeface.doctor import broker as doctor_broker
from edgeface.doctor import cameras, disk, liveness, machine, run, secrets, speed
from edgeface.doctor.disk import Mount
from edgeface.doctor.finding import Finding
from edgeface.doctor.run import findings
from edgeface.doctor.speed import Cost
from edgeface.faces import covered
from edgeface.faces.embedder import embedder_name
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import Template
from edgeface.imaging.opencv import cv2
from edgeface.security.vault import FILE, open_vault
from tests.support.certificates import Authority
from tests.support.doors import TABLE, ship
from tests.support.film import picture

CLIP = Path(__file__).parents[2] / "edgeface" / "demo_data" / "clip.mp4"
DEFAULTS = Configuration.model_construct(cameras={})


def configured(tmp_path: Path, text: str = "", camera: str = "{type: replay, path: nowhere}") -> Configuration:
    data = tmp_path / "data"
    return loader.parse(f"data: {data}\ncameras:\n  porch: {camera}\n{text}".encode(), "config.yaml")


def only(found: Iterator[Finding], what: str) -> Finding:
    (finding,) = (one for one in found if one.what == what)
    return finding


def data_of(tmp_path: Path, data: Path) -> Finding:
    config_file = tmp_path / "config.yaml"
    config_file.write_text(f"data: {data}\ncameras:\n  porch: {{type: replay, path: nowhere}}\n")
    return next(finding for finding in findings(config_file) if finding.what == "data")


def test_a_data_folder_is_fine_and_may_be_made_later(tmp_path: Path) -> None:
    assert data_of(tmp_path, tmp_path).mark == "ok"
    assert data_of(tmp_path, tmp_path / "later" / "data").mark == "ok"
    assert not (tmp_path / "later").exists()


@pytest.mark.parametrize("below", ["", "data"])
def test_a_file_in_the_place_of_the_data_folder_is_bad(tmp_path: Path, below: str) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    finding = data_of(tmp_path, file / below)
    assert finding.mark == "bad"
    assert "is not a folder" in finding.says


@pytest.mark.slow(seconds=6)
def test_a_machine_with_nothing_has_no_problem_and_the_page_fits_a_machine_too(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edgeface.cli", "doctor", "--json", "--config", str(tmp_path / "none.yaml")]
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    page = json.loads(done.stdout)
    seen = {finding["what"] for finding in page["findings"]}
    assert {"system", "board", "packages", "clock", "models", "config", "plugged in", "1 thread", "pace"} <= seen
    bad = [finding for finding in page["findings"] if finding["mark"] == "bad"]
    # A board that is hot, or has no power, is a problem wherever this runs.
    assert {finding["what"] for finding in bad} <= {"heat", "power"}
    assert (done.returncode, page["problems"]) == (1 if bad else 0, len(bad))
    figures = next(finding["figures"] for finding in page["findings"] if finding["what"] == "pace")
    assert figures["fps_without_face"] >= figures["fps_with_face"] > 0
    assert time.monotonic() - began < 60


def test_each_problem_counts_and_notes_do_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("cameras: {porch: {type: opencv, sourc: 0}}\n")
    found = next(finding for finding in findings(file) if finding.what == "config")
    assert (found.mark, "did you mean source?" in found.says) == ("bad", True)
    assert "edgeface check" in found.remedy
    assert not capsys.readouterr().out


def test_somebody_who_may_not_read_the_configuration_is_told_to_be_root() -> None:
    path = Path("/etc/edgeface/config.yaml")
    error = ConfigError(f"{path}: cannot be read (Permission denied)")
    error.__cause__ = PermissionError(13, "Permission denied")
    found = run._unreadable(path, error)
    assert (found.what, found.mark, found.remedy) == ("config", "bad", "sudo edgeface doctor")


@pytest.mark.parametrize(
    ("power", "mark", "words"),
    [
        (Power((), ()), "ok", "no under-voltage"),
        (Power((), ("under-voltage",)), "note", "since the start: under-voltage -> use the power supply"),
        (Power(("throttled",), ("throttled",)), "bad", "now: throttled -> add a heat sink"),
        (Power(("under-voltage", "throttled"), ()), "bad", "under-voltage, throttled -> use the power supply"),
    ],
)
def test_the_supply_is_judged_by_now_and_by_before(power: Power, mark: str, words: str) -> None:
    finding = machine.supply(power)
    assert finding.mark == mark
    assert words in f"{finding.says} -> {finding.remedy}"


def test_one_camera_is_one_camera(tmp_path: Path) -> None:
    settings = configured(tmp_path, camera="{type: opencv, source: 63}")
    assert next(run._configured(tmp_path / "config.yaml", settings)).says.endswith("OK (1 camera, 0 doors)")


@pytest.mark.parametrize(("headless", "marks"), [(True, []), (False, ["note"])])
def test_two_packages_of_opencv_are_noted_only_where_the_wrong_one_is_used(
    monkeypatch: pytest.MonkeyPatch,
    headless: bool,  # noqa: FBT001 - pytest names it
    marks: list[str],
) -> None:
    # `make setup-dev` installs both, and the headless one last.
    monkeypatch.setattr(machine, "_version", lambda _: "5.0")
    monkeypatch.setattr(machine, "_is_headless", lambda: headless)
    assert [one.mark for one in machine._packages() if "OpenCV" in one.says] == marks


def test_versions_and_models_are_named() -> None:
    found = list(machine.findings())
    # If mediapipe is installed, a second line warns about its OpenCV.
    assert any("numpy" in one.says for one in found if one.what == "packages")
    models = only(iter(found), "models").says
    assert "mobilefacenet_int8.tflite 1fdadcb9" in models
    assert f"{covered.FILE} {covered.SHA256[:8]}" in models


def test_a_damaged_cover_model_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(covered, "SHA256", "0" * 64)
    covered.load.cache_clear()
    bad = only(machine.findings(), "model")
    assert bad.mark == "bad"
    assert covered.FILE in bad.says


MOUNTS = r"""
22 1 179:2 / / rw,noatime - ext4 /dev/mmcblk0p2 rw
30 22 0:25 / /var/lib/edge\040face rw - tmpfs tmpfs rw,size=1024k
31 22 8:1 / /media/stick rw,nosuid - vfat /dev/sda1 rw
32 22 8:2 / /mnt/dead ro,relatime - ext4 /dev/sdb1 rw
33 22 8:3 / /mnt/stopped rw,relatime - ext4 /dev/sdc1 ro,errors=remount-ro
34 22 8:4 / /mnt/ssd rw - ext4 /dev/nvme0n1p1 rw
35 22 8:5 / /mnt/emmc rw - ext4 /dev/mmcblk1p1 rw
"""


@pytest.mark.parametrize(
    ("path", "mark", "words"),
    [
        ("/var/lib/edgeface", "ok", "/dev/mmcblk0p2, ext4: an SD card"),
        ("/var/lib/edge face/data", "note", "in memory"),
        ("/media/stick/data", "bad", "has no file owners"),
        ("/mnt/dead", "bad", "read-only"),
        ("/mnt/stopped", "bad", "read-only"),
        ("/mnt/ssd/data", "ok", "/dev/nvme0n1p1, ext4"),
        ("/mnt/emmc/data", "ok", "/dev/mmcblk1p1, ext4"),
    ],
)
def test_the_filesystem_below_the_data_is_known(tmp_path: Path, path: str, mark: str, words: str) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    for name, kind in (("mmcblk0", "SD"), ("mmcblk1", "MMC")):
        (tmp_path / name / "device").mkdir(parents=True)
        (tmp_path / name / "device" / "type").write_text(f"{kind}\n")
    found = disk.mount_of(Path(path), mounts)
    assert found is not None
    finding = disk.filesystem(found, tmp_path)
    assert finding.mark == mark
    assert words in finding.says
    assert ("SD card" in finding.says) == ("mmcblk0" in finding.says)


def test_the_filesystem_of_this_machine_is_found_and_a_silent_kernel_is_no_problem(tmp_path: Path) -> None:
    assert isinstance(disk.mount_of(tmp_path), Mount)
    assert disk.mount_of(tmp_path, tmp_path / "none") is None


def test_no_key_is_made_by_looking(tmp_path: Path) -> None:
    finding, levels = secrets.findings(configured(tmp_path))
    assert (finding.what, finding.mark) == ("key", "ok")
    assert (levels.what, levels.mark) == ("levels", "ok")
    assert not (tmp_path / "data").exists()


def test_what_the_custody_of_the_key_is_worth(tmp_path: Path) -> None:
    settings = configured(tmp_path)
    open_vault(settings.data)
    finding = only(secrets.findings(settings), "key")
    assert finding.mark == "note"
    assert "a stolen card holds both" in finding.says
    assert "edgeface vault seal" in finding.remedy
    (settings.data / FILE).rename(tmp_path / "elsewhere")
    gone = only(secrets.findings(settings), "key")
    assert (gone.mark, "the key is not here" in gone.says) == ("note", True)
    (settings.data / FILE).write_text("something else\n")
    assert only(secrets.findings(settings), "key").mark == "bad"


DOORS = """
mqtt:
doors:
  front: {camera: porch, allow: [{person: alice}], level: low}
  vault: {camera: porch, allow: [{person: alice}], liveness: required}
"""


def test_doors_need_a_key_and_a_level_that_can_be_shown_and_a_face_alone_is_noted(tmp_path: Path) -> None:
    settings = configured(tmp_path, DOORS)
    found = list(secrets.findings(settings))
    assert only(iter(found), "grants").mark == "bad"
    front, vault = (finding for finding in found if finding.what == "door")
    assert (front.mark, ", 0 of at most " in front.says) == ("ok", True)
    assert (vault.mark, vault.says.startswith("vault: ")) == ("ok", True)
    noted = only(iter(found), "results")
    assert (noted.mark, noted.says.startswith("front, vault: no result_key")) == ("note", True)
    *_, noted = liveness.findings(settings)
    assert (noted.mark, noted.says.startswith("door front: a face alone opens it")) == ("note", True)


def test_a_door_whose_results_are_signed_is_no_finding(tmp_path: Path) -> None:
    public = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    keyed = DOORS.replace("level: low", f"result_key: {base64.b64encode(public).decode()}")
    (found,) = [one for one in secrets.findings(configured(tmp_path, keyed)) if one.what == "results"]
    assert found.says.startswith("vault: no result_key")


def test_a_signing_key_is_tried_and_an_altered_one_found(tmp_path: Path) -> None:
    settings = configured(tmp_path, DOORS)
    command = [sys.executable, "-m", "edgeface.cli", "keys", "new", "--kid", "trial", "--data", str(settings.data)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert only(secrets.findings(settings), "grants") == Finding("grants", "signed by key trial")
    file = settings.data / "keys.json"
    text = file.read_text()
    private = text.split('"private"')[1].split('"')[1]
    file.write_text(text.replace(private, private[:-8] + "AAAAAAA="))
    assert only(secrets.findings(settings), "grants").mark == "bad"


def test_an_id_that_holds_two_people_is_a_problem_and_the_gallery_stays_as_it_is(tmp_path: Path) -> None:
    settings = configured(tmp_path)
    vectors = [np.eye(192, dtype=np.float32)[n] for n in range(3)]
    with closing(Gallery.open(settings.data, embedder_name())) as gallery:
        gallery.enroll("both", None, [Template(v, gallery.model, "photo", 1.0) for v in vectors[:2]], 1.0)
        gallery.enroll("alice", None, [Template(vectors[2], gallery.model, "photo", 1.0)], 1.0)
    before = {path.name: path.read_bytes() for path in settings.data.iterdir()}
    finding = only(secrets.findings(settings), "people")
    assert (finding.mark, finding.says.split(" (")[0]) == ("bad", "both: the templates show two people")
    assert "edgeface templates both" in finding.remedy
    after = {path.name: path.read_bytes() for path in settings.data.iterdir() if path.name in before}
    assert after == before


def test_a_look_alike_at_a_door_of_level_high_is_worth_a_note(tmp_path: Path) -> None:
    door = "mqtt:\ndoors:\n  front: {camera: porch, allow: [{person: alice}]}\n"
    settings = configured(tmp_path, door)
    with closing(Gallery.open(settings.data, embedder_name())) as gallery:
        for number, person in enumerate(("alice", "anna", "bob")):
            vector = np.eye(192, dtype=np.float32)[number]
            gallery.enroll(person, None, [Template(vector, gallery.model, "photo", 1.0)], 1.0)
        gallery.link("alice", ["anna"])
    notes = [finding for finding in secrets.findings(settings) if finding.what == "people"]
    assert [(note.mark, note.says.split(":")[0]) for note in notes] == [("note", "alice"), ("note", "anna")]
    assert all(note.says.endswith("no door of level high opens for them: front") for note in notes)


def test_people_are_counted_without_a_change_to_the_gallery(tmp_path: Path) -> None:
    settings = configured(tmp_path, DOORS)
    Gallery.open(settings.data, "model").close()
    before = {path.name: path.read_bytes() for path in settings.data.iterdir()}
    front = [finding for finding in secrets.findings(settings) if finding.what == "door"][-1]
    assert ", 0 of at most" in front.says
    after = {
        path.name: path.read_bytes() for path in settings.data.iterdir() if not path.name.endswith(("-wal", "-shm"))
    }
    assert after == before
    (settings.data / "gallery.db").write_bytes(b"no database at all")
    assert only(secrets.findings(settings), "levels") == Finding(
        "levels", "unknown without the gallery", "note", "sudo edgeface doctor"
    )


def levels_at(settings: Configuration, people: int) -> list[Finding]:
    """What is found about levels with so many people."""
    with closing(Gallery.open(settings.data, embedder_name())) as gallery, gallery.transaction():
        known = {person.id for person in gallery.people()}
        for number in range(people):
            if (who := f"p{number}") not in known:
                vector = np.eye(192, dtype=np.float32)[number]
                gallery.enroll(who, None, [Template(vector, gallery.model, "photo", 1.0)], 1.0)
    return [finding for finding in secrets.findings(settings) if finding.what in {"door", "levels"}]


def test_a_level_that_cannot_be_guaranteed_is_found_at_its_camera_and_door(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, most = ship(TABLE, monkeypatch), 28
    group = ", ".join(f"p{number}" for number in range(most + 1))
    door = "mqtt:\ngroups: {all: [" + group + "]}\ndoors:\n  front: {camera: porch, allow: [{group: all}]}\n"
    settings = configured(tmp_path, door + "recognition: {level: high}\n")
    cosine = table.threshold("high", most)
    assert levels_at(settings, most) == [
        Finding("levels", f"events: level high, cosine {cosine:.3f} or more, {most} of at most {most} people"),
        Finding("door", f"front: level high, cosine {cosine:.3f} or more, {most} of at most {most} people"),
    ]
    events, front = levels_at(settings, most + 1)
    assert (events.mark, front.mark) == ("note", "bad")
    assert events.says.startswith("events: level normal, cosine 0.")
    assert events.says.endswith(f"for {most + 1} people, only for {most}: people are matched at level 'normal'")
    assert front.says.startswith(f"front: level 'high' cannot be guaranteed: {most + 1} of {most} people (ways out: ")


@pytest.mark.broker
def test_the_broker_is_logged_in_to_and_written_to_but_nothing_stays(
    tmp_path: Path, make_broker: Callable[..., Mosquitto], listen: Callable[..., object]
) -> None:
    broker = make_broker()
    heard = listen(broker, "#")
    found = list(doctor_broker.findings(configured(tmp_path, f"mqtt: {{port: {broker.port}}}\n")))
    assert found == [Finding("broker", f"127.0.0.1:{broker.port}: logged in, plaintext; may write")]
    late = listen(broker, "#")
    time.sleep(0.2)
    assert [one.topic for one in heard.heard] == ["edgeface/edgeface/doctor"]  # type: ignore[attr-defined]
    assert late.heard == []  # type: ignore[attr-defined]


@pytest.mark.broker
def test_a_broker_that_denies_is_a_problem(tmp_path: Path, make_broker: Callable[..., Mosquitto]) -> None:
    rights = tmp_path / "acl"
    rights.write_text("topic read #\n")
    rights.chmod(0o644)
    tmp_path.chmod(0o755)
    broker = make_broker("allow_anonymous true", f"acl_file {rights}")
    (denied,) = doctor_broker.findings(configured(tmp_path, f"mqtt: {{port: {broker.port}}}\n"))
    assert (denied.mark, "may not write edgeface/edgeface/#: Not authorized" in denied.says) == ("bad", True)
    assert "access list" in denied.remedy
    shut = make_broker("allow_anonymous false")
    (refused,) = doctor_broker.findings(configured(tmp_path, f"mqtt: {{port: {shut.port}}}\n"))
    assert (refused.mark, "rejects the connection" in refused.says) == ("bad", True)
    assert "mqtt.username" in refused.remedy


@pytest.mark.broker
def test_tls_is_tried_and_a_strangers_certificate_found(tmp_path: Path, make_broker: Callable[..., Mosquitto]) -> None:
    own, other = Authority(tmp_path / "own"), Authority(tmp_path / "other", name="other")
    certificate, key = own.broker()
    for path in (tmp_path, tmp_path / "own", certificate, key, own.ca):
        path.chmod(0o755)
    broker = make_broker("allow_anonymous true", f"cafile {own.ca}", f"certfile {certificate}", f"keyfile {key}")
    known = configured(tmp_path, f"mqtt: {{port: {broker.port}, tls: {{ca: {own.ca}}}}}\n")
    (finding,) = doctor_broker.findings(known)
    assert (finding.mark, "TLS, certificate verified" in finding.says) == ("ok", True), finding
    strange = configured(tmp_path, f"mqtt: {{port: {broker.port}, tls: {{ca: {other.ca}}}}}\n")
    (finding,) = doctor_broker.findings(strange)
    assert (finding.mark, "not trusted" in finding.says) == ("bad", True), finding
    assert "mqtt.tls.ca" in finding.remedy


def test_no_broker_and_a_silent_one(tmp_path: Path) -> None:
    (none,) = doctor_broker.findings(configured(tmp_path))
    assert none.mark == "note"
    (away,) = doctor_broker.findings(configured(tmp_path, "mqtt: {port: 1}\n"))
    assert (away.mark, "apt install mosquitto" in away.remedy) == ("bad", True)


def test_a_password_that_only_the_service_has_is_no_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        text = f"mqtt: {{port: {port}, username: u, password_credential: mqtt}}\n"
        (finding,) = doctor_broker.findings(configured(tmp_path, text))
    assert (finding.mark, "only the service" in finding.says) == ("note", True)


def test_a_broker_on_the_internet_needs_a_hole_in_the_units_wall(tmp_path: Path) -> None:
    settings = configured(tmp_path, camera='{type: opencv, source: "rtsp://u:secret@203.0.113.7/x"}')
    found = only(doctor_broker.findings(settings), "network")
    assert (found.mark, found.remedy) == ("note", "sudo edgeface egress --write")
    assert "secret" not in found.says


def test_cameras_are_looked_at_and_a_missing_one_is_a_problem(tmp_path: Path) -> None:
    good = configured(tmp_path, camera=f"{{type: replay, path: {CLIP}}}")
    (finding,) = cameras.findings(good)
    assert (finding.mark, finding.says.startswith("porch: 640 x 480, brightness")) == ("ok", True), finding
    (finding,) = cameras.findings(configured(tmp_path, camera="{type: opencv, source: /dev/video63}"))
    assert (finding.mark, "/dev/video63 does not exist" in finding.says) == ("bad", True)
    (finding,) = cameras.findings(configured(tmp_path, camera="{type: opencv, source: 63, enabled: false}"))
    assert finding == Finding("camera", "porch: switched off", "note")


def test_a_recording_that_opens_a_door_is_worth_a_note(tmp_path: Path) -> None:
    settings = configured(tmp_path, camera=f"{{type: replay, path: {CLIP}}}")
    door = Door(camera="porch", allow=(AllowRule(person="alice"),))
    found = list(cameras.findings(settings.model_copy(update={"doors": {"front-door": door}})))
    assert [one.mark for one in found] == ["ok", "note"]
    assert found[1].says == "porch: plays a recording, which opens door front-door"


def test_a_camera_that_shows_people_upside_down_is_a_problem_with_its_remedy(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "0.png"), picture(("obama", 200, 90))[::-1, ::-1, ::-1])
    camera = f"type: replay, path: {tmp_path}"
    (finding,) = cameras.findings(configured(tmp_path, camera=f"{{{camera}}}"))
    assert (finding.mark, finding.says.rpartition("; ")[2]) == ("bad", "people are upside down")
    assert finding.remedy == "set rotation: 180 for porch in config.yaml"
    (finding,) = cameras.findings(configured(tmp_path, camera=f"{{{camera}, rotation: 180}}"))
    assert finding.mark == "ok"


def test_the_service_keeps_the_cameras_that_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "systemctl"
    program.write_text('#!/bin/sh\n[ "$*" = "is-active --quiet edgeface.service" ]\n')
    program.chmod(0o755)
    assert shutil.which("sh") is not None
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    (finding,) = cameras.findings(configured(tmp_path, camera="{type: opencv, source: 63}"))
    assert (finding.mark, "in use by the service" in finding.says) == ("note", True)
    settings = configured(tmp_path)
    assert doctor_broker.service_runs(settings)
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert not doctor_broker.service_runs(settings)
    settings.data.mkdir(exist_ok=True)
    with only_one(settings.data / LOCK):  # a daemon in a container, or in the foreground
        assert doctor_broker.service_runs(settings)


def test_the_speed_test_keeps_its_time_and_measures_every_part() -> None:
    began = time.monotonic()
    costs = speed.measure(DEFAULTS, 1.5)
    assert time.monotonic() - began < 15
    assert set(costs) == {(part, threads) for part in ("detect", "landmarks", "embed") for threads in (1, 2)}
    assert all(0 < cost.median <= cost.p95 and cost.calls >= 1 for cost in costs.values())


def test_a_machine_without_time_runs_each_part_once() -> None:
    assert {cost.calls for cost in speed.measure(DEFAULTS, 0.0).values()} == {1}


def test_the_pace_is_that_of_one_thread_shared_by_the_cameras() -> None:
    costs = {("detect", 1): Cost(50, 60, 9), ("landmarks", 1): Cost(20, 30, 9), ("embed", 1): Cost(30, 40, 9)}
    fast = speed.pace({**costs, ("detect", 2): Cost(1, 1, 9)}, 1)
    assert fast.says == "about 10 fps with a new face in each frame, 20 fps if everything moves"
    assert fast.mark == "ok"
    slow = speed.pace(costs, 4)
    assert (slow.mark, slow.says.endswith("2.5 for each of 4 cameras")) == ("note", True)
    assert "fewer cameras" in slow.remedy


@pytest.mark.parametrize(("features", "words"), [((board.DOT,), "half the work"), ((), "saves little")])
def test_the_variant_of_the_embedder_is_told_with_its_reason(
    features: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("edgeface.core.board.cpu_features", lambda: features)
    finding = speed.variant(DEFAULTS)
    assert finding.says.startswith("int8, the shipped variant")
    assert words in finding.says
    own = configured(tmp_path, "embedder: {model: /etc/edgeface/own.tflite}\n")
    assert "own.tflite" in speed.variant(own).says


def test_a_sensor_is_reported_as_untested(tmp_path: Path) -> None:
    companion = "  porch-ir: {type: replay, path: nowhere}\n"
    section = "liveness: {type: infrared, cameras: {porch: {camera: porch-ir}}}\n"
    settings = configured(tmp_path, companion + section)
    only_one = only(liveness.findings(settings), "liveness")
    assert (only_one.says, only_one.mark) == ("infrared: looks through porch-ir; untested with real sensors", "ok")


def test_the_models_that_the_user_brought_are_checked(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "models"
    folder.mkdir(parents=True)
    assert only(liveness.findings(configured(tmp_path)), "liveness").mark == "note"
    (folder / "minifasnet-v2.tflite").write_bytes(b"TFL3")
    files = f"near: {folder}/minifasnet-v2.tflite, wide: {folder}/minifasnet-v1se.tflite"
    found = list(liveness.findings(configured(tmp_path, f"liveness: {{type: minifasnet, {files}}}\n")))
    assert [(one.what, one.mark) for one in found] == [("models", "bad"), ("liveness", "bad"), ("liveness", "bad")]
    assert found[0].says == "minifasnet-v2: damaged, or changed by someone"
    assert found[1].says.startswith("near: ")
    assert "cannot be read (No such file or directory)" in found[2].says
