"""Pictures of a centre's pages for docs/images: `python -m tools.screenshots.centre` (with PostgreSQL, Chromium)."""

from __future__ import annotations

import argparse
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from edgeface.access.site_policy import SitePolicy
from edgeface.centre.database import Database
from edgeface.centre.enrolling import Enrolling, Facts
from edgeface.centre.migrations import migrate
from edgeface.centre.models.known import add_model
from edgeface.centre.models.ring import Ring, set_ring
from edgeface.people.enrollment import EnrollOptions
from tests.support.browsing import ARGUMENTS, CHROMIUM
from tests.support.centre_pages import PASSWORD, account, fill
from tests.support.centre_search import Searching
from tests.support.centre_server import HOST, SITE, Running, centre, serving
from tests.support.other_model import other_model
from tests.support.postgres import Postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

ROOT = Path(__file__).parents[2]
OUT, PHOTOS = ROOT / "docs" / "images", ROOT / "tests" / "data"
SIZES = {"phone": (390, 844), "desktop": (1280, 800)}
PAGES = {
    "sites": "/", "devices": "/devices", "proposals": "/proposals", "events": "/events", "search": "/search",
    "journal": "/journal", "accounts": "/accounts", "people": f"/sites/{SITE}/people",
    "person": f"/sites/{SITE}/people/alice", "changes": f"/sites/{SITE}/changes",
    "duplicates": f"/sites/{SITE}/duplicates", "policy": f"/sites/{SITE}/policy", "models": f"/sites/{SITE}/models",
    "proof": f"/sites/{SITE}/proof",
}  # fmt: skip
DOCUMENTED = ("people-desktop", "devices-desktop", "policy-desktop", "models-desktop")
POLICY = {
    "schedules": {"cleaning": {"zone": "Europe/Berlin", "week": {"tue": ["18:00-21:00"]}}},
    "doors": {
        "front-door": {"allow": [{"group": "staff"}, {"group": "cleaning", "schedule": "cleaning"}]},
        "server-room": {"level": "high", "factor": ["pin", "card"], "allow": [{"person": "erik"}]},
    },
    "devices": {"front": ["front-door"]},
}


def main() -> None:
    """Write centre-NAME-SIZE.png for the pages that the documents show, or for all with --all."""
    parser = argparse.ArgumentParser(prog="tools.screenshots.centre")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--out", metavar="FOLDER", type=Path, default=OUT)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with _centre() as running, _signed_in(running) as page:
        for size, (width, height) in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            for name, path in PAGES.items():
                if not arguments.all and f"{name}-{size}" not in DOCUMENTED:
                    continue
                page.goto(path)
                if name == "search":
                    _search(page)
                page.wait_for_timeout(400)
                file = arguments.out / f"centre-{name}-{size}.png"
                page.screenshot(path=file, full_page=True)
                print(file.name, file.stat().st_size // 1000, "kB")


def _search(page: Page) -> None:
    page.get_by_label("Photo").set_input_files(PHOTOS / "obama2.jpg")
    page.get_by_label("Reason").fill("unconscious in the lobby, no badge")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("heading", name="Candidates").wait_for()


@contextmanager
def _centre() -> Iterator[Running]:
    """A centre whose site has people, a policy, a second model, devices, events, and a search worker."""
    server = Postgres()
    server.start()
    try:
        conninfo = server.create("pictures")
        database = Database(conninfo, 1)
        with database.changing() as transaction:
            migrate(transaction)
        database.close()
        with tempfile.TemporaryDirectory(prefix="ge") as name, centre(conninfo, Path(name)) as context:
            fill(context)
            photo = [PHOTOS / "obama.jpg"]
            Enrolling(context, SITE, "anna").from_photos("barack", Facts(name="Barack Obama"), photo, EnrollOptions())
            context.store.policies.put(SITE, SitePolicy.model_validate(POLICY), "anna")
            model = add_model(context.settings, other_model(Path(name) / "new", "new"))
            set_ring(context, Ring(model=model, site=SITE, devices=("front",), without=7), "anna")
            searching = Searching(context)
            searching.wait(lambda state: state.people > 0)
            try:
                with serving(context, Path(name)) as running:
                    yield running
            finally:
                searching.close()
    finally:
        server.close()


@contextmanager
def _signed_in(running: Running) -> Iterator[Page]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        base = f"https://{HOST}:{running.server.admin_port}"
        page = browser.new_page(base_url=base, ignore_https_errors=True, reduced_motion="reduce", locale="en")
        code = account(running.context, "anna").at(int(running.clock.wall()))
        page.goto("/")
        page.get_by_label("Name").fill("anna")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_label("Code of your authenticator").fill(code)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Sites", exact=True).wait_for()
        yield page
        browser.close()


if __name__ == "__main__":
    main()
