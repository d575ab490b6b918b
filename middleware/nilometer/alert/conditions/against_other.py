"""OTHER: compares the distance from another version, segment or entity with a threshold."""

from dataclasses import dataclass
from typing import ClassVar, Self

from nilometer.alert.conditions.condition import Fields, WrongField
from nilometer.alert.conditions.distance import Distance, comparator_of, direction_of
from nilometer.alert.reason import Reason
from nilometer.values.entity import NAME
from nilometer.values.errors import ConfigError
from nilometer.values.labels import Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class AgainstOther(Distance):
    """A column that must stay close to the same column elsewhere, in the same window.

    Attributes:
        other_entity: Name of the other entity; empty for the alerter's own.
        other_labels: Labels of the other side, such as ``version=1``; empty for all its traffic.
    """

    kind: ClassVar[str] = "OTHER"
    reference: ClassVar[str] = ""
    missing: ClassVar[Reason] = Reason.NO_EARLIER_WINDOW

    other_entity: str = ""
    other_labels: str = ""

    @property
    def side(self) -> str:
        """The other side: its entity and labels."""
        labels = f"[{self.other_labels}]" if self.other_labels else ""
        return f"{self.other_entity}{labels}"

    @property
    def other_text(self) -> str:
        """The other side in words."""
        return f"window of {self.side}"

    @property
    def labels(self) -> Labels:
        """The labels of the other side.

        Raises:
            ConfigError: If the text is not ``key=value,key=value``.
        """
        return labels_of(self.other_labels)

    def wrong(self) -> WrongField | None:
        """Return the first field whose value is not allowed."""
        if not self.side:
            return WrongField("other_labels", "", "given, or other_entity must be")
        if self.other_entity and not NAME.fullmatch(self.other_entity):
            return WrongField("other_entity", self.other_entity, "the name of an entity")
        try:
            labels_of(self.other_labels)
        except ConfigError:
            return WrongField("other_labels", self.other_labels, "labels such as version=1")
        return Distance.wrong(self)

    def fields(self) -> Fields:
        """Return the parameters by name."""
        sides = {"other_entity": self.other_entity, "other_labels": self.other_labels}
        return {**Distance.fields(self), **{key: text for key, text in sides.items() if text}}

    @classmethod
    def of_fields(cls, fields: Fields) -> Self:
        """Return the condition with these parameters."""
        return cls(
            other_entity=str(fields.get("other_entity", "")),
            other_labels=str(fields.get("other_labels", "")),
            threshold=float(fields["threshold"]),
            comparator=comparator_of(fields),
            direction=direction_of(fields),
        )


def labels_of(text: str) -> Labels:
    """Return the labels in *text*, such as ``version=1,region=eu``.

    Raises:
        ConfigError: If a pair has no ``=``, or a label is not allowed.
    """
    pairs = [pair.partition("=") for pair in text.split(",") if pair]
    if not all(key and sign for key, sign, _ in pairs):
        raise ConfigError(f"{text!r} is not of the form key=value,key=value")
    return Labels.of({key.strip(): value.strip() for key, _, value in pairs})
