"""The REST interface: what each route does, and how it handles bad input."""

from __future__ import annotations

import http.client
import json
import re
import resource
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import httpx
import numpy as np
import pytest

from edgeface.config.configuration import Configuration, Web
from edgeface.core.clock import SystemClock
from edgeface.daemon.daemon import Daemon
from edgeface.demo.scenario import CLIP
from edgeface.faces.embedder import embedder_name
from edgeface.gallery.gallery import Gallery
from edgeface.gallery.snapshot import Template
from edgeface.web.api import OPERATIONS, events
from edgeface.web.auth.accounts import make_token as make_account
from edgeface.web.http import limits
from edgeface.web.http.throttle import Cooldown
from tests.support.doors import SHORT, TABLE, guarded, ship
from tests.support.photos import scene
from tests.support.threaded import threaded
from tests.support.web import CAMERA, ORIGIN, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.testclient import TestClient

    from edgeface.core.types import Image
    from edgeface.gallery.snapshot import GallerySnapshot
    from edgeface.web.server import Server
    from tests.support.web import Stage

API = "/api/v1"
DATA = Path(__file__).parents[1] / "data"

Files = list[tuple[str, tuple[str, bytes, str]]]


@pytest.fixture
def admin(client: Callable[..., TestClient]) -> TestClient:
    return client("admin", token=True)


@pytest.fixture
def viewer(client: Callable[..., TestClient]) -> TestClient:
    return client("viewer", token=True)


def jpeg(image: Image) -> bytes:
    return cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()


def files(*names: str) -> Files:
    return [("photos", (f"{name}.jpg", (DATA / f"{name}.jpg").read_bytes(), "image/jpeg")) for name in names]


def rows(stage: Stage) -> dict[str, list[Any]]:
    """All rows of the gallery's file."""
    with closing(sqlite3.connect(stage.data / "gallery.db")) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables}  # noqa: S608 - ours


def peak_memory() -> int:
    """Peak memory of this process in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def detail(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    return str(answer.json().get("detail", ""))


# Recognition


def test_a_picture_is_recognised_with_score_level_and_quality(admin: TestClient) -> None:
    answer = admin.post(f"{API}/recognise", files={"image": ("x.jpg", (DATA / "obama2.jpg").read_bytes())})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    (face,) = found["faces"]
    assert (face["label"], face["person"], face["name"], face["reason"]) == ("match", "barack", "Barack", None)
    assert face["score"] >= face["threshold"]
    assert face["margin"] > 0.08
    assert face["level"] == "normal"
    assert face["quality"]["height_px"] >= 40
    assert found["frame_size"] == [512, 512] or len(found["frame_size"]) == 2
    left, top, right, bottom = face["box"]
    assert 0 <= left < right <= found["frame_size"][0]
    assert 0 <= top < bottom <= found["frame_size"][1]
    assert found["model"] == embedder_name()


def test_a_raw_body_is_taken_too_and_a_stranger_is_unknown_by_their_id(admin: TestClient) -> None:
    picture = (DATA / "biden.jpg").read_bytes()
    answer = admin.post(f"{API}/recognise", content=picture, headers={"content-type": "image/jpeg"})
    (face,) = answer.json()["faces"]
    assert (face["label"], face["person"], face["name"], face["unknown"]) == ("unknown", None, None, UNKNOWN)


def test_a_face_that_cannot_be_judged_says_why(admin: TestClient) -> None:
    dark = (scene("obama", 100, 40, 400) // 9).astype(np.uint8)
    answer = admin.post(f"{API}/recognise", content=jpeg(dark), headers={"content-type": "image/jpeg"})
    (face,) = answer.json()["faces"]
    assert (face["label"], face["reason"], face["score"]) == ("not_judged", "dark", None)


def test_no_face_is_an_empty_list_and_no_mistake(admin: TestClient) -> None:
    grey = np.full((300, 400, 3), 127, np.uint8)
    answer = admin.post(f"{API}/recognise", content=jpeg(grey), headers={"content-type": "image/jpeg"})
    assert answer.status_code == 200
    assert (answer.json()["faces"], answer.json()["frame_size"]) == ([], [400, 300])


def test_a_face_is_matched_at_the_level_that_holds(
    stage: Stage, admin: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    ship(TABLE, monkeypatch)
    path = stage.folder / "config.yaml"
    path.write_text(path.read_text() + "recognition: {level: high}\n")
    stage.context.reload()
    with stage.context.gallery() as gallery, gallery.transaction():
        for seed in range(300):
            vector = np.random.default_rng(seed).standard_normal(192).astype(np.float32)
            vector /= np.linalg.norm(vector)
            gallery.enroll(f"p{seed}", None, [Template(vector, gallery.model, "import", 1.0)], 1.0)
    answer = admin.post(
        f"{API}/recognise", content=(DATA / "obama2.jpg").read_bytes(), headers={"content-type": "image/jpeg"}
    )
    (face,) = answer.json()["faces"]
    assert (face["level"], face["level_basis"], face["threshold"]) == ("low", "measured", TABLE.threshold("low", 301))


@pytest.mark.parametrize(
    ("body", "kind", "status", "says"),
    [
        (b"hello", "image/jpeg", 422, "neither JPEG"),
        (b"", "image/jpeg", 422, ""),
        (b"{}", "application/json", 415, "image/jpeg"),
        (b"\xff\xd8\xff\xe0" + b"x" * 1000, "image/jpeg", 422, ""),
        (b"GIF89a" + b"x" * 100, "image/png", 422, "a GIF"),
    ],
)
def test_what_is_no_picture_is_refused(admin: TestClient, body: bytes, kind: str, status: int, says: str) -> None:
    assert says in detail(admin.post(f"{API}/recognise", content=body, headers={"content-type": kind}), status)


def test_an_upload_of_200_megabytes_stops_at_10(
    server: Server, stage: Stage, admin: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A busy machine is slow to send all of it, and only then reads the answer.
    monkeypatch.setattr(limits, "DRAIN_SECONDS", 60.0)
    before, peak = rows(stage), peak_memory()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    headers = {"authorization": admin.headers["authorization"], "content-type": "image/jpeg"}
    chunks = (b"x" * 1_000_000 for _ in range(200))
    connection.request("POST", f"{API}/recognise", chunks, headers, encode_chunked=True)
    answer = connection.getresponse()
    assert (answer.status, b"10 MB" in answer.read()) == (413, True)
    connection.close()
    assert peak_memory() - peak < 100_000_000
    assert rows(stage) == before


def test_what_an_upload_says_of_its_size_is_not_believed(admin: TestClient) -> None:
    answer = admin.post(f"{API}/recognise", content=b"x" * 10_000_001, headers={"content-type": "image/jpeg"})
    assert "10 MB" in detail(answer, 413)
    kind = {"content-type": "image/jpeg", "content-length": "9" * 50}
    assert admin.post(f"{API}/recognise", content=b"x", headers=kind).status_code == 422


# People


def test_several_are_erased_together_or_none(stage: Stage, admin: TestClient, viewer: TestClient) -> None:
    detail(viewer.delete(f"{API}/people?id=barack"), 403)
    detail(admin.delete(f"{API}/people"), 422)
    detail(admin.delete(f"{API}/people", params={"id": ["x"] * 101}), 422)
    assert "nothing was erased" in detail(admin.delete(f"{API}/people?id=barack&id=nobody"), 404)
    assert "nothing was erased" in detail(admin.delete(f"{API}/people?id=barack&id=../../etc"), 404)
    assert admin.get(f"{API}/people/barack").status_code == 200
    answer = admin.delete(f"{API}/people?id=barack&id=eileen&id=barack")
    assert answer.status_code == 200
    assert (answer.json()["ids"], answer.json()["forgotten"]) == (["barack", "eileen"], True)
    assert answer.json()["traces"] == []
    assert admin.get(f"{API}/people").json()["people"] == []
    assert stage.context.journal.verify().fault is None


def test_people_are_found_by_name_and_id(viewer: TestClient) -> None:
    def found(text: str) -> list[str]:
        return [one["id"] for one in viewer.get(f"{API}/people", params={"q": text}).json()["people"]]

    assert found("BARACK") == found("arac") == ["barack"]
    assert (found(""), found("nobody"), found("%")) == (["barack", "eileen"], [], [])
    detail(viewer.get(f"{API}/people", params={"q": "x" * 101}), 422)


def test_a_picture_is_compared_with_the_people_at_hand(stage: Stage, admin: TestClient) -> None:
    with stage.context.gallery() as gallery:
        snapshot = gallery.snapshot()
    read: list[str] = []

    def latest() -> GallerySnapshot:
        read.append("latest")
        return snapshot

    object.__setattr__(stage.context, "latest", latest)
    answer = admin.post(f"{API}/recognise", files={"image": files("obama2")[0][1]})
    assert answer.json()["faces"][0]["person"] == "barack"
    assert read == ["latest"]


def test_people_are_listed_page_by_page_and_a_known_list_is_not_sent_again(viewer: TestClient) -> None:
    first = viewer.get(f"{API}/people", params={"limit": 1})
    assert [one["id"] for one in first.json()["people"]] == ["barack"]
    second = viewer.get(f"{API}/people", params={"limit": 1, "cursor": first.json()["next"]})
    assert [one["id"] for one in second.json()["people"]] == ["eileen"]
    assert second.json()["next"] is None
    again = viewer.get(f"{API}/people", params={"limit": 1}, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    one = viewer.get(f"{API}/people/barack").json()
    assert one == first.json()["people"][0]
    assert (one["name"], one["templates"], one["foreign"], one["expired"]) == ("Barack", 1, 0, False)


def test_somebody_is_enrolled_from_photos_and_the_audit_trail_has_it(stage: Stage, admin: TestClient) -> None:
    admin.delete(f"{API}/people/barack")
    stage.notes.clear()
    form = {"id": "obama", "name": "Barack O.", "given": "2026-01-01", "expires": "2036-01-01"}
    answer = admin.post(f"{API}/people", data=form, files=files("obama", "obama2"))
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"{API}/people/obama"
    made = answer.json()
    assert (made["person"]["name"], made["person"]["templates"]) == ("Barack O.", 2)
    assert (made["person"]["consent"], made["person"]["expires"]) == ("2026-01-01", "2036-01-01")
    assert made["notes"] == ["obama: enrolled from 2 photos; 3 or more different photos work better"]
    assert [kind for kind, _ in stage.notes] == ["enrolled", "consent"]
    more = admin.post(f"{API}/people", data={"id": "obama"}, files=files("obama3"))
    assert (more.status_code, more.json()["person"]["templates"]) == (200, 3)
    assert "embedding" not in answer.text + more.text


def test_a_name_is_enough_and_the_answer_has_the_id_that_was_made(admin: TestClient) -> None:
    answer = admin.post(f"{API}/people", data={"name": "Joe Biden"}, files=files("biden"))
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"{API}/people/joe-biden"
    assert (answer.json()["person"]["id"], answer.json()["person"]["name"]) == ("joe-biden", "Joe Biden")
    # The same name for another face is another person, and never more photos of the first.
    admin.delete(f"{API}/people/barack")
    other = admin.post(f"{API}/people", data={"name": "Joe Biden"}, files=files("obama"))
    assert (other.status_code, other.json()["person"]["id"]) == (201, "joe-biden-2")
    for nameless in ({}, {"name": ""}, {"name": " \u200f "}):
        detail(admin.post(f"{API}/people", data=nameless, files=files("obama2")), 422)


def test_an_unknown_gets_an_id_from_the_name(admin: TestClient) -> None:
    answer = admin.post(f"{API}/unknowns/{UNKNOWN}/enroll", json={"name": "Zoë"})
    assert (answer.status_code, answer.json()["person"]["id"]) == (201, "zoe"), answer.text


@pytest.mark.parametrize(
    ("form", "photos", "status", "says"),
    [
        ({"id": "bob"}, files("obama2"), 422, "this face is already enrolled as barack "),
        ({"id": "bob"}, [("photos", ("a.txt", b"hello", "text/plain"))], 422, "a.txt"),
        ({"id": "bob"}, [], 415, "multipart"),
        ({"id": "Bob!"}, files("biden"), 422, "id: "),
        ({"id": "u-1234"}, files("biden"), 422, "reserved for unknowns"),
        ({"id": "bob", "name": "n" * 1_000_000}, files("biden"), 400, ""),
        ({"id": "bob", "name": "n" * 101}, files("biden"), 422, "name: "),
        ({"id": "bob", "given": "soon"}, files("biden"), 422, "given: "),
        ({"id": "bob", "given": "2026-01-02", "expires": "2026-01-01"}, files("biden"), 422, "after given"),
        ({"id": "bob", "role": "admin"}, files("biden"), 422, "role: "),
        ({"id": "bob", "photos": "x"}, files("biden"), 422, "must have a file"),
        ({"id": "bob"}, [("other", ("a.jpg", b"x", "image/jpeg"))], 422, "other: "),
        ({"id": "bob"}, files(*["biden"] * 11), 400, "10"),
    ],
)
def test_an_enrollment_that_is_refused_stores_nothing(
    stage: Stage, admin: TestClient, form: dict[str, str], photos: Files, status: int, says: str
) -> None:
    before = rows(stage)
    answer = admin.post(f"{API}/people", data=form, files=photos or None)
    detail(answer, status)
    assert says in answer.text
    assert rows(stage) == before
    assert stage.notes == []


@pytest.mark.parametrize("faces", [0, 10])
def test_a_photo_without_a_face_or_with_ten_is_refused(stage: Stage, admin: TestClient, faces: int) -> None:
    canvas = np.full((960, 1280, 3), 110, np.uint8)
    for n in range(faces):
        part = scene(("biden", "obama")[n % 2], 0, 0, 240, 256, 480)
        canvas[(n // 5) * 480 :, (n % 5) * 256 :][:480, :256] = part
    before = rows(stage)
    photo = [("photos", ("ten.jpg", jpeg(canvas), "image/jpeg"))]
    answer = admin.post(f"{API}/people", data={"id": "bob"}, files=[*photo, *files("biden")])
    detail(answer, 422)
    (line,) = answer.json()["errors"]
    assert line.startswith("ten.jpg: ")
    assert ("no face" in line) if not faces else re.search(r"\d+ faces", line)
    assert rows(stage) == before
    kept = admin.post(f"{API}/people", data={"id": "bob", "skip_bad": "true"}, files=[*photo, *files("biden")])
    assert kept.status_code == 201, kept.text
    assert kept.json()["left_out"] == [line]


def test_a_person_is_changed_as_a_whole_and_only_as_they_were_seen(stage: Stage, admin: TestClient) -> None:
    seen = admin.get(f"{API}/people/barack").headers["etag"]
    changed = admin.patch(
        f"{API}/people/barack", json={"name": "B. O.", "given": "2026-01-01"}, headers={"if-match": seen}
    )
    assert changed.status_code == 200, changed.text
    assert (changed.json()["name"], changed.json()["consent"]) == ("B. O.", "2026-01-01")
    assert changed.headers["etag"] == admin.get(f"{API}/people/barack").headers["etag"] != seen
    assert [kind for kind, _ in stage.notes] == ["renamed", "consent"]
    late = admin.patch(f"{API}/people/barack", json={"name": "X"}, headers={"if-match": seen})
    assert "in the meantime" in detail(late, 412)
    half = admin.patch(f"{API}/people/barack", json={"name": "X", "expires": "2025-01-01"})
    assert "cannot end on" in detail(half, 422)
    assert admin.get(f"{API}/people/barack").json()["name"] == "B. O."
    never = admin.patch(f"{API}/people/barack", json={"expires": "never"})
    assert (never.status_code, never.json()["expires"]) == (200, None)


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b'{"name": "a", "name": "b"}', 400, "twice"),
        (b'{"name": NaN}', 400, "NaN"),
        (b"[" * 60_000, 400, "deeply"),
        (b'{"name": "\xff"}', 400, "UTF-8"),
        (b'{"name": "\\ud800"}', 422, "name"),
        (b'{"name": 7}', 422, "name"),
        (b'{"names": "x"}', 422, "names"),
        (b'{"given": "2026-02-30"}', 422, "given"),
        (b'{"name": ' + b"9" * 5_000 + b"}", 400, ""),
        (b"[]", 422, "body"),
        (b"", 400, "not JSON"),
        (b'{"name": "' + b"n" * 1_000_000 + b'"}', 413, "64 kB"),
        (b'{"name": "' + b"n" * 101 + b'"}', 422, "name"),
    ],
    ids=range(13),
)
def test_json_that_is_wrong_changes_nothing(
    stage: Stage, admin: TestClient, body: bytes, status: int, says: str
) -> None:
    before = rows(stage)
    answer = admin.patch(f"{API}/people/barack", content=body, headers={"content-type": "application/json"})
    detail(answer, status)
    assert says in answer.text
    assert rows(stage) == before
    assert stage.notes == []


def test_json_is_said_to_be_json(admin: TestClient) -> None:
    answer = admin.patch(f"{API}/people/barack", content=b"{}", headers={"content-type": "text/plain"})
    assert "application/json" in detail(answer, 415)


def test_somebody_is_forgotten_with_a_proof(stage: Stage, admin: TestClient) -> None:
    stage.context.hub.on_message({"kind": "match", "person": "barack", "name": "Barack"})
    answer = admin.delete(f"{API}/people/barack")
    assert answer.status_code == 200, answer.text
    assert stage.context.hub.recent() == []
    proof = answer.json()
    assert (proof["forgotten"], proof["traces"], proof["templates"]) == (True, [], 1)
    assert proof["files_searched"] >= 3
    detail(admin.get(f"{API}/people/barack"), 404)
    detail(admin.delete(f"{API}/people/barack"), 404)
    kinds = [entry.row.kind for entry in stage.context.journal.rows()]
    assert kinds.count("deleted") == 1
    redacted = admin.get(f"{API}/events", params={"kinds": "match"}).json()["rows"]
    assert [(row["redacted"], row["facts"]) for row in redacted] == [(True, None)] * len(redacted) != []


def test_two_ids_of_one_person_become_one(stage: Stage, admin: TestClient) -> None:
    with stage.context.gallery() as gallery, stage.context.analyzer() as analyzer:
        from edgeface.imaging import photos
        from tests.support.shots import embedding_of

        embedding = embedding_of(analyzer, photos.load(DATA / "obama2.jpg"))
        gallery.enroll("barry", "Barry", [Template(embedding, gallery.model, "photo", 1.0)], 1.0)
    pairs = admin.get(f"{API}/alike").json()
    assert [(pair["one"], pair["other"]) for pair in pairs["pairs"]] == [("barack", "barry")]
    assert pairs["pairs"][0]["score"] >= pairs["threshold"]
    answer = admin.post(f"{API}/people/barry/merge", json={"into": "barack"})
    assert (answer.status_code, answer.json()["forgotten"]) == (200, True), answer.text
    assert [(one["id"], one["templates"]) for one in admin.get(f"{API}/people").json()["people"]] == [
        ("barack", 2),
        ("eileen", 1),
    ]
    assert stage.notes == [("enrolled", {"person": "barack"})]


@pytest.mark.parametrize(
    ("who", "into", "status"),
    [("barack", "eileen", 409), ("barack", "barack", 422), ("barack", "carol", 404), ("carol", "barack", 404)],
)
def test_different_people_are_not_merged(stage: Stage, admin: TestClient, who: str, into: str, status: int) -> None:
    before = rows(stage)
    detail(admin.post(f"{API}/people/{who}/merge", json={"into": into}), status)
    assert rows(stage) == before


def test_the_copy_of_a_persons_data_has_everything_but_embeddings(admin: TestClient, stage: Stage) -> None:
    with stage.context.gallery() as gallery:
        (template,) = gallery.templates("barack")
    copy = admin.get(f"{API}/people/barack/export")
    assert copy.headers["content-disposition"] == 'attachment; filename="barack.json"'
    found = copy.json()
    assert found["person"]["id"] == "barack"
    assert [one["source"] for one in found["templates"]] == ["photo"]
    assert len(found["pictures"]) == 1
    assert {row["kind"] for row in found["journal"]} >= {"match", "granted"}
    assert f"{template.embedding[0]:.4f}"[:6] not in copy.text


def test_pictures_are_jpegs_by_number(viewer: TestClient) -> None:
    listed = viewer.get(f"{API}/people/barack/pictures").json()["pictures"]
    assert [one["number"] for one in listed] == [0]
    answer = viewer.get(f"{API}/people/barack/pictures/0")
    assert (answer.headers["content-type"], answer.content[:3]) == ("image/jpeg", b"\xff\xd8\xff")
    assert answer.headers["cache-control"] == "no-store"
    for number in ("1", "-1", "x", "9" * 5000, "00"):
        detail(viewer.get(f"{API}/people/barack/pictures/{number}"), 404)
    assert viewer.get(f"{API}/unknowns/{UNKNOWN}/pictures/0").content[:3] == b"\xff\xd8\xff"
    assert viewer.get(f"{API}/unknowns/{UNKNOWN}/pictures").json()["pictures"][0]["number"] == 0


# Unknowns


def test_an_unknown_is_enrolled(stage: Stage, admin: TestClient) -> None:
    listed = admin.get(f"{API}/unknowns").json()
    assert [(one["id"], one["visits"], one["camera"]) for one in listed["unknowns"]] == [(UNKNOWN, 2, CAMERA)]
    assert admin.get(f"{API}/unknowns/{UNKNOWN}").json() == listed["unknowns"][0]
    answer = admin.post(f"{API}/unknowns/{UNKNOWN}/enroll", json={"id": "joe", "name": "Joe"})
    assert (answer.status_code, answer.json()["person"]["name"]) == (201, "Joe"), answer.text
    detail(admin.get(f"{API}/unknowns/{UNKNOWN}"), 404)
    detail(admin.post(f"{API}/unknowns/{UNKNOWN}/enroll", json={"id": "jill"}), 404)
    assert stage.notes == [("enrolled", {"person": "joe", "unknown": UNKNOWN})]


def test_an_unknown_is_ignored(admin: TestClient) -> None:
    detail(admin.post(f"{API}/unknowns/{UNKNOWN}/ignore", json={"id": "barack"}), 409)
    answer = admin.post(f"{API}/unknowns/{UNKNOWN}/ignore", json={"id": "postman"})
    assert (answer.status_code, answer.json()["person"]["ignored"]) == (201, True), answer.text
    seen = admin.post(
        f"{API}/recognise", content=(DATA / "biden.jpg").read_bytes(), headers={"content-type": "image/jpeg"}
    )
    (face,) = seen.json()["faces"]
    assert (face["label"], face["person"]) == ("ignored", None)


def test_an_unknown_is_deleted(admin: TestClient) -> None:
    answer = admin.delete(f"{API}/unknowns/{UNKNOWN}")
    assert (answer.status_code, answer.json()["forgotten"], answer.json()["pictures"]) == (200, True, 1)
    assert admin.get(f"{API}/unknowns").json() == {"unknowns": [], "next": None}
    detail(admin.delete(f"{API}/unknowns/{UNKNOWN}"), 404)
    detail(admin.delete(f"{API}/unknowns/barack"), 404)
    assert admin.get(f"{API}/people/barack").status_code == 200


def test_unknowns_are_listed_page_by_page(stage: Stage, viewer: TestClient) -> None:
    with stage.context.gallery() as gallery:
        (one,) = gallery.unknowns()
        gallery.store_unknowns([replace(one, id=f"u-000{n}", last=one.last - n % 2) for n in range(4)])
    seen: list[str] = []
    cursor = None
    while True:
        page = viewer.get(f"{API}/unknowns", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [one["id"] for one in page["unknowns"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == ["u-0000", "u-0002", UNKNOWN, "u-0001", "u-0003"]


# The journal


def test_the_journal_is_read_backwards_and_forwards(viewer: TestClient, stage: Stage) -> None:
    every = [entry.seq for entry in stage.context.journal.rows()]
    newest = viewer.get(f"{API}/events", params={"limit": 2}).json()
    assert [row["seq"] for row in newest["rows"]] == every[-2:]
    older = viewer.get(f"{API}/events", params={"limit": 200, "before": newest["before"]}).json()
    assert [row["seq"] for row in older["rows"]] == every[:-2]
    assert older["before"] is None
    seen, place = [], 0
    while page := viewer.get(f"{API}/events", params={"limit": 2, "after": place}).json():
        if not page["rows"]:
            assert page["after"] == place
            break
        seen += [row["seq"] for row in page["rows"]]
        place = page["after"]
    assert seen == every


def test_the_journal_is_filtered(viewer: TestClient) -> None:
    found = viewer.get(f"{API}/events", params={"kinds": ["granted", "refused"]}).json()["rows"]
    assert [(row["kind"], row["facts"]["person"]) for row in found] == [("granted", "barack"), ("refused", "eileen")]
    about = viewer.get(f"{API}/events", params={"who": "eileen"}).json()["rows"]
    assert {row["facts"]["person"] for row in about} == {"eileen"}
    assert viewer.get(f"{API}/events", params={"since": "2025-01-01"}).json()["rows"][0]["kind"] == "enrolled"
    assert (
        viewer.get(f"{API}/events", params={"since": "1970-01-01T00:16:42.5Z", "kinds": "refused"}).json()["rows"] == []
    )
    for params in ({"since": "yesterday"}, {"until": "2026-02-30"}, {"kind": "birthday"}, {"limit": 0}, {"limit": 201},
                   {"after": -1}, {"before": "9" * 30}):  # fmt: skip
        detail(viewer.get(f"{API}/events", params=params), 422)
    detail(viewer.get(f"{API}/events?limit=1&limit=2"), 422)


def test_filters_of_the_journal_are_named_as_the_rows(viewer: TestClient, admin: TestClient) -> None:
    def found(**params: Any) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = viewer.get(f"{API}/events", params=params).json()["rows"]
        lines = admin.get(f"{API}/audit/export", params=params).text.splitlines()
        assert [json.loads(line)["seq"] for line in lines] == [row["seq"] for row in rows]
        return rows

    everything = found()
    assert [row["kind"] for row in found(kind=["granted", "refused"])] == ["granted", "refused"]
    for name, value in (("person", "barack"), ("camera", CAMERA), ("door", "front")):
        matching = [row for row in everything if row["facts"].get(name) == value]
        assert 0 < len(matching) < len(everything)
        assert found(**{name: value}) == matching
    assert found(unknown=UNKNOWN) == [row for row in everything if row["facts"].get("unknown") == UNKNOWN]
    assert found(person=UNKNOWN) == found(camera="nowhere") == []
    assert [row["kind"] for row in found(person="barack", door="front")] == ["granted"]
    day = found(since="1970-01-01", until="1970-01-01")
    assert {"granted", "refused"} <= {row["kind"] for row in day} < {row["kind"] for row in everything}
    assert found(until="1970-01-01T00:16:42Z", kind="refused") == []
    assert len(found(until="1970-01-01T00:16:42.5Z", kind="refused")) == 1


def test_a_filter_that_reads_rows_one_by_one_stops_and_can_be_continued(
    viewer: TestClient, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_PAGE", 3)
    monkeypatch.setattr(events, "MAX_READ", 6)
    for n in range(20):
        stage.context.journal.record("opened", 2e9 + n, {"door": "back" if n % 7 == 0 else "front"})
    every = [row.seq for row in stage.context.journal.rows() if json.loads(row.row.payload).get("door") == "back"]
    assert len(every) == 3
    for place in ("before", "after"):
        seen, answer = (
            list[int](),
            viewer.get(f"{API}/events", params={"door": "back", **({"after": 0} if place == "after" else {})}).json(),
        )
        for _ in range(20):
            part = [row["seq"] for row in answer["rows"]]
            seen = part + seen if place == "before" else seen + part
            if answer[place] is None or (place == "after" and answer["after"] >= stage.context.journal.head()[0]):
                break
            answer = viewer.get(f"{API}/events", params={"door": "back", place: answer[place]}).json()
        assert seen == every, place


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("camrea=porch", "unknown parameter 'camrea': did you mean 'camera'?"),
        ("peron=barack", "unknown parameter 'peron': did you mean 'person'?"),
        ("Kind=match", "unknown parameter 'Kind': did you mean 'kind'?"),
        ("q7=red", "unknown parameter 'q7'; known are kind, person, unknown, camera, door, since, until, before,"),
        ("%1b%5B31m=x", "unknown parameter '[31m'; known"),
    ],
)
def test_a_misspelled_filter_selects_nothing_by_mistake(viewer: TestClient, query: str, says: str) -> None:
    assert detail(viewer.get(f"{API}/events?{query}"), 400).startswith(says)


def test_every_operation_refuses_a_parameter_that_it_does_not_have(admin: TestClient) -> None:
    for one in OPERATIONS:
        path = re.sub(r"\{(\w+)\}", "x1", f"{API}{one.path}")
        answer = admin.request(one.method, path, params={"qqqqq": "1"})
        assert detail(answer, 400).startswith("unknown parameter 'qqqqq'; known are "), one.id


def test_a_kind_that_is_misspelled_is_named(viewer: TestClient) -> None:
    answer = viewer.get(f"{API}/events", params={"kind": "matches"})
    assert answer.status_code == 422
    assert answer.json()["errors"] == ["kind.0: not a kind of row; did you mean 'match'?"]


def test_recognise_is_spelled_either_way(admin: TestClient) -> None:
    picture = (DATA / "obama2.jpg").read_bytes()
    answers = [admin.post(f"{API}/{word}", files={"image": ("x.jpg", picture)}) for word in ("recognise", "recognize")]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["faces"][0]["person"] == "barack"
    paths = admin.get(f"{API}/openapi.json").json()["paths"]
    one, other = (dict(paths[f"{API}/{word}"]["post"]) for word in ("recognise", "recognize"))
    assert one.pop("operationId") != other.pop("operationId")
    assert one == other


def test_the_journal_is_verified_one_at_a_time_and_not_too_often(
    admin: TestClient, viewer: TestClient, stage: Stage
) -> None:
    answer = admin.get(f"{API}/audit/verify")
    assert answer.status_code == 200, answer.text
    assert answer.json()["intact"] is True
    assert answer.json()["head"] == stage.context.journal.head()[1]
    again = admin.get(f"{API}/audit/verify")
    detail(again, 429)
    assert 1 <= int(again.headers["retry-after"]) <= 10
    detail(viewer.get(f"{API}/audit/verify"), 403)
    with closing(sqlite3.connect(stage.data / "journal.db")) as connection, connection:
        connection.execute("UPDATE rows SET at = at + 1 WHERE seq = 2")
    stage.app.state.verifying = Cooldown(0.0, stage.context.clock)
    fault = admin.get(f"{API}/audit/verify").json()
    assert (fault["intact"], fault["rows"]) == (False, 1)
    assert "row 2 is altered" in fault["fault"]


def test_the_journal_is_exported_as_lines(admin: TestClient, stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_PAGE", 2)
    answer = admin.get(f"{API}/audit/export")
    assert answer.headers["content-type"].startswith("application/jsonl")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["seq"] for line in lines] == [entry.seq for entry in stage.context.journal.rows()]
    assert [line["link"] for line in lines][-1] == stage.context.journal.head()[1]


def test_a_journal_that_cannot_be_read_is_no_empty_journal(admin: TestClient, stage: Stage) -> None:
    stage.context.journal.close()
    for path in ("events", "audit/export", "people/barack/export"):
        assert detail(admin.get(f"{API}/{path}"), 503)


# Cameras, doors, state


def test_cameras_are_told_as_configured_and_as_they_are(viewer: TestClient, stage: Stage) -> None:
    with stage.context.hub.watch(CAMERA):
        found = {one["id"]: one for one in viewer.get(f"{API}/cameras").json()["cameras"]}
    assert (found[CAMERA]["status"], found[CAMERA]["fps"], found[CAMERA]["enabled"]) == ("online", 15.0, True)
    assert (found["yard"]["status"], found["yard"]["fps"], found["yard"]["type"]) == (None, None, "opencv")
    assert viewer.get(f"{API}/state").json()["temperature"] == 51.5
    assert viewer.get(f"{API}/doors").json() == {"doors": []}


def test_a_camera_has_its_id_and_what_people_call_it(viewer: TestClient, stage: Stage) -> None:
    path = stage.folder / "config.yaml"
    path.write_text(path.read_text().replace("    # A clip.", '    name: "Front door"'))
    stage.context.reload()
    found = viewer.get(f"{API}/cameras").json()["cameras"]
    assert [(one["id"], one["name"]) for one in found] == [(CAMERA, "Front door"), ("yard", "yard")]
    assert viewer.get(f"{API}/cameras/{CAMERA}/view").json()["camera"] == CAMERA


def test_a_camera_is_switched_by_the_daemon(admin: TestClient, viewer: TestClient, stage: Stage) -> None:
    url = f"{API}/cameras/{CAMERA}/enabled"
    assert "no cameras run" in detail(admin.put(url, json={"on": False}), 503)
    switched: list[tuple[str, bool]] = []
    stage.app.state.context = replace(stage.context, switch=lambda camera, on: switched.append((camera, on)))
    answer = admin.put(url, json={"on": False})
    assert (answer.status_code, answer.json()) == (202, {"camera": CAMERA, "on": False})
    detail(admin.put(f"{API}/cameras/attic/enabled", json={"on": False}), 404)
    detail(admin.put(url, json={"on": "false"}), 422)
    detail(viewer.put(url, json={"on": True}), 403)
    assert switched == [(CAMERA, False)]


# Configuration


def test_a_configuration_is_checked_line_by_line(admin: TestClient, stage: Stage) -> None:
    def check(text: bytes) -> Any:
        answer = admin.post(f"{API}/config/check", content=text, headers={"content-type": "application/yaml"})
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert check((stage.folder / "config.yaml").read_bytes()) == {"right": True, "mistakes": [], "notes": []}
    found = check(b"cameras:\n  porch: {type: opencv, source: 0}\nmqtt: {hots: x}\n")
    assert found["right"] is False
    assert found["mistakes"] == [{"line": 3, "path": "mqtt.hots", "text": "unknown key (did you mean host?)"}]
    (broken,) = check(b"a: [b\n")["mistakes"]
    assert (broken["line"], broken["path"], broken["text"]) == (1, None, "[ is opened here and never closed")
    assert stage.reloads == 0


def test_a_configuration_of_over_64_kb_is_refused(admin: TestClient) -> None:
    answer = admin.post(f"{API}/config/check", content=b"#" * 70_000, headers={"content-type": "text/plain"})
    assert "64 kB" in detail(answer, 413)


def test_the_schema_of_the_configuration_is_served(viewer: TestClient) -> None:
    answer = viewer.get(f"{API}/config/schema")
    assert "cameras" in answer.json()["properties"]
    assert answer.headers["content-type"] == "application/schema+json"


# All routes


def test_a_gallery_that_cannot_be_written_is_said_to_be_so(admin: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Gallery.open

    def only_read(folder: Path, model: str) -> Gallery:
        gallery = opened(folder, model)
        gallery.problem = "gallery: cannot be written: it is a test"
        return gallery

    monkeypatch.setattr(Gallery, "open", only_read)
    assert "cannot be written" in detail(admin.patch(f"{API}/people/barack", json={"name": "x"}), 503)
    assert "cannot be written" in detail(admin.post(f"{API}/people", data={"id": "x"}, files=files("biden")), 503)
    assert "cannot be written" in detail(admin.delete(f"{API}/people/barack"), 503)
    assert "cannot be written" in detail(admin.delete(f"{API}/unknowns/{UNKNOWN}"), 503)


def test_a_session_needs_its_csrf_token(client: Callable[..., TestClient]) -> None:
    browser = client("admin")
    assert browser.patch(f"{API}/people/barack", json={"name": "x"}).status_code == 200
    with_form = {"id": "joe", "csrf": browser.headers.pop("x-csrf-token")}
    detail(browser.patch(f"{API}/people/barack", json={"name": "y"}), 403)
    assert browser.post(f"{API}/people", data=with_form, files=files("biden")).status_code == 201
    assert ORIGIN in str(browser.base_url)


@pytest.mark.parametrize("cursor", ["x", "bnVsbA", "WzFd", "e30", "W1tbW1tbW1tbW1tb", "é"])
def test_a_cursor_of_somebody_elses_is_refused(viewer: TestClient, cursor: str) -> None:
    assert "cursor" in detail(viewer.get(f"{API}/people", params={"cursor": cursor}), 422)
    assert "cursor" in detail(viewer.get(f"{API}/unknowns", params={"cursor": cursor}), 422)


def test_a_running_daemon_obeys_the_switch(tmp_path: Path) -> None:
    token = make_account(tmp_path, "robot", "admin", 0.0)
    cameras = {CAMERA: {"type": "replay", "path": CLIP, "loop": True}}
    daemon = Daemon(Configuration(data=tmp_path, cameras=cameras, web=Web(port=0)))  # type: ignore[arg-type]
    with threaded(daemon):
        link = daemon.sign_in_link()
        assert link is not None
        with httpx.Client(base_url=link.partition("login")[0], headers={"authorization": f"Bearer {token}"}) as api:
            for on, wanted in ((False, "disabled"), (True, "online")):
                assert api.put(f"{API}/cameras/{CAMERA}/enabled", json={"on": on}).status_code == 202
                until = SystemClock().monotonic() + 15
                while (seen := api.get(f"{API}/cameras").json()["cameras"][0])["status"] != wanted:
                    assert SystemClock().monotonic() < until, seen
                assert seen["enabled"] is on


def test_another_face_is_added_only_with_anyway(stage: Stage, admin: TestClient, viewer: TestClient) -> None:
    sent: dict[str, Any] = {"data": {"id": "barack"}, "files": files("biden")}
    before = rows(stage)
    refused = admin.post(f"{API}/people", **sent)
    assert "barack: the face differs from the enrolled one: cosine " in detail(refused, 409)
    assert '"anyway": true' in detail(refused, 409)
    sent["data"]["anyway"] = "true"
    detail(viewer.post(f"{API}/people", **sent), 403)
    assert rows(stage) == before
    assert stage.notes == []
    done = admin.post(f"{API}/people", **sent)
    assert (done.status_code, done.json()["person"]["templates"]) == (200, 2), done.text
    assert stage.notes == [("enrolled", {"person": "barack", "anyway": True})]


def test_an_unknown_is_added_to_another_person_only_with_anyway(stage: Stage, admin: TestClient) -> None:
    path = f"{API}/unknowns/{UNKNOWN}/enroll"
    assert "barack: the face differs" in detail(admin.post(path, json={"id": "barack"}), 409)
    assert stage.notes == []
    assert admin.post(path, json={"id": "barack", "anyway": True}).status_code == 201
    assert stage.notes == [("enrolled", {"person": "barack", "anyway": True, "unknown": UNKNOWN})]


def test_two_people_are_merged_only_with_anyway(stage: Stage, admin: TestClient) -> None:
    path = f"{API}/people/barack/merge"
    assert "eileen: the face differs from the enrolled one: cosine " in detail(
        admin.post(path, json={"into": "eileen"}), 409
    )
    assert stage.notes == []
    assert admin.post(path, json={"into": "eileen", "anyway": True}).status_code == 200
    assert stage.notes == [("enrolled", {"person": "eileen", "anyway": True})]


def test_two_people_with_one_face_are_look_alikes(stage: Stage, admin: TestClient) -> None:
    sent: dict[str, Any] = {"data": {"id": "twin"}, "files": files("obama2")}
    assert '"different_people": true' in detail(admin.post(f"{API}/people", **sent), 422)
    sent["data"]["different_people"] = "true"
    done = admin.post(f"{API}/people", **sent)
    assert (done.status_code, done.json()["person"]["look_alikes"]) == (201, ["barack"]), done.text
    assert admin.get(f"{API}/people/barack").json()["look_alikes"] == ["twin"]
    assert stage.notes == [("enrolled", {"person": "twin", "different_people": True})]


def test_templates_are_listed_and_removed_one_by_one(stage: Stage, admin: TestClient, viewer: TestClient) -> None:
    path = f"{API}/people/barack/templates"
    admin.post(f"{API}/people", data={"id": "barack"}, files=files("obama2", "obama3"))
    listed = viewer.get(path).json()["templates"]
    assert [(one["source"], one["outlier"]) for one in listed] == [("photo", False)] * 3
    assert all(0.5 < one["score"] < 1 for one in listed)
    assert {one["picture"] for one in listed[1:]} == {0, 1}
    assert "embedding" not in viewer.get(path).text
    detail(viewer.delete(f"{path}/{listed[0]['id']}"), 403)
    assert "no such template" in detail(admin.delete(f"{path}/0123456789ab"), 404)
    detail(admin.get(f"{API}/people/nobody/templates"), 404)
    detail(admin.delete(f"{API}/people/nobody/templates/{listed[0]['id']}"), 404)
    stage.notes.clear()
    left = admin.delete(f"{path}/{listed[1]['id']}")
    assert [one["id"] for one in left.json()["templates"]] == [listed[0]["id"], listed[2]["id"]]
    assert stage.notes == [("removed", {"person": "barack", "template": listed[1]["id"]})]
    admin.delete(f"{path}/{listed[0]['id']}")
    assert "forget" in detail(admin.delete(f"{path}/{listed[2]['id']}"), 409)
    assert len(viewer.get(path).json()["templates"]) == 1


def test_an_enrollment_that_ends_the_level_of_a_door_is_refused(
    stage: Stage, admin: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    guarded(stage, monkeypatch)
    path = f"{API}/unknowns/{UNKNOWN}/enroll"
    refused = admin.post(path, json={"id": "joe", "anyway": True})
    assert refused.status_code == 409
    assert refused.json()["detail"].startswith("with this person, door front can no longer guarantee 'high': 3 of 2 p")
    assert refused.json()["detail"].endswith('("accept_limits": true, if you are sure)')
    assert len(refused.json()["errors"]) == 1
    assert stage.notes == []
    done = admin.post(path, json={"id": "joe", "accept_limits": True})
    assert done.status_code == 201
    assert done.json()["notes"] == refused.json()["errors"]
    assert stage.notes == [("enrolled", {"person": "joe", "accept_limits": True, "unknown": UNKNOWN})]


def test_a_configuration_whose_doors_would_stay_shut_is_noted(
    stage: Stage, admin: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    ship(SHORT, monkeypatch)
    door = f"mqtt: {{}}\ndoors:\n  front: {{camera: {CAMERA}, allow: [{{group: all}}]}}\n"
    for group, count in (("[barack, eileen]", 1), ("[barack, eileen, u]", 1)):
        text = (stage.folder / "config.yaml").read_text() + f"groups: {{all: {group}}}\n" + door
        answer = admin.post(f"{API}/config/check", content=text, headers={"content-type": "application/yaml"})
        assert (answer.json()["right"], len(answer.json()["notes"])) == (True, count)
    ship(replace(SHORT, rows=SHORT.rows[:4]), monkeypatch)
    answer = admin.post(f"{API}/config/check", content=text, headers={"content-type": "application/yaml"})
    assert [note.partition(" (")[0] for note in answer.json()["notes"]] == [
        "door front: a face alone opens it, so a photo may",
        "door front: level 'high' cannot be guaranteed: 2 of 0 people",
    ]
