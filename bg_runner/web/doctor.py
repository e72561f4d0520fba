"""What `bg-runner doctor` and `/api/doctor` look at. Each check says what is so and, if that is bad, what mends it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path

from bg_runner.errors import BgRunnerError
from bg_runner.settings import Settings
from bg_runner.tasks.browsers import BrowserReport, find_browser
from bg_runner.terminals.host_client import HostClient
from bg_runner.web.schemas import Check
from bg_runner.web.services import Services

ENOUGH_BYTES = 1024**3


def check_server(services: Services) -> list[Check]:
    """The checks from within a running server. May take some seconds."""
    return [
        check_python(),
        check_data_dir(services.settings.data_dir),
        check_disk(services.settings.data_dir),
        *check_browser(services.browsers.report()),
        check_host(services.host),
        *check_multiplexers(),
        check_state(services),
    ]


def check_machine(settings: Settings) -> list[Check]:
    """The same without a server. May take some seconds."""
    host = HostClient(settings.data_dir)
    try:
        return [
            check_python(),
            check_data_dir(settings.data_dir),
            check_disk(settings.data_dir),
            *check_browser(find_browser(settings)),
            check_host(host),
            *check_multiplexers(),
        ]
    finally:
        host.close()


def check_python() -> Check:
    version = platform.python_version()
    return Check(name="Python", ok=sys.version_info >= (3, 11), message=f"{version} at {sys.executable}")


def check_data_dir(data_dir: Path) -> Check:
    """Whether a file can be made there; a directory that is not there yet is judged by its nearest parent."""
    place = data_dir
    while not place.exists():
        place = place.parent
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".doctor.", suffix=".tmp") as file:
            file.write(b"ok")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        hint = f"Run: chown -R $(id -u) {place}   or choose another directory with BG_RUNNER_DATA_DIR."
        return Check(name="Data directory", ok=False, message=f"{place}: {error.strerror}", hint=hint)
    return Check(name="Data directory", ok=True, message=f"{data_dir} can be written")


def check_disk(data_dir: Path) -> Check:
    place = data_dir
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    hint = "" if free >= ENOUGH_BYTES else "Free some space: with a full disk no list and no progress can be saved."
    return Check(name="Disk space", ok=free >= ENOUGH_BYTES, message=f"{free / 1024**3:.1f} GB free", hint=hint)


def check_browser(report: BrowserReport) -> list[Check]:
    """The browser, and whether its own sandbox is on (being off is said, but is no failure)."""
    if not report.found:
        tried = "; ".join(f"{refused.source}: {refused.reason}" for refused in report.refused)
        message = f"none starts ({tried})" if tried else "none found"
        return [Check(name="Browser", ok=False, message=message, hint=f"Run: {report.command}")]
    found = Check(name="Browser", ok=True, message=f"{report.version} at {report.path} ({report.source})")
    state = "on" if report.sandbox else f"off: {report.sandbox_reason}"
    hint = "" if report.sandbox else "Run the server as an ordinary user to have it."
    return [found, Check(name="Browser sandbox", ok=True, message=state, hint=hint)]


def check_host(host: HostClient) -> Check:
    """Whether the PTY host answers; one that is not needed yet is fine."""
    try:
        if not host.ensure(start=False):
            return Check(name="PTY host", ok=True, message="not running; the first shell task starts it")
        terminals = host.list()
    except BgRunnerError as error:
        return Check(name="PTY host", ok=False, message=error.message, hint=error.hint)
    running = sum(info.state == "running" for info in terminals)
    return Check(name="PTY host", ok=True, message=f"answers; commands running: {running}")


def check_multiplexers() -> list[Check]:
    """tmux and screen are optional."""
    checks = []
    for name in ("tmux", "screen"):
        path = shutil.which(name)
        hint = "" if path else f"Only needed to attach to {name} sessions. On Debian: apt-get install -y {name}"
        checks.append(Check(name=name, ok=True, message=path or "not installed", hint=hint))
    return checks


def check_state(services: Services) -> Check:
    health = services.manager.health()
    problems = health["problems"]
    if not isinstance(problems, list) or not problems:
        return Check(name="Server", ok=True, message=f"healthy, version {services.version}, runs: {health['runs']}")
    first = problems[0]
    return Check(name="Server", ok=False, message=first["message"], hint=first["hint"])
