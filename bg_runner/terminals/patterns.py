"""Regular expressions from strangers.

The engine is RE2 (google-re2): its time is linear in the text and its memory bounded, whatever the pattern. `re` and
`regex` backtrack, and a timeout would only end what holds the interpreter's lock for so long.
"""

from __future__ import annotations

from typing import Protocol

import re2

from bg_runner.errors import InvalidPattern

MAX_PATTERN = 1000
"""Characters."""
MAX_MEMORY = 1 << 20
"""Bytes that a compiled pattern may take; the engine keeps the last 128 of them."""


class Match(Protocol):
    """As `re.Match`."""

    def start(self) -> int: ...
    def end(self) -> int: ...
    def group(self) -> str: ...


class Pattern(Protocol):
    """As `re.Pattern`, in time linear in the text."""

    pattern: str

    def search(self, text: str) -> Match | None: ...


def compile_pattern(text: str) -> Pattern:
    """RE2's syntax: as `re`, without backreferences and look-around. Raises: InvalidPattern."""
    if not text:
        raise InvalidPattern("The pattern is empty.")
    if len(text) > MAX_PATTERN:
        raise InvalidPattern(
            f"The pattern has {len(text)} characters; at most {MAX_PATTERN} are allowed.",
            hint="Write a shorter pattern.",
        )
    options = re2.Options()
    options.max_mem = MAX_MEMORY
    options.log_errors = False
    try:
        compiled: Pattern = re2.compile(text, options)
    except re2.error as error:
        said = error.args[0] if error.args else ""
        said = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise InvalidPattern(f"The pattern is not valid: {said}") from None
    except UnicodeEncodeError:
        raise InvalidPattern("The pattern holds a lone surrogate, which is no character.") from None
    return compiled
