"""Make the locks anew from pyproject.toml: `python -m scripts.lock [--upgrade]`.

They hold for every platform and Python from 3.11 on, with the hash of each file, and name no index: who installs
decides where packages come from.
"""

from __future__ import annotations

import sys

from scripts.console import run, say
from scripts.stamps import VENV

# Lock -> what goes into it besides the dependencies that pyproject.toml names for `arguments`.
LOCKS = {
    "requirements.lock": ["pyproject.toml", "--group", "checkout"],
    # The same versions as in the runtime lock, so that installing this one installs that one.
    "requirements-dev.lock": ["pyproject.toml", "--group", "checkout", "--extra", "dev", "-c", "requirements.lock"],
    "requirements-node.lock": ["--group", "node"],
}
COMPILE = ["--quiet", "--universal", "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url"]
HEADER = ["--custom-compile-command", "make lock", "--no-annotate"]


def main() -> int:
    """Write every lock; 1 if one could not be made."""
    for name, arguments in LOCKS.items():
        say(name)
        uv = [str(VENV / "bin" / "uv"), "pip", "compile", *COMPILE, *HEADER, *sys.argv[1:]]
        if not run([*uv, *arguments, "-o", name]):
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
