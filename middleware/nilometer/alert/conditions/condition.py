"""The protocol of conditions: what an alerter holds a window against.

A condition is a frozen value. `fields` and `of_fields` turn it into plain texts and numbers and
back, so that wire, rules files and API need not know its class.
"""

from collections.abc import Mapping
from typing import ClassVar, NamedTuple, Protocol, Self, TypeAlias

from nilometer.alert.judgement import Judgement
from nilometer.profile.content import Content
from nilometer.profile.reference import Reference
from nilometer.profile.summary import SummarySample

Fields: TypeAlias = Mapping[str, str | float]


class WrongField(NamedTuple):
    """A field of a rule whose value is not allowed.

    Attributes:
        key: Name of the field.
        value: The value that is not allowed.
        allowed: What is allowed, as it follows "must be".
    """

    key: str
    value: object
    allowed: str


class Condition(Protocol):
    """When a window is a breach."""

    is_distance: ClassVar[bool]  # whether the value is a distance between two distributions

    @property
    def kind(self) -> str:
        """The name of the class in rules and on the wire."""

    @property
    def measure(self) -> str:
        """The name of what is measured: the statistic or the comparator."""

    @property
    def unit(self) -> str:
        """The unit of the value; empty where the measure's name says it."""

    @property
    def threshold(self) -> float | None:
        """The one limit in the unit of the value; None where there is no single one."""

    @property
    def reference(self) -> str:
        """The name of the reference that is compared with; or empty."""

    @property
    def limit_text(self) -> str:
        """The limit in words, as evidence shows it."""

    @property
    def judges_any_count(self) -> bool:
        """Whether a window is judged however few observations it has."""

    def wrong(self) -> WrongField | None:
        """The first field whose value is not allowed; None where all are."""

    def observations(self, content: Content) -> int:
        """How many observations of *content* the verdict rests on."""

    def judge(self, sample: SummarySample, references: Mapping[str, Reference]) -> Judgement:
        """The verdict on *sample*; *references* are those of its entity, by name."""

    def excess(self, value: float) -> float:
        """How far *value* is on the wrong side, in its unit; negative on the right side."""

    def limit(self, value: float) -> float:
        """The threshold that *value* is held against; finite."""

    def fields(self) -> Fields:
        """The parameters by name."""


class RegisteredCondition(Condition, Protocol):
    """A condition that a rule may name by its kind."""

    kind: ClassVar[str]

    @classmethod
    def of_fields(cls, fields: Fields) -> Self:
        """The condition with these parameters; names that it does not know are left out.

        Raises:
            ValueError: If a parameter is missing or has no meaning.
        """
