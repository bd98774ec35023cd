"""Weights made from a seed: dense, random, and the same bytes wherever they are made."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["Weights"]


class Weights:
    """The random weights of one topology.

    Every array has a generator of its own, seeded by the names of the topology and of the array, so an array
    does not depend on which others were made before it.

    Values are uniform. They are taken from the raw stream of PCG64, which NumPy promises never to change,
    by exact operations, so the bytes are the same with every NumPy and on every processor. That does not
    hold for NumPy's normal distribution, and a model is known by its checksum.
    """

    def __init__(self, topology: str) -> None:
        self._topology = topology

    def uniform(
        self, name: str, shape: Sequence[int], *, std: float, mean: float = 0.0
    ) -> NDArray[np.float32]:
        """Float32 values, uniform about `mean` with the standard deviation `std`, which must be positive.

        They lie within √3·`std` of `mean`, and with a mean of 0 none is zero.
        """
        size = math.prod(shape)
        digest = hashlib.sha256(f"{self._topology}/{name}".encode()).digest()
        raw = np.random.PCG64(int.from_bytes(digest[:16], "little")).random_raw((size + 1) // 2)
        bits = raw.astype("<u8", copy=False).view("<u4")[:size]
        # 23 random bits under the exponent of 1.0 are a float in [1, 2); the lowest bit set keeps it off 1.5.
        bits >>= np.uint32(9)
        bits |= np.uint32(0x3F800001)
        values = bits.view(np.float32)
        values -= np.float32(1.5)
        values *= np.float32(std * math.sqrt(12))
        if mean:
            values += np.float32(mean)
        return values.reshape(shape)
