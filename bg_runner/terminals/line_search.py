"""Waiting for a line that matches: each look goes on where the last one ended."""

from __future__ import annotations

from bg_runner.terminals.lines import Lines, LinesMoved
from bg_runner.terminals.patterns import compile_pattern
from bg_runner.terminals.smart_read import rendered


class LineSearch:
    """Looks at the lines from `since` on (None: all that can be read) as they look in the end, without escapes."""

    def __init__(self, lines: Lines, pattern: str, since: int | None) -> None:
        """Raises: InvalidPattern."""
        self._lines = lines
        self._pattern = compile_pattern(pattern)
        self._next = since or 0

    def look(self) -> str | None:
        """The first line that matches of those that came or changed since the last look. Blocks. Raises: OSError."""
        window = self._lines.window()
        first = max(self._next, window.oldest)
        if first >= window.total:
            return None
        try:
            span = self._lines.span(window, first, window.total)
        except LinesMoved:
            return None  # Deleted meanwhile: the next look begins with the oldest line that is left.
        for raw in self._lines.read(span):
            for line in rendered(raw, ansi=False):
                if self._pattern.search(line) is not None:
                    return line
        self._next = window.complete  # The unfinished line may match when there is more of it.
        return None
