"""What every test may ask for: the browser that `make test` found, npm's node, and a clean environment."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest

from scripts.browser import NAMES, found_before
from scripts.page_assets import find_node_bin

# Chromium must not talk to anybody but the page under test.
CHROMIUM_FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
)

# No time limit for an example: machines are busy. CI must say the same twice; everybody else's run finds new examples.
hypothesis.settings.register_profile("ours", deadline=None, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("ours")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Quick tests first, and those that use pytest-playwright last.

    Its synchronous API leaves an event loop running in the main thread, in which no later test could `asyncio.run`.
    """
    stages = {"unit": 0, "integration": 1, "e2e": 2}

    def rank(item: pytest.Item) -> tuple[bool, int]:
        drives_page = "playwright" in getattr(item, "fixturenames", ())
        return drives_page, next((stages[part] for part in item.path.parts[::-1] if part in stages), 1)

    items.sort(key=rank)


@pytest.fixture(scope="session", autouse=True)
def clean_environment() -> Iterator[None]:
    """The settings of whoever runs the tests do not reach them; only the chosen browser does."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("BG_RUNNER_")]:
            if name != "BG_RUNNER_CHROMIUM":
                patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The Chromium to test with: the chosen one, the one that the set-up found and launched, or one on PATH."""
    found_at_setup = found_before()
    if found_at_setup is not None and not found_at_setup.exists():
        found_at_setup = None
    on_path = filter(None, map(shutil.which, NAMES))
    path = os.environ.get("BG_RUNNER_CHROMIUM") or found_at_setup or next(on_path, None)
    if path is None:
        pytest.fail("no Chromium on this machine; `make test` installs one or says how")
    return str(path)


@pytest.fixture(scope="session")
def chromium_args() -> list[str]:
    """Flags for every Chromium that a test starts itself; root cannot use its sandbox."""
    return [*CHROMIUM_FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]


@pytest.fixture(scope="session")
def browser_type_launch_args(
    browser_type_launch_args: dict[str, Any], chromium_path: str, chromium_args: list[str]
) -> dict[str, Any]:
    """How pytest-playwright starts its browser."""
    return {**browser_type_launch_args, "executable_path": chromium_path, "args": chromium_args}


@pytest.fixture(scope="session")
def node_path() -> str:
    """`node`, from PATH or from the Python package that `make test` installs where there is none."""
    directory = find_node_bin()
    if directory is None:
        pytest.fail("no node on this machine; `make test` installs one")
    return str(directory / "node")
