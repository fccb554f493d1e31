"""How sure a counted success rate is."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist


def wilson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Lower and upper bound of a proportion (Wilson 1927, without continuity correction).

    Raises ValueError where the counts make no proportion.
    """
    if not 0 <= successes <= trials or trials == 0:
        raise ValueError(f'{successes} successes in {trials} trials')
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, spread = successes / trials, z * z / trials
    half = z * sqrt(share * (1 - share) / trials + spread / (4 * trials))
    low, high = ((share + spread / 2 + sign * half) / (1 + spread) for sign in (-1, 1))
    return max(0.0, low), min(1.0, high)
