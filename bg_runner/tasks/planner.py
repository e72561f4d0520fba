"""Plans the path of a browser task that has none: its start page, and the same-origin links on it, one by one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote, urldefrag, urlsplit

from bg_runner.tasks.steps import Navigate, ScreenshotParameters, ScreenshotStep, Step, WaitForElement

# Runs in the page: addresses of the links in document order, those in open shadow roots in their place.
LINKS_SCRIPT = """() => {
    const found = [];
    const walk = (root) => {
        for (const element of root.querySelectorAll('*')) {
            const link = element.matches('a[href], area[href]') && !element.hasAttribute('download');
            if (link && typeof element.href === 'string') found.push(element.href);
            if (element.shadowRoot) walk(element.shadowRoot);
        }
    };
    walk(document);
    return found;
}"""
NOT_PAGES = re.compile(
    r"\.(7z|apk|avi|bin|bz2|csv|deb|dmg|docx?|epub|exe|gif|gz|ico|iso|jpe?g|mov|mp3|mp4|msi|pdf|png|pptx?|rar|rpm|svg"
    r"|tar|tgz|wav|webm|webp|xlsx?|xz|zip)$",
    re.IGNORECASE,
)


def choose_links(page_url: str, links: Iterable[str], limit: int) -> list[str]:
    """The first `limit` different pages of `page_url`'s origin among `links`, without the page itself and files."""
    home = urlsplit(page_url)
    seen = {urldefrag(page_url).url}
    chosen: list[str] = []
    for link in links:
        address = urldefrag(link).url
        try:
            parts = urlsplit(address)
        except ValueError:
            continue
        other_origin = (parts.scheme, parts.netloc) != (home.scheme, home.netloc)
        if other_origin or address in seen or NOT_PAGES.search(parts.path):
            continue
        seen.add(address)
        chosen.append(address)
        if len(chosen) == limit:
            break
    return chosen


def plan_path(start_url: str, links: Iterable[str]) -> list[Step]:
    """For the start page and each link: open it, wait for its body, take a screenshot."""
    path: list[Step] = []
    for number, url in enumerate([start_url, *links], 1):
        path += [
            Navigate(type="navigate", url=url),
            WaitForElement(type="waitForElement", selectors=["body"]),
            _screenshot(number, url),
        ]
    return path


def _screenshot(number: int, url: str) -> ScreenshotStep:
    name = unquote(urlsplit(url).path).strip("/").replace("/", "-") or "start"
    fields: dict[str, Any] = {"name": "screenshot", "parameters": ScreenshotParameters(name=f"{number}-{name}"[:100])}
    return ScreenshotStep(type="customStep", **fields)
