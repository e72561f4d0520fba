"""A bound on how often one caller may ask: a token bucket each."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from bg_runner.errors import TooMany

REMEMBERED = 4096


class RateLimit:
    """`rate` requests a second, `burst` at once, for each key. Belongs to the event loop."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = max(1.0, burst)
        self._clock = clock
        # What is left of each bucket, and when that was. The least recently used is forgotten: it is the fullest.
        self._left: OrderedDict[object, tuple[float, float]] = OrderedDict()

    def take(self, key: object) -> None:
        """Count a request of `key`. Raises: TooMany with the seconds after which one is allowed again."""
        now = self._clock()
        left, at = self._left.pop(key, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._rate)
        allowed = left >= 1
        self._left[key] = (left - 1 if allowed else left, now)
        if len(self._left) > REMEMBERED:
            self._left.popitem(last=False)
        if not allowed:
            raise TooMany(
                f"more than {self._rate:g} requests a second came from one client", retry_after=(1 - left) / self._rate
            )
