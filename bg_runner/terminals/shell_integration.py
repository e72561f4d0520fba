"""Interactive bash and zsh report where a command begins and ends (OSC 133) and where they are (OSC 7).

Nothing of the user's is replaced: their own start-up files are read first. fish 4 reports all this by itself.
"""

from __future__ import annotations

import os
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent / "integration"


def integrate(program: str, env: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    """The command line and the environment for an interactive `program` (a path)."""
    name = os.path.basename(program)  # noqa: PTH119 - a text, not a file that is looked at
    if name == "bash":
        return [program, "--rcfile", str(SCRIPTS / "bash.sh"), "-i"], env
    if name == "zsh":
        kept = {"BG_RUNNER_ZDOTDIR": env["ZDOTDIR"]} if "ZDOTDIR" in env else {}
        return [program, "-i"], {**env, **kept, "ZDOTDIR": str(SCRIPTS / "zsh")}
    return [program], env
