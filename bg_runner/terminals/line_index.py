"""Where the lines of a log begin: the number of newlines before every 16 KB or so, and no line itself."""

from __future__ import annotations

from bisect import bisect_left

SPACING = 1 << 14


class LineIndex:
    """Counts newlines over the bytes from `start` on, given in order.

    `lines` of a checkpoint are the newlines before its cursor since the terminal began; so line number n (from 0)
    begins behind the n-th newline.
    """

    def __init__(self, start: int, lines: int) -> None:
        self._cursors = [start]
        self._lines = [lines]
        self.end = start
        self.newlines = lines
        self.last_start = start
        """Where the line begins that is still being written (bytes)."""

    @property
    def start(self) -> int:
        """The oldest cursor that is covered (bytes)."""
        return self._cursors[0]

    @property
    def first(self) -> int:
        """The number of the line that the byte at `start` belongs to."""
        return self._lines[0]

    def add(self, cursor: int, data: bytes) -> None:
        """Go on with `data`, the bytes from `cursor`; before it there may be a hole, as a crash leaves one."""
        for at in range(0, len(data), SPACING):
            if cursor + at - self._cursors[-1] >= SPACING:
                self._cursors.append(cursor + at)
                self._lines.append(self.newlines)
            self.newlines += data.count(b"\n", at, at + SPACING)
        self.end = cursor + len(data)
        last = data.rfind(b"\n")
        if last >= 0:
            self.last_start = cursor + last + 1

    def span_of(self, line: int) -> tuple[int, int, int]:
        """The bytes [from, to) in which `line` begins, behind their so-manieth newline.

        `line` is more than `first` and at most `newlines`.
        """
        place = bisect_left(self._lines, line) - 1
        stop = self._cursors[place + 1] if place + 1 < len(self._cursors) else self.end
        return self._cursors[place], stop, line - self._lines[place]

    def forget_lines(self, line: int) -> None:
        """Keep no more checkpoints than it takes to find `line` and later ones."""
        unneeded = bisect_left(self._lines, line) - 1
        if unneeded > 0:
            del self._cursors[:unneeded], self._lines[:unneeded]

    def next_checkpoint(self, cursor: int) -> tuple[int, int]:
        """The first checkpoint at or after `cursor`, or the end: cursor and lines."""
        place = bisect_left(self._cursors, cursor)
        if place == len(self._cursors):
            return self.end, self.newlines
        return self._cursors[place], self._lines[place]

    def cut(self, cursor: int, lines: int) -> None:
        """What stands before `cursor` is gone; so many newlines did."""
        kept = bisect_left(self._cursors, cursor)
        if kept < len(self._cursors) and self._cursors[kept] == cursor:
            del self._cursors[:kept], self._lines[:kept]
        else:
            self._cursors[:kept], self._lines[:kept] = [cursor], [lines]
        self.last_start = max(self.last_start, cursor)

    def prepend(self, older: LineIndex) -> None:
        """Put the checkpoints of `older`, which ends where this one starts, before the own ones."""
        if self.newlines == self._lines[0]:
            self.last_start = older.last_start
        self._cursors[:0], self._lines[:0] = older._cursors, older._lines


def position_of_newline(data: bytes, count: int) -> int:
    """Where in `data` its `count`-th newline is (from 1); there are at least so many. Halving beats finding each."""
    low, high = 0, len(data)
    while high - low > 512:
        middle = (low + high) // 2
        before = data.count(b"\n", low, middle)
        if before >= count:
            high = middle
        else:
            low, count = middle, count - before
    at = low - 1
    for _ in range(count):
        at = data.index(b"\n", at + 1)
    return at
