"""Reading a log for many clients: those that are equally far get the same bytes, read once."""

from __future__ import annotations

from pathlib import Path

from bg_runner.terminals.log_follower import LogFollower

KEPT_PIECES = 16
SHORT_PIECE = 16 * 1024
LONGEST_CHARACTER = 4  # bytes in UTF-8


class SharedReader:
    """Belongs to the event loop: what it reads was written a moment ago and is in memory."""

    def __init__(self, directory: Path) -> None:
        self._follower = LogFollower(directory)
        self._pieces: dict[int, bytes] = {}

    def read(self, cursor: int, size: int) -> bytes:
        """Up to `size` bytes at `cursor`, empty at the end. Raises: Overtaken if they are deleted; OSError.

        Of a character that is all there never only a part is returned, unless `size` says so.
        """
        piece = self._pieces.get(cursor, b"")
        # A piece that was the end of the log is read again when there is more, if it is short.
        if len(piece) < min(size, SHORT_PIECE):
            piece = self._follower.read(cursor, size)
            if len(piece) < min(size, LONGEST_CHARACTER):  # A segment of the log ends amid a character.
                piece += self._follower.read(cursor + len(piece), size - len(piece))
            self._pieces.pop(cursor, None)
            self._pieces[cursor] = piece
            if len(self._pieces) > KEPT_PIECES:
                del self._pieces[next(iter(self._pieces))]
        return piece if len(piece) <= size else piece[:size]

    def close(self) -> None:
        """Let go of the file and the pieces; reading opens it again."""
        self._follower.close()
        self._pieces.clear()
