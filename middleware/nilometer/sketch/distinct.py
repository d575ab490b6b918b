"""HyperLogLog: estimates the number of distinct values of a stream.

Values are hashed by `nilometer.sketch.hashing`. That hash is fixed, so that sketches of different
processes merge; Python's ``hash`` has a random seed. The relative standard error is ``1.04 /
sqrt(2**precision)``: 3.3 % at precision 10.

Source: Flajolet, Fusy, Gandouet and Meunier, "HyperLogLog" (2007); linear counting for small
numbers, from the same paper.
"""

import math
from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nilometer.sketch.hashing import hash_numbers, hash_strings
from nilometer.values.errors import IncompatibleSketches

DEFAULT_PRECISION = 10


class Distinct:
    """A sketch that estimates the number of distinct values.

    Args:
        precision: Binary logarithm of the number of registers, 4 to 16; each register is one byte.

    Raises:
        ValueError: If *precision* is outside 4 to 16.
    """

    __slots__ = ("precision", "registers")

    def __init__(
        self, precision: int = DEFAULT_PRECISION, registers: NDArray[np.uint8] | None = None
    ) -> None:
        if not 4 <= precision <= 16:
            raise ValueError(f"precision must be 4 to 16, not {precision}")
        self.precision = precision
        self.registers = (
            np.zeros(1 << precision, dtype=np.uint8) if registers is None else registers
        )

    def observe_hashes(self, hashes: NDArray[np.uint64]) -> None:
        """Add 64-bit *hashes*, shape (n,)."""
        if hashes.size == 0:
            return
        rest_bits = 64 - self.precision
        index = (hashes >> np.uint64(rest_bits)).astype(np.intp)
        rest = hashes & np.uint64((1 << rest_bits) - 1)
        # float64 rounds an integer just below a power of two up to that power, so the lowest bits
        # are cleared first. They only matter below 2**53, where nothing is rounded.
        rest &= ~(rest >> np.uint64(53))
        length = np.frexp(rest.astype(np.float64))[1]
        ranks = (rest_bits - length + 1).astype(np.uint8)
        np.maximum.at(self.registers, index, ranks)

    def observe_strings(self, values: Sequence[str]) -> None:
        """Add *values*; the caller may remove duplicates first if that is cheap."""
        self.observe_hashes(hash_strings(values))

    def observe_numbers(self, values: NDArray[np.float64]) -> None:
        """Add finite *values*, shape (n,); 0.0 and -0.0 are the same value."""
        self.observe_hashes(hash_numbers(values))

    def merge(self, other: Self) -> Self:
        """Return a sketch of both streams; the merge is exact in any order.

        Raises:
            IncompatibleSketches: If the precisions differ.
        """
        if self.precision != other.precision:
            raise IncompatibleSketches("precision", self.precision, other.precision)
        return type(self)(self.precision, np.maximum(self.registers, other.registers))

    @property
    def estimate(self) -> float:
        """Return the estimated number of distinct values, with the relative error of the class."""
        m = self.registers.size
        alpha = 0.7213 / (1 + 1.079 / m)
        raw = alpha * m * m / float(np.exp2(-self.registers.astype(np.float64)).sum())
        empty = int(np.count_nonzero(self.registers == 0))
        if raw <= 2.5 * m and empty:
            return m * math.log(m / empty)
        return float(raw)
