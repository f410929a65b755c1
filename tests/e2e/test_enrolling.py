"""Enrolling in a real Chromium: photos of a phone in one go, and the way from a link to a match, over https."""

from __future__ import annotations

import socket
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("starlette", reason="the page needs edgeface[web]")
from edgeface.demo.mosquitto import Mosquitto
from edgeface.faces.photo_face import PHOTO_SIDE
from edgeface.web.texts import photo_strings, self_enrollment_strings, strings
from tests.e2e.test_browser import CONTRAST, PATIENCE, ROUND, Visit
from tests.support.browsing import bounded, running, three_people
from tests.support.certificates import Authority
from tests.support.pages import NEEDED, PLAYWRIGHT, browser  # noqa: F401 - a fixture
from tests.support.photos import phone_photo

if TYPE_CHECKING or PLAYWRIGHT:
    from playwright.sync_api import Browser, Page, Request, expect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Fixtures of tests/support/pages.py are arguments here.
# ruff: noqa: F811

pytestmark = [
    pytest.mark.broker,
    *NEEDED,
    pytest.mark.slow(seconds=30),
]

CLICKS = 8
"""From an empty page to a person who is recognised."""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Photos as a phone takes them, 4.3 MB each."""
    folder = tmp_path_factory.mktemp("phone")
    for name in ("obama", "obama2", "obama3", "biden"):
        (folder / f"{name}.jpg").write_bytes(phone_photo(name))
    made = {path.stem: path for path in folder.iterdir()}
    assert all(3.8e6 < path.stat().st_size < 4.8e6 for path in made.values())
    return made


@pytest.fixture(scope="module")
def link(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A device where nobody is enrolled, reached as https://localhost: the address that signs in once."""
    folder = tmp_path_factory.mktemp("enrolling")
    (folder / "broker").mkdir()
    certificate, key = Authority(folder / "tls").broker("localhost")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    web = f"{{port: {port}, hosts: [localhost], tls: {{certificate: {certificate}, key: {key}}}}}"
    clip = three_people(folder / "short.avi")
    with Mosquitto(folder / "broker") as broker, running(folder, broker.port, clip=clip, web=web) as daemon:
        found = daemon.sign_in_link()
        assert found is not None
        yield found.replace("127.0.0.1", "localhost")


@pytest.fixture(scope="module")
def base(link: str) -> str:
    return link.partition("/login")[0]


@pytest.fixture(scope="module")
def session(browser: Browser, link: str, base: str) -> Any:
    with bounded(browser):
        visit = Visit(browser, base, ignore_https_errors=True)
        visit.page.goto(link)
        visit.page.wait_for_url(f"{base}/")
        state = visit.context.storage_state()
        visit.end()
    return state


@pytest.fixture
def visit(browser: Browser, session: Any, base: str) -> Iterator[Visit]:
    with bounded(browser):
        made = Visit(browser, base, storage_state=session, ignore_https_errors=True)
        yield made
        made.end()


@pytest.fixture
def phone(browser: Browser, base: str) -> Iterator[Visit]:
    """A phone that has no access."""
    with bounded(browser):
        made = Visit(
            browser, base, ignore_https_errors=True, viewport={"width": 390, "height": 844}, permissions=["camera"]
        )
        yield made
        made.end()


def check(page: Page) -> None:
    """Nothing is too wide for a phone or hard to read, and axe finds nothing, in light and dark."""
    page.set_viewport_size({"width": 360, "height": 780})
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert page.evaluate(CONTRAST) == []
        if find_spec("axe_playwright_python") is not None:
            found = import_module("axe_playwright_python.sync_playwright").Axe().run(page).response["violations"]
            assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []


class Person:
    """Uses a page with a mouse, and counts the clicks and the words that are typed."""

    def __init__(self, page: Page) -> None:
        self.page, self.clicks, self.typed = page, 0, list[str]()

    def click(self, role: Any, name: str) -> None:
        self.page.get_by_role(role, name=name, exact=True).click()
        self.clicks += 1

    def type(self, label: str, text: str) -> None:
        self.page.get_by_label(label, exact=True).click()
        self.page.keyboard.type(text)
        self.clicks += 1
        self.typed.append(text)

    def choose(self, label: str, *files: Path) -> None:
        with self.page.expect_file_chooser() as chooser:
            self.page.get_by_label(label, exact=True).click()
        self.clicks += 1
        chooser.value.set_files(files)


def test_three_photos_of_a_phone_are_enrolled_in_one_go_and_the_person_is_recognised(
    visit: Visit, photos: dict[str, Path]
) -> None:
    bodies: list[int] = []

    def count(request: Request) -> None:
        bodies.append(len(request.post_data_buffer or b"") if request.method == "POST" else 0)

    visit.page.on("request", count)
    person = Person(visit.go("/people"))
    person.click("link", strings.PEOPLE_ENROLL)
    person.type(strings.PERSON_NAME, "Barack Obama")
    expect(person.page.get_by_label(strings.ENROLL_ID, exact=True)).to_have_value("barack-obama")
    person.choose(strings.ENROLL_CHOOSE, photos["obama"], photos["obama2"], photos["obama3"])
    person.click("button", strings.ENROLL)
    person.page.wait_for_url("**/people/barack-obama?done=enrolled")
    person.page.goto(f"{visit.base}/live")
    person.clicks += 1
    expect(person.page.locator(".tag text", has_text="Barack Obama")).to_be_visible(timeout=ROUND)
    assert person.clicks <= CLICKS
    assert person.typed == ["Barack Obama"]
    assert sum(bodies) < 2_500_000
    page = visit.go("/people/barack-obama")
    expect(page.locator("#templates + p + div tbody tr")).to_have_count(3)


def test_what_a_browser_cannot_read_is_named_with_the_way_out(visit: Visit, photos: dict[str, Path]) -> None:
    page = visit.go("/enroll")
    heic = {"name": "IMG_1.HEIC", "mimeType": "image/heic", "buffer": b"\0\0\0\x18ftypheic" + bytes(1000)}
    mixed = [{"name": "a.jpg", "mimeType": "image/jpeg", "buffer": photos["biden"].read_bytes()}, heic]
    page.get_by_label(strings.ENROLL_CHOOSE).set_input_files(mixed)  # type: ignore[arg-type]
    lines = page.locator("[data-photos] li")
    expect(lines.nth(1)).to_have_text(photo_strings.PHOTOS_UNREADABLE.format(name="IMG_1.HEIC"))
    expect(page.get_by_role("button", name=strings.ENROLL, exact=True)).to_be_enabled()
    sent = page.locator("#photos").evaluate(
        "async (input) => Promise.all([...input.files].map(async (file) => {"
        " const image = await createImageBitmap(file); return [file.name, file.size, image.width, image.height]; }))"
    )
    ((name, size, width, height),) = sent
    assert name == "a.jpg"
    assert size < 900_000
    assert max(width, height) == PHOTO_SIDE
    check(page)


def test_a_photo_that_lies_on_its_side_is_sent_upright_and_without_its_place(visit: Visit, tmp_path: Path) -> None:
    from tests.imaging.test_photos import exif
    from tests.imaging.test_photos import phone_photo as plain_photo

    plain = plain_photo(4032, 3024)
    turned = tmp_path / "turned.jpg"
    turned.write_bytes(plain[:2] + exif(6) + plain[2:])
    page = visit.go("/enroll")
    page.get_by_label(strings.ENROLL_CHOOSE).set_input_files(turned)
    expect(page.locator("[data-photos] li")).to_contain_text("kB")
    found = page.locator("#photos").evaluate(
        "async (input) => { const file = input.files[0]; const image = await createImageBitmap(file);"
        " const text = new TextDecoder('latin1').decode(await file.arrayBuffer());"
        " return [image.width, image.height, text.includes('Exif')]; }"
    )
    assert found == [1500, 2000, False]


def test_an_id_that_is_typed_stays(visit: Visit) -> None:
    page = visit.go("/enroll")
    name, field = (page.get_by_label(label, exact=True) for label in (strings.PERSON_NAME, strings.ENROLL_ID))
    name.fill("Anna Böhm")
    expect(field).to_have_value("anna-bohm")
    field.fill("anna")
    name.fill("Anna Böhm junior")
    page.wait_for_timeout(600)
    expect(field).to_have_value("anna")
    field.fill("")
    name.fill("Anna Lind")
    expect(field).to_have_value("anna-lind")


def test_without_a_script_the_limit_is_said_before_and_after(
    browser: Browser, session: Any, base: str, photos: dict[str, Path]
) -> None:
    with bounded(browser):
        visit = Visit(browser, base, storage_state=session, ignore_https_errors=True, java_script_enabled=False)
        page = visit.go("/enroll")
        assert "at most 10 MB together" in page.locator("#photos-hint").evaluate("hint => hint.innerText")
        page.get_by_label(strings.PERSON_NAME, exact=True).fill("Someone")
        page.get_by_label(strings.ENROLL_CHOOSE).set_input_files(
            [photos[name] for name in ("obama", "obama2", "obama3")]
        )
        page.get_by_role("button", name=strings.ENROLL, exact=True).click()
        expect(page.locator("main")).to_contain_text("at most 10 MB are accepted at a time: send fewer photos")
        visit.wrong.clear()
        visit.end()


def test_good_photos_are_kept_and_the_person_is_enrolled_with_one_click(visit: Visit, photos: dict[str, Path]) -> None:
    page = visit.go("/enroll")
    page.get_by_label(strings.PERSON_NAME, exact=True).fill("Someone Else")
    page.get_by_label(strings.ENROLL_CHOOSE).set_input_files([photos["biden"], photos["obama"]])
    page.get_by_role("button", name=strings.ENROLL, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(photo_strings.KEPT)
    # The browser reports the refusal, which is right.
    visit.wrong.clear()
    expect(page.get_by_role("alert")).to_contain_text("already enrolled as barack-obama")
    page.wait_for_function("() => [...document.images].every((image) => image.naturalWidth > 0)")
    check(page)
    page.get_by_role("button", name="Enroll Someone Else with 1 photo").click()
    page.wait_for_url("**/people/someone-else?done=enrolled")
    page = visit.go("/people/someone-else/forget")
    page.get_by_label(strings.CONFIRM.format(id="someone-else")).fill("someone-else")
    page.get_by_role("button", name=strings.FORGET_DO).click()
    expect(page.get_by_role("status")).to_contain_text("No trace was found")


def test_from_a_link_to_a_match(visit: Visit, phone: Visit, photos: dict[str, Path]) -> None:
    texts = self_enrollment_strings
    page = visit.go("/enroll")
    page.get_by_label(strings.PERSON_NAME, exact=True).fill("Joe Biden")
    page.get_by_role("button", name=texts.LINKS_DO).click()
    address = page.get_by_label(texts.LINKS_ADDRESS, exact=True).input_value()
    assert address.startswith(f"{visit.base}/join/")
    check(page)

    taken = phone.page
    taken.goto(address)
    expect(taken.get_by_role("heading", level=1)).to_have_text(texts.JOIN)
    check(taken)
    taken.get_by_role("button", name=strings.ENROLL_HERE_START).click()
    expect(taken.get_by_role("button", name=strings.ENROLL_HERE_SHOOT)).to_be_visible()
    taken.get_by_role("button", name=strings.ENROLL_HERE_STOP).click()
    taken.get_by_label(texts.JOIN_CHOOSE).set_input_files(photos["biden"])
    expect(taken.locator("[data-photos] li")).to_contain_text("kB")
    taken.get_by_label(texts.JOIN_AGREE, exact=True).check()
    taken.get_by_role("button", name=texts.JOIN_SEND).click()
    expect(taken.get_by_role("heading", level=1)).to_have_text(texts.JOIN_THANKS)
    check(taken)

    page = visit.go("/people")
    expect(page.locator("main")).to_contain_text("1 self-enrollment to look at")
    page.get_by_role("link", name=texts.PROPOSALS_OPEN).click()
    page.wait_for_function("() => [...document.images].every((image) => image.naturalWidth > 0)")
    check(page)
    page.get_by_role("button", name=texts.PROPOSAL_CONFIRM.format(name="Joe Biden")).click()
    page.wait_for_url("**/people/joe-biden?done=enrolled")
    page = visit.go("/live")
    expect(page.locator(".tag text", has_text="Joe Biden")).to_be_visible(timeout=ROUND)
    taken.goto(address)
    expect(taken.locator("main")).to_contain_text(texts.JOIN_GONE)
    phone.wrong.clear()


def test_a_phone_without_a_script_has_an_input_for_each_photo(
    browser: Browser, visit: Visit, base: str, photos: dict[str, Path]
) -> None:
    texts = self_enrollment_strings
    page = visit.go("/proposals")
    page.get_by_label(strings.PERSON_NAME, exact=True).fill("Plain Phone")
    page.get_by_role("button", name=texts.LINKS_DO).click()
    address = page.get_by_label(texts.LINKS_ADDRESS, exact=True).input_value()
    plain = Visit(browser, base, ignore_https_errors=True, java_script_enabled=False)
    plain.page.set_default_timeout(PATIENCE)
    plain.page.goto(address)
    plain.page.get_by_label(texts.JOIN_TAKE.format(number=1)).set_input_files(photos["obama3"])
    plain.page.get_by_label(texts.JOIN_TAKE.format(number=2)).set_input_files(photos["obama2"])
    plain.page.get_by_label(texts.JOIN_AGREE, exact=True).check()
    plain.page.get_by_role("button", name=texts.JOIN_SEND).click()
    expect(plain.page.locator("main")).to_contain_text("2 photos arrived")
    plain.end()
    page = visit.go("/proposals")
    page.get_by_role("button", name=texts.PROPOSAL_REFUSE).click()
    expect(page.get_by_role("status")).to_have_text(texts.DONE_JOIN["proposal_refused"])
