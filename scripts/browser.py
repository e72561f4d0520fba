"""A browser for the browser tasks: looked for first, then downloaded, then installed from Debian.

A server without one still starts, so nothing here fails the set-up.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from scripts import stamps, system_packages
from scripts.console import CHECKOUT, run, say, warn
from scripts.environment import PYTHON
from scripts.stamps import VENV

STAMP, FOUND = "browser", "browser.path"
CHANNELS = ("/opt/google/chrome/chrome", "/opt/microsoft/msedge/msedge")
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OWN_PATH = "from playwright.sync_api import sync_playwright as s\nwith s() as p: print(p.chromium.executable_path)"
LAUNCH_TIMEOUT = 60.0
DRIVER_LIBRARY = "libatomic1"


def provide(*, retry: bool) -> None:
    """See to it that a browser starts. Without `retry` a search that found none before is not repeated in full."""
    chosen = os.environ.get("BG_RUNNER_CHROMIUM", "")
    lock = CHECKOUT / "requirements.lock"
    found_key, none_key = stamps.key_of("found", chosen, lock), stamps.key_of("none", chosen, lock)
    if (remembered := found_before()) and stamps.is_current(STAMP, found_key, needs=[remembered]):
        return
    if not retry and stamps.is_current(STAMP, none_key) and not any(_on_this_machine(chosen)):
        _without_one(chosen)
        return
    say("A browser for browser tasks")
    browser = _look_or_install(chosen)
    if browser is None:
        warn("Until a browser starts, browser tasks fail; shell tasks work.")
        stamps.write(STAMP, none_key)
        return
    print(f"    {browser}", flush=True)
    stamps.write(FOUND, browser)
    stamps.write(STAMP, found_key)


def _look_or_install(chosen: str) -> str | None:
    """A browser that starts, driven by a Playwright that starts; None when a person has to help."""
    library = [] if _driver_starts() else [DRIVER_LIBRARY]
    if browser := _first_that_starts(chosen):
        return browser if not library or system_packages.install("Playwright does not start", library) else None
    if chosen:
        warn(f"BG_RUNNER_CHROMIUM={chosen} does not start.")
        return None
    if not library:
        run([VENV / "bin" / "playwright", "install", "chromium"], timeout=600, talkative=True)
        if browser := _first_that_starts(chosen):
            return browser
    # Debian's package brings the libraries that a downloaded browser may lack, too.
    fonts = [] if system_packages.has_chinese_font() else system_packages.CHINESE_FONT
    if system_packages.install("No browser starts here", ["chromium", *library, *fonts]):
        return _first_that_starts(chosen)
    return None


def _driver_starts() -> bool:
    """Playwright drives any browser through a node of its own, which a bare Debian lacks a library for."""
    asked = subprocess.run([PYTHON, "-m", "playwright", "--version"], capture_output=True, text=True, check=False)
    if asked.returncode != 0:
        print(f"    {asked.stderr.strip()}", flush=True)
    return asked.returncode == 0


def _without_one(chosen: str) -> None:
    if chosen:
        warn(f"BG_RUNNER_CHROMIUM={chosen} does not start: browser tasks fail, shell tasks work.")
    else:
        warn(
            "Without a browser, browser tasks fail and shell tasks work. To bring one, as root:",
            f"apt-get update && apt-get install -y chromium {DRIVER_LIBRARY}",
        )


def found_before() -> Path | None:
    """The browser that an earlier set-up found and launched."""
    note = stamps.STAMPS / FOUND
    return Path(note.read_text(encoding="utf-8")) if note.exists() else None


def _on_this_machine(chosen: str) -> Iterator[str]:
    """What costs nothing to look for."""
    if chosen:
        yield from filter(None, [shutil.which(chosen)])
        return
    yield from (path for path in CHANNELS if os.access(path, os.X_OK))
    yield from filter(None, map(shutil.which, NAMES))


def _first_that_starts(chosen: str) -> str | None:
    """The first browser, in the order in which the server looks for one, that starts on this machine."""
    candidates = [] if chosen else [path for path in [_playwrights_own()] if Path(path).is_file()]
    for path in [*candidates, *_on_this_machine(chosen)]:
        if starts(path):
            return path
        print(f"    {path} does not start here", flush=True)
    return None


def _playwrights_own() -> str:
    asked = subprocess.run([PYTHON, "-c", OWN_PATH], capture_output=True, text=True, check=False, timeout=60)
    return asked.stdout.strip() or "/nonexistent"


def starts(path: str) -> bool:
    """Whether this browser can be launched and shows a page; being there is not enough (missing libraries)."""
    # Like the server: with the browser's own sandbox if the kernel allows it.
    return (os.geteuid() != 0 and _shows_a_page(path)) or _shows_a_page(path, "--no-sandbox")


def _shows_a_page(path: str, *flags: str) -> bool:
    command = [path, "--headless=new", "--disable-gpu", "--no-first-run", "--disable-background-networking", *flags]
    with tempfile.TemporaryDirectory(prefix="bg-runner-browser-", ignore_cleanup_errors=True) as profile:
        command += [f"--user-data-dir={profile}", "--dump-dom", "data:text/html,<p>ready"]
        try:
            shown = subprocess.run(
                command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=LAUNCH_TIMEOUT
            )
        except (OSError, subprocess.TimeoutExpired):
            return False
    return shown.returncode == 0 and "ready" in shown.stdout
