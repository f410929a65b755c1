"""icon.png and logo.png of the app, drawn by Chromium from the page's own icon.

    python -m tools.home_assistant_app.pictures

Sizes: https://developers.home-assistant.io/docs/apps/presentation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.browsing import ARGUMENTS, CHROMIUM
from tools.home_assistant_app.repository import ROOT, SOURCE

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_ICON = ROOT / "edgeface" / "web" / "static" / "icon.svg"
_STYLE = """
body { margin: 0; display: flex; align-items: center; justify-content: center; gap: 14px; height: 100vh;
  font: 600 38px sans-serif; letter-spacing: -1px; color: #1f5fa8 }
"""


def main() -> None:
    """Draw both."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        _draw(browser, "icon", (128, 128), 128, "")
        _draw(browser, "logo", (250, 100), 64, "edgeface")


def _draw(browser: Browser, name: str, size: tuple[int, int], icon: int, word: str) -> None:
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    drawing = _ICON.read_text(encoding="utf-8").replace("<svg ", f'<svg width="{icon}" height="{icon}" ', 1)
    page.set_content(f"<style>{_STYLE}</style>{drawing}{word and f'<span>{word}</span>'}")
    page.screenshot(path=SOURCE / "edgeface" / f"{name}.png", omit_background=True)


if __name__ == "__main__":
    main()
