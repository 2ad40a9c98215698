"""A browser to drive: pages that may talk to their own service only, and whose every complaint is kept."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, Page, Route, expect

ROOT = Path(__file__).parents[2]
AXE = ROOT / "page" / "node_modules" / "axe-core" / "axe.min.js"
PICTURES = ROOT / "artifacts" / "page"
CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
# As few connections of its own as a browser can be told to make.
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
SCREENS = ("taste", "why", "units", "energy", "gibbs", "learning", "machine", "model")
READY = {
    "taste": ".list li[data-key]",
    "why": ".contributions .sum",
    "units": ".unit-head",
    "energy": ".terrain .ball",
    "gibbs": ".network .knob",
    "learning": ".surprise .ridge",
    "machine": ".network .node",
    "model": ".facts dd",
}
PATIENCE = 60_000  # ms; other work may slow the machine down
expect.set_options(timeout=PATIENCE)


@dataclass
class Watched:
    """A page and what went wrong on it."""

    page: Page
    address: str
    foreign: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def open(self, query: str = "", screen: str = "") -> None:
        """Open the page at a screen and wait until that shows something."""
        self.page.goto(f"{self.address}/{query}{screen and '#' + screen}")
        self.wait(screen or "taste")

    def wait(self, screen: str) -> None:
        """Wait until a screen shows what it is for."""
        self.page.locator(f"#{screen} {READY[screen]}").first.wait_for(timeout=PATIENCE)

    def load_all(self) -> None:
        """Scroll through the page until every screen is there."""
        self.page.mouse.wheel(0, 10)  # as a reader does: the page no longer holds on to the screen it was opened at
        for screen in SCREENS:
            self.page.locator(f"#{screen}").evaluate("section => section.scrollIntoView({behavior: 'instant'})")
            self.wait(screen)

    def picture(self, name: str) -> None:
        """Keep a picture of each screen, for people to look at."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.locator("header.bar").evaluate(
            "bar => { bar.style.position = 'static'; }"
        )  # else it hides what is below
        for screen in SCREENS:
            self.page.locator(f"#{screen}").screenshot(path=PICTURES / f"{name}-{screen}.png")

    def faults_of_access(self) -> list[str]:
        """What axe finds on the whole page."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE.read_text(encoding="utf-8"))  # evaluate passes by the Content-Security-Policy
        found = self.page.evaluate("rules => axe.run({runOnly: rules})", RULES)["violations"]
        return [f"{one['id']}: {node['target']} {node['failureSummary']}" for one in found for node in one["nodes"]]

    def overflow(self) -> int:
        """Pixels by which the page is wider than the window."""
        return self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


@contextmanager
def watched(browser: Browser, address: str, **context: object) -> Iterator[Watched]:
    """Open a context of its own whose requests to any other host are refused and kept."""
    opened = browser.new_context(permissions=["clipboard-read", "clipboard-write"], **context)  # type: ignore[arg-type]
    page = opened.new_page()
    page.set_default_timeout(PATIENCE)
    seen = Watched(page, address)

    def pass_or_refuse(route: Route) -> None:
        if route.request.url.startswith(address + "/"):
            route.continue_()
        else:
            seen.foreign.append(route.request.url)
            route.abort()

    opened.route(re.compile(r"^(?!data:|blob:)"), pass_or_refuse)
    page.on("console", lambda said: said.type in ("error", "warning") and seen.complaints.append(said.text))
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    try:
        yield seen
    finally:
        opened.close()
