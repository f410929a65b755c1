"""Screenshots of every page for docs/images, from a real daemon with broker and door: python -m tools.screenshots.

With `--only WORD ...`, only the images with such a word in their name are written; `--language de --out FOLDER` writes
those of another language elsewhere.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from edgeface.core.clock import SystemClock
from edgeface.demo import door as demo_door
from edgeface.demo.mosquitto import Mosquitto
from edgeface.demo.scenario import CAMERA, PEOPLE
from edgeface.web.languages.catalogues import ENGLISH, language, languages
from edgeface.web.texts import account_strings, factor_strings, photo_strings, self_enrollment_strings, strings
from tests.support.browsing import ARGUMENTS, CHROMIUM, cut, running
from tests.support.certificates import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

OUT = Path(__file__).parents[2] / "docs" / "images"
SIZES = {"phone": (390, 844), "desktop": (1280, 800)}
PAGES = {
    "today": "/",
    "live": "/live",
    "people": "/people",
    "person": "/people/barack_obama",
    "enroll": "/enroll",
    "forget": "/people/barack_obama/forget",
    "unknowns": "/unknowns",
    "events": "/events",
    "doors": "/doors",
    "health": "/health",
    "settings": "/settings",
    "notifications": "/notifications",
    "not-found": "/people/no-one",
}
# Obama, a stranger, and Biden, who comes while the stranger is back.
SPANS = ((2.4, 6.6), (8.2, 11.8), (14.0, 20.2))
_DOOR = (
    f"doors:\n  {demo_door.NAME}: {{camera: {CAMERA}, allow: [{{person: {demo_door.ALLOWED}}}], single_face: false}}\n"
)
_ROUNDS = 40_000


class Wanted(NamedTuple):
    """What the command line asks for."""

    only: tuple[str, ...] = ()
    """Words, one of which a name must have; empty: all."""
    out: Path = OUT
    language: str = ENGLISH


_wanted = [Wanted()]


def main() -> None:
    """Write page-NAME-SIZE.png for each page, and the live page in dark mode."""
    parser = argparse.ArgumentParser(prog="tools.screenshots")
    parser.add_argument("--only", metavar="WORD", nargs="+", default=())
    parser.add_argument("--out", metavar="FOLDER", type=Path, default=OUT)
    parser.add_argument("--language", choices=sorted(languages()), default=ENGLISH)
    arguments = parser.parse_args()
    wanted = Wanted(tuple(arguments.only), arguments.out, arguments.language)
    _wanted[0] = wanted
    # The texts by which buttons are found are those of the language.
    language.set(wanted.language)
    wanted.out.mkdir(parents=True, exist_ok=True)
    _of_a_device()
    if _asked(*(f"first-steps-{size}" for size in SIZES)):
        _first_steps()


def _of_a_device() -> None:
    with tempfile.TemporaryDirectory() as name, _device(Path(name)) as link, _browser() as browser:
        state, base = _sign_in(browser, link)
        for size in SIZES:
            page = _page(browser, size, storage_state=state)
            for key, path in PAGES.items():
                if not _asked(f"{key}-{size}"):
                    continue
                page.goto(f"{base}{path}")
                _settle(page, key)
                _write(page, f"{key}-{size}")
        if _asked("correct-desktop", "factors-desktop", "doubt-desktop"):
            _questions(_page(browser, "desktop", storage_state=state), base)
        if _asked(*(f"{key}-{size}" for key in ("kept", "link", "join", "joined", "proposals") for size in SIZES)):
            _enrolling(browser, state, base)
        if _asked(
            *(f"{key}-{size}" for key in ("invite", "invitation", "accounts", "sessions", "tokens") for size in SIZES)
        ):
            _accounts(browser, state, base)
        if _asked("live-phone-dark"):
            page = _page(browser, "phone", storage_state=state, color_scheme="dark")
            page.goto(f"{base}/live")
            _settle(page, "live")
            _write(page, "live-phone-dark")
        page = _page(browser, "phone")
        page.goto(f"{base}/login")
        _write(page, "login-phone")


def _questions(page: Page, base: str) -> None:
    """The correction of an event, second factors, and the question before a photo of another face is added."""
    page.goto(f"{base}/events")
    page.get_by_role("link", name=strings.CORRECT, exact=True).first.click()
    _write(page, "correct-desktop")
    page.goto(f"{base}/people/barack_obama")
    page.get_by_text(factor_strings.FACTORS_SET_PIN, exact=True).first.click()
    page.locator("#pin").fill("471108")
    page.get_by_role("button", name=factor_strings.FACTORS_SET_PIN).click()
    page.get_by_text(factor_strings.FACTORS_DRAW, exact=True).first.click()
    page.locator("#factors").scroll_into_view_if_needed()
    _write(page, "factors-desktop")
    page.locator("#more").set_input_files(PEOPLE / "Joe_Biden" / "biden.jpg")
    page.get_by_role("button", name=strings.PERSON_MORE).click()
    page.get_by_role("button", name=strings.DOUBT_DO).wait_for()
    _write(page, "doubt-desktop")


def _enrolling(browser: Browser, state: Any, base: str) -> None:
    """Photos of which one cannot be used, and a link, what the phone shows, and what the admin decides."""
    texts, photo = self_enrollment_strings, PEOPLE / "Joe_Biden" / "biden.jpg"
    for size in SIZES:
        page = _page(browser, size, storage_state=state)
        page.goto(f"{base}/enroll")
        page.get_by_label(strings.PERSON_NAME, exact=True).fill("Joe Biden")
        page.get_by_label(strings.ENROLL_CHOOSE).set_input_files([photo, PEOPLE / "Barack_Obama" / "obama2.jpg"])
        page.get_by_role("button", name=strings.ENROLL, exact=True).click()
        page.get_by_role("heading", level=1, name=photo_strings.KEPT).wait_for()
        _write(page, f"kept-{size}")
        page.goto(f"{base}/proposals")
        page.get_by_label(strings.PERSON_NAME, exact=True).fill("Joe Biden")
        page.get_by_role("button", name=texts.LINKS_DO).click()
        address = page.get_by_label(texts.LINKS_ADDRESS, exact=True).input_value()
        _write(page, f"link-{size}")
        phone = _page(browser, size)
        phone.goto(address)
        phone.get_by_label(texts.JOIN_CHOOSE).set_input_files(photo)
        phone.locator("[data-photos] li", has_text="kB").wait_for()
        _write(phone, f"join-{size}")
        phone.get_by_label(texts.JOIN_AGREE, exact=True).check()
        phone.get_by_role("button", name=texts.JOIN_SEND).click()
        phone.get_by_role("heading", level=1, name=texts.JOIN_THANKS).wait_for()
        _write(phone, f"joined-{size}")
        page.goto(f"{base}/proposals")
        page.wait_for_function("() => [...document.images].every((image) => image.naturalWidth > 0)")
        _write(page, f"proposals-{size}")
        page.get_by_role("button", name=texts.PROPOSAL_REFUSE).click()


def _accounts(browser: Browser, state: Any, base: str) -> None:
    """An invitation link, the page that it opens, the account that comes of it, sessions, and a new token."""
    texts = account_strings
    for size, name in zip(SIZES, ("anna", "ben"), strict=True):
        page = _page(browser, size, storage_state=state)
        page.goto(f"{base}/accounts")
        page.get_by_role("button", name=texts.INVITE_MAKE, exact=True).click()
        address = page.locator("[data-secret]").inner_text()
        _write(page, f"invite-{size}")
        guest = _page(browser, size)
        guest.goto(address)
        _write(guest, f"invitation-{size}")
        guest.get_by_label(strings.LOGIN_NAME, exact=True).fill(name)
        for field in ("password", "repeat"):
            guest.locator(f"#{field}").fill("a long sentence of words")
        guest.get_by_role("button", name=texts.INVITED_MAKE, exact=True).click()
        guest.wait_for_url(f"{base}/")
        for key in ("accounts", "sessions"):
            page.goto(f"{base}/{key}")
            _write(page, f"{key}-{size}")
        page.goto(f"{base}/tokens")
        page.get_by_label(texts.TOKENS_NAME, exact=True).fill(f"grafana-{name}")
        page.get_by_role("button", name=texts.TOKENS_MAKE, exact=True).click()
        page.locator("[data-secret]").wait_for()
        _write(page, f"tokens-{size}")


def _first_steps() -> None:
    """The page of a device where no one is enrolled."""
    with tempfile.TemporaryDirectory() as name, _device(Path(name), new=True) as link, _browser() as browser:
        state, base = _sign_in(browser, link)
        for size in SIZES:
            page = _page(browser, size, storage_state=state)
            page.goto(f"{base}/")
            page.locator("[data-step=camera][data-state=done]").wait_for(timeout=_ROUNDS)
            _write(page, f"first-steps-{size}")


def _web(folder: Path) -> str:
    """The section web: links for self-enrollment need https."""
    certificate, key = Authority(folder / "tls").broker("localhost")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return f"{{port: {port}, hosts: [localhost], tls: {{certificate: {certificate}, key: {key}}}}}"


@contextmanager
def _device(folder: Path, *, new: bool = False) -> Iterator[str]:
    """A device where someone is enrolled and has come by, or a new one."""
    shutil.copytree(PEOPLE / "Barack_Obama", folder / "people" / "Barack_Obama")
    (folder / "broker").mkdir()
    (folder / "data").mkdir(mode=0o700)
    clock, clip = SystemClock(), cut(folder / "clip.avi", *SPANS)
    public = demo_door.make_key(folder / "data", clock.wall())
    with Mosquitto(folder / "broker") as broker:
        door = demo_door.WatchedDoor(folder, broker.port, public, clock, lambda _: None)
        door.start()
        try:
            people, more = (None, "") if new else (folder / "people", _DOOR)
            with running(folder, broker.port, people, more, clip, _web(folder)) as daemon:
                link = daemon.sign_in_link()
                if link is None:
                    raise SystemExit("the web page did not start")
                clock.sleep(0 if new else 20)
                yield link.replace("127.0.0.1", "localhost")
        finally:
            door.stop()


@contextmanager
def _browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)


def _sign_in(browser: Browser, link: str) -> tuple[Any, str]:
    page = browser.new_page(ignore_https_errors=True)
    page.goto(link)
    base = link.partition("/login")[0]
    page.wait_for_url(f"{base}/")
    return page.context.storage_state(), base


def _page(browser: Browser, size: str, **context: Any) -> Page:
    width, height = SIZES[size]
    return browser.new_page(
        viewport={"width": width, "height": height},
        reduced_motion="reduce",
        ignore_https_errors=True,
        locale=_wanted[0].language,
        **context,
    )


def _settle(page: Page, key: str) -> None:
    if key == "live":
        page.locator(".tag text", has_text="Barack Obama").wait_for(timeout=_ROUNDS)
        page.wait_for_timeout(900)
    page.wait_for_timeout(400)


def _asked(*names: str) -> bool:
    """Whether one of these images is to be written."""
    only = _wanted[0].only
    return not only or any(word in name for word in only for name in names)


def _write(page: Page, name: str) -> None:
    wanted = _wanted[0]
    if not _asked(name):
        return
    path = wanted.out / f"page-{name}.png"
    page.screenshot(path=path)
    print(path.name, path.stat().st_size // 1000, "kB")


if __name__ == "__main__":
    main()
