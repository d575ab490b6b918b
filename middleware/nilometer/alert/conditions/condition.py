"""The protocol of conditions, with which alerters judge windows.

A condition is a frozen value. `fields` and `of_fields` convert it to texts and numbers and back, so
that the wire, settings files and the API need not know its class.
"""

from collections.abc import Mapping
from typing import ClassVar, NamedTuple, Protocol, Self, TypeAlias

from nilometer.alert.judgement import Judgement
from nilometer.profile.content import Content
from nilometer.profile.reference import Reference
from nilometer.profile.summary import SummarySample

Fields: TypeAlias = Mapping[str, str | float]


class WrongField(NamedTuple):
    """A field of an alerter whose value is not allowed.

    Attributes:
        key: Name of the field.
        value: Value that is not allowed.
        allowed: Phrase that says what is allowed and follows "must be".
    """

    key: str
    value: object
    allowed: str


class Condition(Protocol):
    """Decides which windows are breaches."""

    is_distance: ClassVar[bool]  # whether the value is a distance between two distributions

    @property
    def kind(self) -> str:
        """The name of the kind in alerters and on the wire."""

    @property
    def measure(self) -> str:
        """The name of what is measured: the statistic or the comparator."""

    @property
    def unit(self) -> str:
        """The unit of the value; empty if the measure has none, or if its name gives the unit."""

    @property
    def threshold(self) -> float | None:
        """The limit in the unit of the value; None if there are several or none."""

    @property
    def reference(self) -> str:
        """The name of the reference; empty if the condition uses none."""

    @property
    def limit_text(self) -> str:
        """The limit in words, as evidence shows it."""

    @property
    def judges_any_count(self) -> bool:
        """Whether a window is judged at any number of observations."""

    @property
    def fewest(self) -> int:
        """The default of an alerter's `minimum_count`: fewer observations are not judged."""

    def wrong(self) -> WrongField | None:
        """Return the first field whose value is not allowed; None if all are allowed."""

    def observations(self, content: Content) -> int:
        """Return the number of observations of *content* on which the verdict is based."""

    def judge(self, sample: SummarySample, references: Mapping[str, Reference]) -> Judgement:
        """Judge *sample*; *references* holds the references of its entity by name."""

    def excess(self, value: float) -> float:
        """Return by how much *value* exceeds the limit, in its unit; negative within it."""

    def limit(self, value: float) -> float:
        """Return the limit that applies to *value*; finite."""

    def fields(self) -> Fields:
        """Return the parameters by name."""


class RegisteredCondition(Condition, Protocol):
    """A condition that an alerter may name by its kind."""

    kind: ClassVar[str]

    @classmethod
    def of_fields(cls, fields: Fields) -> Self:
        """Return the condition with these parameters; unknown names are ignored.

        Raises:
            ValueError: If a parameter is missing or not allowed.
        """
