"""The usual script: for each of N tasks a fresh `sync_playwright`, a launch, a page. Prints the seconds."""

from __future__ import annotations

import os
import sys
import time

from playwright.sync_api import sync_playwright


def open_page(chromium: str, url: str) -> None:
    """What a browser task with the steps navigate and waitForElement does. Raises: RuntimeError."""
    with sync_playwright() as playwright:
        args = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=chromium, args=args)
        page = browser.new_page()
        page.goto(url)
        if page.wait_for_selector("h1") is None:
            raise RuntimeError("the page has no heading")
        browser.close()


def main() -> None:
    count, chromium, url = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    began = time.perf_counter()
    for _ in range(count):
        open_page(chromium, url)
    print(time.perf_counter() - began)


if __name__ == "__main__":
    main()
