"""Set up a checkout: `python -m scripts.setup run | all | lint | test`. What is done already costs a few file reads.

run   what `make run` needs; a browser that could not be had before is not tried again
all   the same, and tries again
lint  what `make lint` needs
test  everything: what the tests and benchmarks drive, too
"""

from __future__ import annotations

import fcntl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts import browser, environment, page_assets, stamps, system_packages
from scripts.console import CHECKOUT, SetupError, run, say, warn
from scripts.environment import PYTHON

GOALS = ("run", "all", "lint", "test")
RUNTIME_LOCK, DEV_LOCK, NODE_LOCK = "requirements.lock", "requirements-dev.lock", "requirements-node.lock"


def set_up(goal: str) -> None:
    """Do what `goal` needs and is not done yet. Raises: SetupError when it cannot go on."""
    environment.make()
    if goal in ("lint", "test"):
        environment.install_lock(DEV_LOCK, implies=(RUNTIME_LOCK,))
    else:
        environment.install_lock(RUNTIME_LOCK)
    environment.install_project()
    if goal == "lint":
        return
    environment.compile_translations()
    provide_page_assets()
    if goal == "test":
        system_packages.for_tests()
        provide_test_packages()
    browser.provide(retry=goal != "run")


def provide_page_assets() -> None:
    """Fetch the page files unless they are there as declared. Without them the pages work, less API docs."""
    if page_assets.are_current():
        return
    say("Page assets from npm into static/vendor")
    if not _with_npm():
        warn("Page assets could not be fetched; what they are for is missing from the pages. Again with:", "make setup")


def provide_test_packages() -> None:
    """Install the npm packages that tests use into `node_modules`."""
    key = page_assets.lock_key()
    if stamps.is_current("node-modules", key, needs=[CHECKOUT / "node_modules"]):
        return
    say("npm packages of the tests")
    if _with_npm("--dev"):
        stamps.write("node-modules", key)
    else:
        warn("The npm packages could not be installed; tests that need them fail. Again with:", "make test")


def _with_npm(*arguments: str) -> bool:
    # In the virtual environment's Python, since that is where a packaged npm would be.
    if page_assets.find_node_bin() is None:
        environment.install_lock(NODE_LOCK)
    return run([PYTHON, "-m", "scripts.page_assets", *arguments])


@contextmanager
def only_one() -> Iterator[None]:
    """Two `make` at once would install over each other: the second waits for the first."""
    with Path(__file__).open("rb") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another set-up of this checkout")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def main() -> int:
    """Set up for the goal named on the command line; 0, or 1 with the reason and the way out."""
    goal = sys.argv[1] if len(sys.argv) > 1 else "all"
    if goal not in GOALS:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        with only_one():
            set_up(goal)
    except SetupError as error:
        print(f"!!  Set-up stopped: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
