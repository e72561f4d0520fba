"""How many tokens a language model would make of a text: an estimate without a tokenizer.

Byte pair encodings split a text first: into words with the character before them, groups of up to three digits, runs of
punctuation, runs of blanks; then what is rare into smaller pieces. So those are counted, and weighed with what a piece
costs on average. The weights are a least-squares fit of relative errors to o200k_base over some 3 MB of code, logs,
prose and listings in English and Chinese; `tests/unit/test_terminals_tokens.py` holds them against that tokenizer.
"""

from __future__ import annotations

import re
from collections import Counter

_PUNCTUATION = r"!-/:-@\[-`{-~"
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z](?![A-Za-z])")
_CAPITALS = re.compile(r"[A-Z]{2,}(?![a-z])")
# Begun only once in a run and never taken back: a hostile run of letters must not cost its square.
_VOWELLESS = re.compile(r"(?<![b-df-hj-np-tv-xz])[b-df-hj-np-tv-xz]{3,}+(?![a-z])")
_BESIDE_DIGIT = re.compile(r"[0-9][A-Za-z]{2,}|[A-Za-z]{3}(?=[0-9])")
_DIGITS = re.compile(r"[0-9]{1,3}")
_SIGNS = re.compile(rf"[{_PUNCTUATION}]+")
_SIGN_OF_A_WORD = re.compile(rf"(?<![ \t{_PUNCTUATION}])[{_PUNCTUATION}](?=[A-Za-z])")
_BLANKS = re.compile(r"[ \t]+(?=[ \t])|[ \t](?=[0-9])")
_LINE_ENDS = re.compile(rf"(?<![{_PUNCTUATION}\r\n])[\r\n]+")
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]+")
_HAN_SIGNS = re.compile(r"[\u3000-\u303f\uff00-\uffef]")
_OTHER = re.compile(r"[\u0080-\u2fff\ua000-\uf8ff\U00010000-\U0010ffff]+|[\u3040-\u33ff]+")

_WEIGHTS = (
    *(0.7, 0.86, 0.87, 1.27, 0.16),  # Words of 1, 2 to 4, 5 to 7, 8 to 10 letters; the letters of longer ones.
    *(0.0, 0.15),  # Words in capitals, and their letters.
    *(0.34, 0.33),  # In addition: letters without vowels, letters beside digits.
    *(0.96, 0.88, 0.1, -0.65),  # Groups of digits; runs of signs, and the signs in them; those that a word takes in.
    *(1.22, 1.18),  # Blanks before blanks or digits; line ends not after a sign.
    *(0.0, 0.75, 0.86),  # Runs of Chinese characters, the characters, full-width punctuation.
    *(1.04, 0.21),  # Runs of other characters, and the characters.
)
WHOLE = 1 << 15
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
    lengths = Counter(map(len, _WORD.findall(text)))
    capitals, signs = _CAPITALS.findall(text), _SIGNS.findall(text)
    words = (
        lengths[1],
        sum(lengths[length] for length in range(2, 5)),
        sum(lengths[length] for length in range(5, 8)),
        sum(lengths[length] for length in range(8, 11)),
        sum(length * count for length, count in lengths.items() if length > 10),
        len(capitals),
        _total(capitals),
        _total(_VOWELLESS.findall(text)),
        _total(_BESIDE_DIGIT.findall(text)),
        len(_DIGITS.findall(text)),
        len(signs),
        _total(signs),
        len(_SIGN_OF_A_WORD.findall(text)),
        len(_BLANKS.findall(text)),
        len(_LINE_ENDS.findall(text)),
    )
    if text.isascii():
        return (*words, 0, 0, 0, 0, 0)
    han, other = _HAN.findall(text), _OTHER.findall(text)
    return (*words, len(han), _total(han), len(_HAN_SIGNS.findall(text)), len(other), _total(other))


def _total(found: list[str]) -> int:
    return sum(map(len, found))
