"""Tolerances. Settings import this module, so it imports no library."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How far a column may be from normal without an alarm.

    Attributes:
        smooth: Tolerance of position, scale, skew and tails, in standard deviations of the
            reference.
        shape: Tolerance of the shape, in chi-square per row.
        rate: Tolerance of a rate, as a share of its total.
        rate_deviations: Tolerance of a rate, in standard deviations of one row. The larger
            tolerance of a rate applies.
    """

    smooth: float = 0.1
    shape: float = 0.03
    rate: float = 0.005
    rate_deviations: float = 0.05


DEFAULT = Tolerance()
