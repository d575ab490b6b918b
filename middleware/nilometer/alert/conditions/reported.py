"""REPORTED: the user's own code decides, and reports a status with its evidence.

The collector runs a function of the user, or a program elsewhere reports over HTTP.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from nilometer.alert.conditions.condition import Fields, WrongField
from nilometer.alert.judgement import Judgement, Verdict
from nilometer.profile.content import Content
from nilometer.profile.reference import Reference
from nilometer.profile.summary import SummarySample

DEFAULT_EVERY_SECONDS = 300.0
EVERY_BOUNDS = (10.0, 86_400.0)  # seconds between two reports
_PART = "[A-Za-z_][A-Za-z0-9_]*"
FUNCTION_PATTERN = rf"{_PART}(?:\.{_PART})*:{_PART}"  # such as package.module:function
MEASURE_PATTERN = "[a-z][a-z0-9_]{0,63}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """A status that the user's own code reports for an interval.

    Attributes:
        function: Function that the collector runs, as ``package.module:function``; empty if a
            program elsewhere reports.
        every_seconds: Length of the interval, and time between two reports, in seconds.
        measure: Name of what the code measures.
        unit: Unit of its value; empty for none.
    """

    kind: ClassVar[str] = "REPORTED"
    is_distance: ClassVar[bool] = False
    judges_any_count: ClassVar[bool] = True
    fewest: ClassVar[int] = 1
    reference: ClassVar[str] = ""
    threshold: ClassVar[float | None] = None

    function: str = ""
    every_seconds: float = DEFAULT_EVERY_SECONDS
    measure: str = "value"
    unit: str = ""

    @property
    def limit_text(self) -> str:
        """Who decides, as evidence shows it."""
        return f"decided by {self.function or 'the program that reports'}"

    def wrong(self) -> WrongField | None:
        """Return the first field whose value is not allowed."""
        if self.function and not re.fullmatch(FUNCTION_PATTERN, self.function):
            return WrongField("function", self.function, "of the form package.module:function")
        low, high = EVERY_BOUNDS
        if not low <= self.every_seconds <= high:
            return WrongField("every_seconds", self.every_seconds, f"from {low:g} to {high:g}")
        if not re.fullmatch(MEASURE_PATTERN, self.measure):
            allowed = "a lower-case letter, then at most 63 letters, digits and _"
            return WrongField("measure", self.measure, allowed)
        return None

    def observations(self, content: Content) -> int:
        """Return the number of values of *content*."""
        return content.count

    def judge(self, sample: SummarySample, references: Mapping[str, Reference]) -> Judgement:
        """Return NOT_JUDGED, because no window decides."""
        del sample, references
        return Judgement(Verdict.NOT_JUDGED, "the user's own code decides")

    def excess(self, value: float) -> float:
        """Return *value*, because larger values count as worse."""
        return value

    def limit(self, value: float) -> float:
        """Return *value*: the code that measures it knows the limit."""
        return value if math.isfinite(value) else 0.0

    def fields(self) -> Fields:
        """Return the parameters by name."""
        return {
            "function": self.function,
            "every_seconds": self.every_seconds,
            "measure": self.measure,
            "unit": self.unit,
        }

    @classmethod
    def of_fields(cls, fields: Fields) -> Self:
        """Return the condition with these parameters."""
        return cls(
            function=str(fields.get("function", "")),
            every_seconds=float(fields.get("every_seconds", DEFAULT_EVERY_SECONDS)),
            measure=str(fields.get("measure", "value")),
            unit=str(fields.get("unit", "")),
        )
