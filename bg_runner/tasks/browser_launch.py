"""Finding a Chromium that works here, and starting it: one driver and one browser a process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import playwright
import psutil
from playwright.async_api import Browser, BrowserType, Playwright, async_playwright
from playwright.async_api import Error as PlaywrightError

from bg_runner.errors import NoBrowser
from bg_runner.settings import Settings

LAUNCH_TIMEOUT_MS = 30_000
DRIVER_TIMEOUT = 30.0
DRIVER_LIBRARY = "libatomic1"
ON_PATH = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHANNELS = {"Chrome": "chrome", "Edge": "msedge"}
# Of several --disable-features the last one counts, so the first part repeats what Playwright disables (a test compares
# them). The rest are hidden pages for the address bar: in every context a renderer that no task ever sees.
DISABLED_FEATURES = (
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsUpgrades",
    "HttpsFirstBalancedModeAutoEnable",
    "LensOverlay",
    "MediaRouter",
    "PaintHolding",
    "ThirdPartyStoragePartitioning",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "TcpPortRandomizationWin",
    "OptimizationHints",
    "NetworkTimeServiceQuerying",
    "AimEnabled",
    "PreconnectToSearch",
    "msForceBrowserSignIn",
    "msEdgeUpdateLaunchServicesPreferredVersion",
    "WebUIOmniboxPopup",
    "WebUIOmniboxAimPopup",
    "WebUIOmniboxFullPopup",
)
ARGS = (
    f"--disable-features={','.join(DISABLED_FEATURES)}",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # Nothing may go round the proxy that checks addresses.
    "--disable-quic",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
    # aria/ selectors compare the names that Chromium itself computes.
    "--enable-blink-features=ComputedAccessibilityInfo",
)
MORE_ENV = ("LD_LIBRARY_PATH", "FONTCONFIG_FILE", "FONTCONFIG_PATH")
# In a session of its own: Ctrl-C on the server's terminal goes to the terminal's process group only.
WRAPPER = """#!/bin/sh
TMPDIR={tmp} exec {python} -IS -c 'import os, sys; os.setsid(); os.execv(sys.argv[1], sys.argv[1:])' {node} "$@"
"""
NODE_VARIABLE = "PLAYWRIGHT_NODEJS_PATH"
_starting_driver = threading.Lock()


@dataclass(frozen=True)
class Candidate:
    """A browser that may be there: by `path`, by Playwright's `channel`, or Playwright's own."""

    source: str
    path: str | None = None
    channel: str | None = None


@dataclass(frozen=True)
class Refused:
    """A candidate that did not start, and why."""

    source: str
    reason: str


class NothingStarts(NoBrowser):
    """No browser works here; `refused` names each that was tried."""

    def __init__(self, message: str, *, hint: str, refused: tuple[Refused, ...]) -> None:
        super().__init__(message, hint=hint)
        self.refused = refused


@dataclass(frozen=True)
class BrowserReport:
    """What `bg-runner doctor` says about the browser.

    `found` False leaves `path` to `sandbox` empty and gives the `command` that installs one. `sandbox_reason` says why
    Chromium's own sandbox is off ("" if it is on); `refused` names what was tried before.
    """

    found: bool
    source: str = ""
    path: str = ""
    version: str = ""
    sandbox: bool = False
    sandbox_reason: str = ""
    refused: tuple[Refused, ...] = ()
    command: str = ""


@dataclass
class Launched:
    """A started driver with its browser. `pids` are the driver and Chromium's main process."""

    playwright: Playwright
    browser: Browser
    candidate: Candidate
    report: BrowserReport
    directory: Path
    pids: list[int] = field(default_factory=list)


def candidates(settings: Settings) -> Iterator[Candidate]:
    """Where a browser is looked for, in order."""
    if settings.chromium is not None:
        yield Candidate("BG_RUNNER_CHROMIUM", path=str(settings.chromium))
    yield Candidate("Playwright's own")
    for name, channel in CHANNELS.items():
        yield Candidate(name, channel=channel)
    for name in ON_PATH:
        if path := shutil.which(name):
            yield Candidate("PATH", path=path)


def install_command() -> str:
    """The exact command that installs a browser on this machine."""
    sudo = "" if os.geteuid() == 0 else "sudo "
    ids = _os_release()
    if shutil.which("apt-get") and "debian" in ids and "ubuntu" not in ids:
        # A bare Debian has no package lists and not the library that Playwright's Node.js needs.
        return f"{sudo}apt-get update && {sudo}apt-get install -y chromium {DRIVER_LIBRARY}"
    if shutil.which("dnf"):
        return f"{sudo}dnf install -y chromium"
    if shutil.which("pacman"):
        return f"{sudo}pacman -S --noconfirm chromium"
    return f"{sudo}{shlex.quote(sys.executable)} -m playwright install --with-deps chromium"


def _os_release() -> set[str]:
    try:
        lines = Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    words: set[str] = set()
    for line in lines:
        name, _, value = line.partition("=")
        if name in ("ID", "ID_LIKE"):
            words |= set(value.strip('"').split())
    return words


async def launch(settings: Settings, known: Candidate | None, directory: Path) -> Launched:
    """Start a driver and the first browser that works (`known` first), with its files in `directory`.

    Raises: NoBrowser, whose message names what was tried and whose hint is the command that installs one.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        driver = await _start_driver(directory)
    except Exception as error:  # a bare Exception when its Node.js ends at once
        shutil.rmtree(directory, ignore_errors=True)
        raise await asyncio.to_thread(_driver_problem) from error
    refused: list[Refused] = []
    try:
        tried = [known] if known is not None else []
        for candidate in [*tried, *(other for other in candidates(settings) if other != known)]:
            try:
                return await _try(driver, candidate, settings, directory, tuple(refused))
            except PlaywrightError as error:
                refused.append(Refused(candidate.source, _first_line(error)))
    except BaseException:
        await _stop_driver(driver, directory)
        raise
    await _stop_driver(driver, directory)
    tried_text = "; ".join(f"{each.source}: {each.reason}" for each in refused)
    hint = f"Install one: {install_command()}"
    raise NothingStarts(f"No browser starts here ({tried_text}).", hint=hint, refused=tuple(refused))


async def _start_driver(directory: Path) -> Playwright:
    wrapper = _write_wrapper(directory)
    # Playwright takes the path of its Node.js from the environment only.
    with _starting_driver:
        before = os.environ.get(NODE_VARIABLE)
        try:
            if wrapper is not None:
                os.environ[NODE_VARIABLE] = str(wrapper)
            async with asyncio.timeout(DRIVER_TIMEOUT):
                return await async_playwright().start()
        finally:
            if wrapper is not None:
                os.environ.pop(NODE_VARIABLE, None)
                if before is not None:
                    os.environ[NODE_VARIABLE] = before


def _node() -> Path:
    return Path(os.environ.get(NODE_VARIABLE) or Path(playwright.__file__).parent / "driver" / "node")


def _driver_problem() -> NoBrowser:
    """Why Playwright's Node.js does not start, as an error; Playwright itself only sees that it is gone."""
    try:
        asked = subprocess.run([_node(), "--version"], capture_output=True, text=True, check=False, timeout=10)
        said = asked.stderr.strip().splitlines()
    except (OSError, subprocess.TimeoutExpired) as error:
        said = [str(error)]
    reason = said[-1][-300:] if said else "its Node.js ended at once"
    hint = f"Install what it lacks: {install_command()}"
    return NothingStarts(f"Playwright does not start: {reason}", hint=hint, refused=(Refused("Playwright", reason),))


def _write_wrapper(directory: Path) -> Path | None:
    node = _node()
    wrapper = directory / "driver.sh"
    values = {"tmp": shlex.quote(str(directory)), "python": shlex.quote(sys.executable), "node": shlex.quote(str(node))}
    wrapper.write_text(WRAPPER.format(**values), encoding="utf-8")
    wrapper.chmod(0o700)
    # On a file system mounted with noexec the driver starts without it.
    executable = os.statvfs(directory).f_flag & os.ST_NOEXEC == 0
    return wrapper if node.is_file() and executable else None


async def _stop_driver(driver: Playwright, directory: Path) -> None:
    with contextlib.suppress(Exception):
        await driver.stop()
    shutil.rmtree(directory, ignore_errors=True)


async def _try(
    driver: Playwright, candidate: Candidate, settings: Settings, directory: Path, refused: tuple[Refused, ...]
) -> Launched:
    reason = "the server runs as root" if os.geteuid() == 0 else ""
    try:
        browser = await _launch(driver.chromium, candidate, settings, directory, sandbox=not reason)
    except PlaywrightError as error:
        if reason or not _is_there(driver.chromium, candidate):
            raise
        browser = await _launch(driver.chromium, candidate, settings, directory, sandbox=False)
        reason = f"the kernel forbids it: {_sandbox_line(error)}"
    pids = await _pids(browser)
    path = candidate.path or (psutil.Process(pids[-1]).exe() if pids else "")
    report = BrowserReport(
        True, candidate.source, path, browser.version, sandbox=not reason, sandbox_reason=reason, refused=refused
    )
    return Launched(driver, browser, candidate, report, directory, pids)


async def _launch(
    chromium: BrowserType, candidate: Candidate, settings: Settings, directory: Path, *, sandbox: bool
) -> Browser:
    names = {*settings.child_env, *MORE_ENV}
    return await chromium.launch(
        executable_path=candidate.path,
        channel=candidate.channel,
        args=list(ARGS),
        headless=True,
        chromium_sandbox=sandbox,
        downloads_path=directory / "downloads",
        env={name: value for name, value in os.environ.items() if name in names},
        timeout=LAUNCH_TIMEOUT_MS,
        handle_sigint=False,
        handle_sigterm=False,
        handle_sighup=False,
    )


def _is_there(chromium: BrowserType, candidate: Candidate) -> bool:
    if candidate.path is not None:
        return os.access(candidate.path, os.X_OK)
    return candidate.channel is not None or Path(chromium.executable_path).exists()


async def _pids(browser: Browser) -> list[int]:
    """The driver and Chromium's main process; what they start is found as their children."""
    session = await browser.new_browser_cdp_session()
    answer = await session.send("SystemInfo.getProcessInfo")
    await session.detach()
    mine = [int(process["id"]) for process in answer["processInfo"] if process["type"] == "browser"]
    with contextlib.suppress(psutil.Error):
        driver = psutil.Process(mine[0]).parent()
        if driver is not None and driver.pid != os.getpid():
            return [driver.pid, *mine]
    return mine


def _first_line(error: Exception) -> str:
    lines = [line.strip(" ║╔╚═") for line in str(error).splitlines()]
    line = next((line for line in lines if line), type(error).__name__)
    return line.removeprefix("BrowserType.launch: ")[:300]


def _sandbox_line(error: Exception) -> str:
    for line in str(error).splitlines():
        if "sandbox" in line.lower() and "--" not in line:
            return line.strip()[-200:]
    return _first_line(error)


async def _find(settings: Settings) -> BrowserReport:
    directory = settings.data_dir / "browser" / f"{os.getpid()}-doctor"
    try:
        launched = await launch(settings, None, directory)
    except NothingStarts as error:
        return BrowserReport(False, refused=error.refused, command=install_command())
    await launched.browser.close()
    await _stop_driver(launched.playwright, directory)
    return launched.report


def find_browser(settings: Settings) -> BrowserReport:
    """Look for a browser as a run would and start it once. Takes about a second; must not run in an event loop."""
    runner = asyncio.Runner(loop_factory=asyncio.SelectorEventLoop)
    with runner:
        return runner.run(_find(settings))
