"""N browsers with one page each, driven by one Playwright. Says `ready`, then holds them until its input ends."""

from __future__ import annotations

import os
import sys

from playwright.sync_api import sync_playwright


def main() -> None:
    count, chromium, url = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    args = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browsers = [playwright.chromium.launch(executable_path=chromium, args=args) for _ in range(count)]
        for browser in browsers:
            browser.new_page().goto(url)
        print("ready", flush=True)
        sys.stdin.read()
        for browser in browsers:
            browser.close()


if __name__ == "__main__":
    main()
