"""Further limits of an alerter: where a breach becomes critical, and where an episode may close."""

import math
from dataclasses import dataclass

from nilometer.alert.conditions.condition import Condition, WrongField
from nilometer.alert.conditions.registry import condition_of

KEYS = ("threshold", "low", "high")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A second limit of a condition, in the unit of its value.

    A condition with one threshold uses `threshold`; a RANGE uses `low` and `high`.

    Attributes:
        threshold: Value that takes the place of the condition's threshold; None if it has two bounds.
        low: Value that takes the place of its lower bound; None if this side has no second limit.
        high: Value that takes the place of its upper bound; None if this side has no second limit.
    """

    threshold: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def given(self) -> dict[str, float]:
        """The values that are not None, by name."""
        values = {key: getattr(self, key) for key in KEYS}
        return {key: value for key, value in values.items() if value is not None}

    def excess(self, condition: Condition, value: float, *, unlimited: bool) -> float:
        """Return by how much *value* exceeds this limit, in its unit; negative within it.

        Args:
            condition: Condition whose limit this one replaces.
            value: Measured value.
            unlimited: Whether a bound that is None is infinite; otherwise it is the condition's.
        """
        fields = dict(condition.fields())
        if unlimited:
            fields |= {"low": -math.inf, "high": math.inf} if "low" in fields else {}
        return condition_of(condition.kind, fields | self.given).excess(value)

    def wrong(self, name: str, condition: Condition, *, beyond: bool) -> WrongField | None:
        """Return the first value that is not allowed.

        Args:
            name: Name of this limit, such as ``critical``.
            condition: Condition whose limit this one replaces.
            beyond: Whether the values must lie beyond the condition's limit; otherwise within it.
        """
        fields = condition.fields()
        allowed = [key for key in KEYS if key in fields]
        if not self.given:
            return WrongField(name, "{}", f"a limit with {' or '.join(allowed) or 'a value'}")
        for key, value in self.given.items():
            if key not in allowed:
                return WrongField(
                    f"{name}.{key}", value, f"left out, {condition.kind} has no {key}"
                )
            if not math.isfinite(value):
                return WrongField(f"{name}.{key}", value, "a finite number")
            own = float(fields[key])
            over = own - value if key == "low" else value - own
            if key == "threshold":
                over = condition.excess(value)
            if over < 0 if beyond else over > 0:
                side = "beyond" if beyond else "within"
                return WrongField(f"{name}.{key}", value, f"{side} the alerter's {key} = {own:g}")
        made = condition_of(condition.kind, {**fields, **self.given}).wrong()
        return None if made is None else made._replace(key=f"{name}.{made.key}")

    def __str__(self) -> str:
        """Return the values in words."""
        return ", ".join(f"{key} {value:g}" for key, value in self.given.items())
