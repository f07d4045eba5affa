"""What changes over a run: learning rates, and the seed of each step."""

import hashlib
import math
import os
from collections.abc import Callable

LR_SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda progress: 1.0,
    "linear": lambda progress: 1.0 - progress,
    "cosine": lambda progress: (1.0 + math.cos(math.pi * progress)) / 2,
}
"""The factor of the learning rates, by name, as a function of the part of training that is done, in [0, 1]."""


def counted_seed(*counters: int) -> int:
    """Hash counters (a step, a rank ...) and the seed of ``seed_everything`` to 63 bits: neighbours are unrelated.

    Example:
        >>> counted_seed(0, 1) == counted_seed(0, 1), counted_seed(0, 1) == counted_seed(1, 0)
        (True, False)
    """
    seed = int(os.environ.get("PL_GLOBAL_SEED", "0"))
    return int.from_bytes(hashlib.blake2b(repr((seed, *counters)).encode(), digest_size=8).digest(), "big") >> 1
