"""How many requests one client may send: a bucket of tokens each."""

import threading
import time
from typing import final

MOST_BUCKETS = 100_000


@final
class Limiter:
    """Token buckets by client.

    Parameters
    ----------
    rate : float
        Tokens a second; 0 sets no limit.
    burst : int
        Tokens of a full bucket.
    """

    def __init__(self, rate: float, burst: int):
        self.rate, self.burst = rate, burst
        self._buckets: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def wait(self, client: str, at: float | None = None) -> float:
        """Take a token; 0, or the seconds until there is one.

        Parameters
        ----------
        client : str
        at : float, optional
            Seconds of a clock that never goes back; that of `time.monotonic` when None.
        """
        if not self.rate:
            return 0.0
        at = time.monotonic() if at is None else at
        with self._lock:
            tokens, since = self._buckets.get(client, (float(self.burst), at))
            tokens = min(self.burst, tokens + (at - since) * self.rate)
            if tokens < 1:
                self._buckets[client] = (tokens, at)
                return (1 - tokens) / self.rate
            if len(self._buckets) >= MOST_BUCKETS and client not in self._buckets:
                self._drop_full(at)
            self._buckets[client] = (tokens - 1, at)
            return 0.0

    def _drop_full(self, at: float) -> None:
        """Forget clients whose bucket is full again, and everybody if that does not help."""
        full = [
            client for client, (tokens, since) in self._buckets.items()
            if tokens + (at - since) * self.rate >= self.burst
        ]  # fmt: skip
        for client in full:
            del self._buckets[client]
        if len(self._buckets) >= MOST_BUCKETS:
            self._buckets.clear()
