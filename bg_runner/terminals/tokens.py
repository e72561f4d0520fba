"""How many tokens a language model would make of a text: an estimate without a tokenizer.

Byte pair encodings split a text first: into words with the character before them, groups of up to three digits, runs of
punctuation, runs of blanks; then what is rare into smaller pieces. So those are counted, and weighed with what a piece
costs on average. The weights are a least-squares fit of relative errors to o200k_base over some 3 MB of code, logs,
prose and listings in English and Chinese; `tests/unit/test_terminals_tokens.py` holds them against that tokenizer.

Counting is done on the classes of bytes, one letter each, with `bytes.translate`, `count` and `split`: each of them
takes a nanosecond or two a byte, where a regular expression takes some fifty.
"""

from __future__ import annotations

from collections import Counter

_LOWER, _UPPER, _DIGITS = range(0x61, 0x7B), range(0x41, 0x5B), range(0x30, 0x3A)
_CONTINUATION = bytes(range(0x80, 0xC0))


def _class_of(byte: int) -> str:
    if byte in _LOWER or byte in _UPPER:
        return "a"
    if byte in _DIGITS:
        return "9"
    if byte in b" \t":
        return " "
    if byte in b"\r\n":
        return "n"
    if byte < 0x80:
        return "!"
    if 0xE4 <= byte <= 0xE9:
        return "h"  # The first byte of a Chinese character (U+4000 to U+9FFF).
    if byte in {0xE3, 0xEF}:
        return "p"  # Of full-width punctuation; kana, too.
    return "o"


_CLASSES = bytes(ord(_class_of(byte)) for byte in range(256))
_LETTERS = bytes(byte if byte in _LOWER else 0x20 for byte in range(256))
"""Small letters stay, all else parts them."""
_CAPITALS = bytes(0x55 if byte in _UPPER else 0x61 if byte in _LOWER else 0x20 for byte in range(256))
_CONSONANTS = bytes(0x63 if byte in b"bcdfghjklmnpqrstvxz" else 0x76 if byte in _LOWER else 0x20 for byte in range(256))
_NUMBERS = bytes(byte if byte in _DIGITS else 0x20 for byte in range(256))

_WEIGHTS = (
    *(1.77, 1.02, 0.6, 1.47, 0.22),  # Runs of 1, 2 to 4, 5 to 7, 8 to 10 small letters; the letters of longer ones.
    *(0.28, -0.07, -0.77, 1.29),  # Capitals; two of them, one before a small letter, one after.
    *(0.7, -0.12, -0.5),  # Three consonants; two and one at the end of a word.
    *(-0.12, 1.02),  # Letters beside digits; groups of up to three digits.
    *(0.58, -0.93, 0.41),  # Signs; two of them, one before a blank or digit.
    *(-0.12, 1.08),  # A sign before a letter; if it does not go with that.
    *(1.22, 1.09, 1.05, -0.85),  # Runs of blanks; a blank before a digit; line ends; those that go with what is before.
    *(0.74, 0.9, 1.21, -1.5),  # Chinese characters; full-width signs; other characters; two of them.
)
WHOLE = 1 << 16
"""Longer texts (in characters) are estimated from samples that have this size together."""
_SAMPLES = 32


def estimate_tokens(text: str) -> int:
    """Tokens of `text`, right within 15 % for some thousand characters of the usual kinds; 0 only if it is empty."""
    if len(text) <= WHOLE:
        return _weighed(text)
    size = WHOLE // _SAMPLES
    step = (len(text) - size) / (_SAMPLES - 1)
    seen = (text[int(step * number) : int(step * number) + size] for number in range(_SAMPLES))
    return _weighed("".join(seen)) * len(text) // WHOLE


def _weighed(text: str) -> int:
    cost = sum(weight * count for weight, count in zip(_WEIGHTS, _counts(text), strict=True))
    return max(round(cost), bool(text))


def _counts(text: str) -> tuple[int, ...]:
    """What `_WEIGHTS` are for, in their order."""
    data = text.encode("utf-8", "replace")
    classes = data.translate(_CLASSES, _CONTINUATION)
    words = Counter(map(len, data.translate(_LETTERS).split()))
    numbers = Counter(map(len, data.translate(_NUMBERS).split()))
    capitals = data.translate(_CAPITALS)
    consonants = data.translate(_CONSONANTS)
    count = classes.count
    signs = count(b"!")
    return (
        words[1],
        words[2] + words[3] + words[4],
        words[5] + words[6] + words[7],
        words[8] + words[9] + words[10],
        sum(length * times for length, times in words.items() if length > 10),
        capitals.count(b"U"),
        capitals.count(b"UU"),
        capitals.count(b"Ua"),
        capitals.count(b"aU"),
        consonants.count(b"ccc"),
        consonants.count(b"cc "),
        consonants.count(b" c "),
        count(b"9a") + count(b"a9"),
        sum(-(-length // 3) * times for length, times in numbers.items()),
        signs,
        count(b"!!"),
        count(b"! ") + count(b"!9"),
        count(b"!a"),
        count(b" !a") + count(b"!!a"),
        count(b"  a") + count(b"  !") + count(b"  9"),
        count(b" 9"),
        count(b"n"),
        count(b"!n") + count(b"nn"),
        count(b"h"),
        count(b"p"),
        count(b"o"),
        count(b"oo"),
    )
