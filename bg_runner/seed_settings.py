"""Settings under the names of the terminal seeds, from two files in the data directory.

`terminal_config.json` (seed 000: `session_timeout` in s, `buffer_size` in lines) and the unprefixed names of seed 001
in `.env` (`SESSION_TIMEOUT` in ms, `CORS_ORIGIN`, `PORT`, `HOST`). They are only ever read from these files, never from
the environment, where PORT and HOST may mean something else. `.env` wins; every BG_RUNNER_ name wins over both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from dotenv import dotenv_values

from bg_runner.errors import StartupError

CONFIG_FILE = "terminal_config.json"
CONFIG_KEYS = ("session_timeout", "buffer_size")
HINT = "docs/settings.md describes the file; take the line out to have the default."
# Seed 000 shows its file with // comments, so they are allowed; strings are matched first to be left alone.
_STRING_OR_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*')


class SeedValue(NamedTuple):
    """`value` for a setting of ours, and where it comes from: the file and the name that is written there."""

    value: object
    file: Path
    name: str

    def refused(self, why: str) -> StartupError:
        return StartupError(f"{self.file}: {self.name}: {why}", hint=HINT)


def read_seed_values(data_dir: Path) -> dict[str, SeedValue]:
    """Setting -> its value in the seeds' files, not yet checked against the setting's bounds.

    Raises: StartupError, naming the file, if `terminal_config.json` cannot be read or understood.
    """
    return {**_read_config(data_dir / CONFIG_FILE), **_read_env(data_dir / ".env")}


def _read_config(path: Path) -> dict[str, SeedValue]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise StartupError(f"{path} cannot be read: {error}", hint="Mend the file or delete it.") from None
    try:
        config = json.loads(_STRING_OR_COMMENT.sub(lambda match: match[1] or "", text))
    except (ValueError, RecursionError) as error:
        raise StartupError(f"{path} is not JSON: {error}", hint="Mend the file or delete it.") from None
    if not isinstance(config, dict):
        raise StartupError(f"{path} is not a JSON object", hint="Mend the file or delete it.")
    found: dict[str, SeedValue] = {}
    for name, value in config.items():
        setting = SeedValue(value, path, name)
        if name not in CONFIG_KEYS:
            raise setting.refused(f"there is no such key, only {' and '.join(CONFIG_KEYS)}")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise setting.refused("a number is needed")
        found[name] = setting
    return found


def _read_env(path: Path) -> dict[str, SeedValue]:
    """The values are text; pydantic reads it, and `_milliseconds` where the unit differs."""
    if not path.is_file():
        return {}
    given = dotenv_values(path, encoding="utf-8")
    names: dict[str, tuple[str, Callable[[str], object]]] = {
        "SESSION_TIMEOUT": ("session_timeout", _milliseconds),
        "CORS_ORIGIN": ("cors_origin", str),
        "PORT": ("port", str),
        "HOST": ("host", str),
    }
    return {
        setting: SeedValue(convert(value), path, name)
        for name, (setting, convert) in names.items()
        if (value := given.get(name))
    }


def _milliseconds(text: str) -> object:
    """As seconds; what is not a number is left for the setting to refuse."""
    try:
        return float(text) / 1000
    except ValueError:
        return text
