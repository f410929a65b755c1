import difflib
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("starlette")

from edgeface.config.places import WRITTEN_BY_APP
from edgeface.faces.detectors.tiled_blazeface import BlazefaceDetector
from tests.support.web import CAMERA, Stage, client, context, stage  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from httpx import Response
    from starlette.testclient import TestClient

    Client = Callable[..., TestClient]

VIEW = f"/api/v1/cameras/{CAMERA}/view"
DETECTOR = "/api/v1/detector"
REGION = {"region": [0.1, 0.2, 0.9, 1]}

# Fixtures of tests/support/web.py are arguments here.
# ruff: noqa: F811


@pytest.fixture
def admin(client: "Client") -> "TestClient":
    return client("admin")


@pytest.fixture
def source(stage: Stage) -> "Path":
    return stage.folder / "config.yaml"


def tag(client: "TestClient") -> str:
    return str(client.get(VIEW).headers["etag"])


def put(client: "TestClient", path: str, body: Any, match: str | None = None) -> "Response":
    answer: Response = client.put(path, json=body, headers={"if-match": match or tag(client)})
    return answer


def changes(before: str, after: str) -> list[str]:
    return [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "+-"]


def test_a_region_is_written_with_the_comments_kept_and_read_again(
    admin: "TestClient", stage: Stage, source: "Path"
) -> None:
    before = source.read_text()
    answer = put(admin, VIEW, REGION)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"changed": f"cameras.{CAMERA}.region", "effective": "at_once"}
    assert changes(before, source.read_text()) == ["+     region: [0.1, 0.2, 0.9, 1.0]"]
    assert stage.reloads == 1
    assert stage.context.configuration().cameras[CAMERA].region == (0.1, 0.2, 0.9, 1.0)
    now = admin.get(VIEW)
    assert now.headers["etag"] == answer.headers["etag"]
    assert now.json() == {
        "camera": CAMERA,
        "region": [0.1, 0.2, 0.9, 1.0],
        "smallest_face": 60,
        "writable": True,
        "problem": None,
    }


def test_the_smallest_face_is_written_where_there_is_no_detector_yet(
    admin: "TestClient", stage: Stage, source: "Path"
) -> None:
    before = source.read_text()
    answer = put(admin, DETECTOR, {"smallest_face": 90})
    assert answer.json() == {"changed": "detector.smallest_face", "effective": "at_once"}
    assert changes(before, source.read_text()) == ["+ detector: {type: blazeface, smallest_face: 90}"]
    again = put(admin, DETECTOR, {"smallest_face": 45}, answer.headers["etag"])
    assert again.status_code == 200
    assert changes(before, source.read_text()) == ["+ detector: {type: blazeface, smallest_face: 45}"]
    detector = stage.context.configuration().detector
    assert isinstance(detector, BlazefaceDetector)
    assert detector.smallest_face == 45


def test_what_waits_for_a_restart_is_told(admin: "TestClient", stage: Stage, source: "Path") -> None:
    source.write_text(source.read_text().replace("type: replay\n", "type: replay\n    rotation: 90\n"))
    running = stage.context.configuration()
    answer = put(admin, VIEW, REGION)
    # The daemon still runs with the old camera, because another key of it differs.
    assert running.cameras[CAMERA].rotation == 0
    assert answer.json()["effective"] == "restart"


def test_a_file_that_home_assistants_app_writes_again_is_not_changed(admin: "TestClient", source: "Path") -> None:
    source.write_text(f"{WRITTEN_BY_APP} from its options\n{source.read_text()}")
    before = source.read_bytes()
    answer = put(admin, VIEW, REGION)
    assert answer.status_code == 409
    assert "change the app's options" in answer.json()["detail"]
    assert source.read_bytes() == before


def test_mode_and_owner_of_the_file_stay(admin: "TestClient", source: "Path") -> None:
    source.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(source, 1234, 4321)
    before = source.stat()
    assert put(admin, VIEW, REGION).status_code == 200
    after = source.stat()
    assert stat.S_IMODE(after.st_mode) == 0o640
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)
    assert [path.name for path in source.parent.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    "region",
    [
        [0.9, 0, 0.1, 1],
        [0.5, 0, 0.5, 1],
        [0.50001, 0, 0.50004, 1],
        [0, 0, 1.1, 1],
        [-0.1, 0, 1, 1],
        [0, 0, 1],
        [0, 0, 1, 1, 1],
        ["0", 0, 1, 1],
        [None, 0, 1, 1],
        [True, 0, 1, 1],
        "whole",
        {},
        [[0], 0, 1, 1],
        [1e400, 0, 1, 1],
        [0, 0, 1e-320, 1],
    ],
)
def test_a_region_that_is_none_changes_nothing(admin: "TestClient", stage: Stage, source: "Path", region: Any) -> None:
    before = source.read_bytes()
    match = tag(admin)
    if region == [1e400, 0, 1, 1]:
        headers = {"if-match": match, "content-type": "application/json"}
        answer = admin.put(VIEW, content='{"region": [1e400, 0, 1, 1]}', headers=headers)
    else:
        answer = put(admin, VIEW, {"region": region}, match)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert source.read_bytes() == before
    assert stage.reloads == 0


@pytest.mark.parametrize("value", [15, 1001, -1, 60.5, "60", None, True, [60], 10**30])
def test_a_smallest_face_that_is_none_changes_nothing(admin: "TestClient", source: "Path", value: Any) -> None:
    before = source.read_bytes()
    assert put(admin, DETECTOR, {"smallest_face": value}).status_code == 422
    assert source.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"", "application/json", 400),
        (b'{"region": [NaN, 0, 1, 1]}', "application/json", 400),
        (b"region=1", "application/x-www-form-urlencoded", 415),
        (b'{"region": [0, 0, 1, 1], "more": 1}', "application/json", 422),
        (b"[" * 60_000, "application/json", 400),
    ],
)
def test_a_body_that_is_none_is_told_so(admin: "TestClient", content: bytes, kind: str, status: int) -> None:
    headers = {"if-match": tag(admin), "content-type": kind}
    assert admin.put(VIEW, content=content, headers=headers).status_code == status


def test_who_has_not_seen_the_file_as_it_is_changes_nothing(admin: "TestClient", source: "Path") -> None:
    match = tag(admin)
    source.write_text(source.read_text() + "# somebody's note\n")
    before = source.read_bytes()
    assert put(admin, VIEW, REGION, match).status_code == 412
    assert admin.put(VIEW, json=REGION).status_code == 428
    assert source.read_bytes() == before
    assert put(admin, VIEW, REGION).status_code == 200


def test_of_two_who_change_it_at_once_one_is_told(client: "Client", stage: Stage) -> None:
    clients = [client("admin") for _ in range(6)]
    match = tag(clients[0])
    bodies = [{"region": [n / 10, 0, 1, 1]} for n in range(6)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda pair: put(pair[0], VIEW, pair[1], match), zip(clients, bodies, strict=True)))
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412, 412]
    (won,) = [n for n, answer in enumerate(answers) if answer.status_code == 200]
    region = stage.context.configuration().cameras[CAMERA].region
    assert region is not None
    assert region[0] == won / 10


def test_only_an_admin_changes_it(client: "Client", source: "Path") -> None:
    viewer, before = client("viewer"), source.read_bytes()
    match = tag(viewer)
    assert put(viewer, VIEW, REGION, match).status_code == 403
    assert put(viewer, DETECTOR, {"smallest_face": 90}, match).status_code == 403
    assert client().put(VIEW, json=REGION, headers={"if-match": match}).status_code == 401
    forged = client("admin")
    del forged.headers["x-csrf-token"]
    assert put(forged, VIEW, REGION, match).status_code == 403
    assert source.read_bytes() == before


def test_a_link_is_not_replaced(admin: "TestClient", stage: Stage, source: "Path") -> None:
    real = stage.folder / "real.yaml"
    source.rename(real)
    source.symlink_to(real)
    before, match = real.read_bytes(), tag(admin)
    answer = put(admin, VIEW, REGION, match)
    assert answer.status_code == 409
    assert "is a link" in answer.json()["detail"]
    assert source.is_symlink()
    assert real.read_bytes() == before
    said = admin.get(VIEW).json()
    assert said["writable"] is False
    assert "is a link" in said["problem"]


def test_a_second_name_is_not_torn_off(admin: "TestClient", stage: Stage, source: "Path") -> None:
    (stage.folder / "other.yaml").hardlink_to(source)
    answer = put(admin, VIEW, REGION)
    assert (answer.status_code, "more than one name" in answer.json()["detail"]) == (409, True)


def test_a_file_that_is_read_only_stays_so(admin: "TestClient", source: "Path") -> None:
    source.chmod(0o444)
    answer = put(admin, VIEW, REGION)
    assert answer.status_code == 409
    assert "read-only" in answer.json()["detail"]
    assert admin.get(VIEW).json()["writable"] is False


def test_a_file_with_mistakes_or_none_at_all_is_told(admin: "TestClient", source: "Path", stage: Stage) -> None:
    match = tag(admin)
    source.write_text("cameras: {porch: {type: replay, path: a.mp4, regio: 1}}\n")
    answer = put(admin, VIEW, REGION, "*")
    assert answer.status_code == 409
    assert "did you mean region" in answer.json()["detail"]
    assert admin.get(VIEW).json()["problem"].startswith("config.yaml has mistakes")
    source.unlink()
    assert put(admin, VIEW, REGION, match).status_code == 409
    object.__setattr__(stage.context, "source", None)
    answer = put(admin, VIEW, REGION, match)
    assert (answer.status_code, "without a config.yaml" in answer.json()["detail"]) == (409, True)


def test_a_camera_or_a_detector_that_is_not_there_is_told(admin: "TestClient", source: "Path") -> None:
    assert put(admin, "/api/v1/cameras/nowhere/view", REGION).status_code == 404
    assert admin.get("/api/v1/cameras/nowhere/view").status_code == 404
    source.write_text(source.read_text() + "detector: {type: mediapipe}\n")
    answer = put(admin, DETECTOR, {"smallest_face": 90})
    assert (answer.status_code, answer.json()["detail"]) == (409, "the detector mediapipe has no smallest face")
    assert admin.get(VIEW).json()["smallest_face"] is None
