"""What a person types in a real terminal, told apart from what that terminal says by itself.

A terminal answers the queries that it is shown (cursor position, colours, what it is). Those of a program on the server
are answered by the server's own emulator, so an answer from here would arrive as a second one: as junk at a prompt.
"""

from __future__ import annotations

import re

HOLD_SECONDS = 0.05
LONGEST_REPORT = 8192
DEFAULT_DETACH_KEY = "ctrl-]"

# Answers only: no key sends any of these. ECMA-48, DEC STD 070, xterm's ctlseqs, kitty's protocols.
_REPORTS = (
    rb"\x1b\[[?>=][0-9;:]*[ -/]*[@-~]"  # DA1, DA2, DECXCPR, DECRPM, colour scheme, keyboard flags
    rb"|\x1b\[[03]n"  # DSR
    rb"|\x1b\[[0-9;]+\$y"  # DECRPM of an ANSI mode
    rb"|\x1b\[[0-9;]+t"  # size and state of the window
    rb"|\x1b\][0-9lLI][^\x07\x1b]*(?:\x07|\x1b\\)"  # colours, titles, clipboard
    rb"|\x1bP[>!01][^\x1b]*\x1b\\"  # DA3, XTVERSION, DECRPSS, XTGETTCAP
    rb"|\x1b_G[^\x1b]*\x1b\\"  # kitty graphics
)
_POSITION = rb"\x1b\[(?P<row>[0-9]+);(?P<col>[0-9]+)R"
_PARTIAL = (
    rb"\x1b(?:\[(?:[?>=][0-9;:]*[ -/]*|[0-9;]*\$?)?|\](?:[0-9lLI][^\x07\x1b]*\x1b?)?|P(?:[>!01][^\x1b]*\x1b?)?"
    rb"|_(?:G[^\x1b]*\x1b?)?)?\Z"
)
_PASTE_BEGIN, _PASTE_END = b"\x1b[200~", b"\x1b[201~"
_QUERY = b"\x1b[6n"


def detach_pattern(key: str) -> bytes:
    """A regular expression for every way in which terminals send `key`: `ctrl-a` to `ctrl-z`, `ctrl-\\`, `ctrl-]`,
    `ctrl-^`, `ctrl-_`; empty for `none`. Raises: ValueError.
    """
    if key.lower() == "none":
        return b""
    found = re.fullmatch(r"(?:ctrl-|c-|\^)([a-z\\\]^_])", key.lower())
    if found is None:
        raise ValueError("ctrl- and a letter or one of \\ ] ^ _ (or: none)")
    code = ord(found[1])
    # Plain; as kitty's CSI u; as xterm's modifyOtherKeys. 64 and 128 in the modifiers are Caps Lock and Num Lock.
    return rb"\x%02x|\x1b\[%d(?::[0-9:]*)?;(?:5|69|133|197)(?::1)?u|\x1b\[27;5;%d~" % (code & 0x1F, code, code)


class Keyboard:
    """Takes what was read from the terminal and gives what goes to the program.

    An unfinished report is held back; call `flush` when nothing followed for `HOLD_SECONDS`. `detached` turns true when
    the detach key was pressed; what came after it is dropped.
    """

    def __init__(self, detach: bytes) -> None:
        """`detach` is a `detach_pattern`."""
        self.detached = False
        self._held = b""
        self._pasting = False
        self._queries = 0
        self._shown = b""
        keys = rb"|(?P<detach>%b)" % detach if detach else b""
        self._tokens = re.compile(
            rb"(?P<paste>\x1b\[200~)|(?P<report>%b)|%b%b|(?P<partial>%b)" % (_REPORTS, _POSITION, keys, _PARTIAL)
        )

    @property
    def holds(self) -> bool:
        """Whether something waits for its end."""
        return bool(self._held)

    def show(self, output: bytes) -> None:
        """Note what the terminal is about to be shown: it tells a cursor position from Shift+F3, which look alike."""
        both = self._shown + output[:3]
        self._queries += output.count(_QUERY) + both.count(_QUERY)
        self._shown = output[-3:] if len(output) >= 3 else both[-3:]

    def feed(self, data: bytes) -> bytes:
        data = self._held + data
        self._held = b""
        keys = bytearray()
        at = 0
        while at < len(data) and not self.detached:
            at = self._paste(data, at, keys) if self._pasting else self._type(data, at, keys)
        return bytes(keys)

    def flush(self) -> bytes:
        """Give what was held back: it was keys after all."""
        held, self._held = self._held, b""
        return held

    def _paste(self, data: bytes, at: int, keys: bytearray) -> int:
        """Pasted text goes through as it is."""
        end = data.find(_PASTE_END, at)
        if end >= 0:
            self._pasting = False
            keys += data[at : end + len(_PASTE_END)]
            return end + len(_PASTE_END)
        cut = next((size for size in range(5, 0, -1) if data.endswith(_PASTE_END[:size])), 0)
        cut = min(cut, len(data) - at)
        keys += data[at : len(data) - cut]
        self._held = data[len(data) - cut :]
        return len(data)

    def _type(self, data: bytes, at: int, keys: bytearray) -> int:
        """Take keys up to and with the next token; where that ends."""
        found = self._tokens.search(data, at)
        if found is None:
            keys += data[at:]
            return len(data)
        keys += data[at : found.start()]
        kind = found.lastgroup
        if kind == "paste":
            self._pasting = True
            keys += found[0]
        elif kind == "col" and self._is_key(int(found["row"]), int(found["col"])):
            keys += found[0]
        elif kind == "detach":
            self.detached = True
        elif kind == "partial":
            if len(found[0]) > LONGEST_REPORT:
                keys += found[0]
            else:
                self._held = found[0]
        return found.end()

    def _is_key(self, row: int, col: int) -> bool:
        """F3 with Shift, Alt, Ctrl is sent as row 1, column 2 to 16: it is a key when no program asked."""
        asked, self._queries = self._queries > 0, max(0, self._queries - 1)
        return not asked and row == 1 and 2 <= col <= 16
