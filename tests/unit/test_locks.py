"""The locks hold what pyproject.toml asks for, by hash, and name no place to get it from."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from hatch_build import BABEL, NPM
from scripts.console import CHECKOUT
from scripts.lock import LOCKS

PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)")


def read_lock(name: str) -> dict[str, Version]:
    """Canonical name -> version."""
    lines = (CHECKOUT / name).read_text(encoding="utf-8").splitlines()
    pins = filter(None, map(PINNED.match, lines))
    return {canonicalize_name(pin[1]): Version(pin[2]) for pin in pins}


@pytest.fixture(scope="module")
def pyproject() -> dict[str, Any]:
    return tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", LOCKS)
def test_lock_names_no_place(name: str) -> None:
    text = (CHECKOUT / name).read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*(-i|-f|--\S*index\S*|--find-links|-e)\b", text, re.MULTILINE)


@pytest.mark.parametrize("name", LOCKS)
def test_everything_locked_has_a_hash(name: str) -> None:
    for entry in re.split(r"\n(?=[A-Za-z0-9])", (CHECKOUT / name).read_text(encoding="utf-8")):
        if PINNED.match(entry):
            assert "--hash=sha256:" in entry, entry


def test_locks_satisfy_pyproject(pyproject: dict[str, Any]) -> None:
    groups = pyproject["dependency-groups"]
    runtime = [*pyproject["project"]["dependencies"], *groups["checkout"]]
    wanted = {
        "requirements.lock": runtime,
        "requirements-dev.lock": [*runtime, *pyproject["project"]["optional-dependencies"]["dev"]],
        "requirements-node.lock": groups["node"],
    }
    assert wanted.keys() == LOCKS.keys()
    for name, requirements in wanted.items():
        locked = read_lock(name)
        for requirement in map(Requirement, requirements):
            version = locked.get(canonicalize_name(requirement.name))
            assert version is not None, f"{requirement} is not in {name}: run `make lock`"
            assert version in requirement.specifier, f"{name} has {version} of {requirement}: run `make lock`"


def test_dev_lock_contains_the_runtime_lock() -> None:
    """`make test` installs only the dev lock, and what people run must be what was tested."""
    assert read_lock("requirements.lock").items() <= read_lock("requirements-dev.lock").items()


def test_build_requirements_are_what_the_locks_hold(pyproject: dict[str, Any]) -> None:
    assert pyproject["dependency-groups"]["node"] == [NPM]
    assert read_lock("requirements.lock")["babel"] in Requirement(BABEL).specifier


def test_npm_lock_names_no_registry_and_has_every_hash() -> None:
    lock = json.loads((CHECKOUT / "package-lock.json").read_text(encoding="utf-8"))
    packages = {path: package for path, package in lock["packages"].items() if path}
    assert packages
    for path, package in packages.items():
        assert "resolved" not in package, path
        assert package["integrity"].startswith("sha512-"), path


def test_vendor_files_come_from_locked_runtime_packages() -> None:
    declared = json.loads((CHECKOUT / "package.json").read_text(encoding="utf-8"))
    lock = json.loads((CHECKOUT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert lock[""]["dependencies"] == declared["dependencies"], "run `npm install --package-lock-only`"
    assert lock[""]["devDependencies"] == declared["devDependencies"], "run `npm install --package-lock-only`"
    for source in declared["vendorFiles"]:
        package = "/".join(source.split("/")[: 2 if source.startswith("@") else 1])
        assert package in declared["dependencies"], source


def test_no_npm_package_downloads_a_browser() -> None:
    """Only `puppeteer-core` is wanted: `puppeteer` fetches a browser of its own."""
    lock = json.loads((CHECKOUT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert "node_modules/puppeteer" not in lock
    assert "ignore-scripts=true" in (CHECKOUT / ".npmrc").read_text(encoding="utf-8").splitlines()
