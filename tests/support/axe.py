"""axe-core in a page, which finds what keeps people from using it: it comes from PyPI and is no part of edgeface."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

_PACKAGE = find_spec("axe_playwright_python")
AXE = _PACKAGE is not None
MISSING = "needs axe-playwright-python, which carries axe-core (make setup-dev)"

_RUN = """async () => {
  const found = await axe.run(document, { resultTypes: ["violations"] });
  return found.violations.map((one) => ({ id: one.id, help: one.help, nodes: one.nodes.map((node) => node.html) }));
}"""


def violations(page: Page) -> list[dict[str, Any]]:
    """The violations of all rules of axe-core that are on by default, best practices among them."""
    if _PACKAGE is None or _PACKAGE.origin is None:
        raise AssertionError(MISSING)
    if page.evaluate("typeof axe") == "undefined":
        # Evaluated by the debugger, which the policy of the page does not stop.
        page.evaluate((Path(_PACKAGE.origin).parent / "axe.min.js").read_text())
    found: list[dict[str, Any]] = page.evaluate(_RUN)
    return found
