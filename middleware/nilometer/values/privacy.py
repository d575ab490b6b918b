"""How much of single values may be told: the level, and what it means for numbers and names.

A level is set at the agent. A collector may ask for a stricter one, never for a laxer one.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Literal, TypeAlias

STRICT_FEWEST = 20  # observations that everything told stands for, in `strict`
FEWEST_OF_A_PSEUDONYM = 5  # in `pod`
MAX_SUPPRESS_BELOW = 1_000_000

PrivacyName: TypeAlias = Literal["open", "pod", "strict"]


class Privacy(Enum):
    """A level, from lax to strict."""

    OPEN = "open"  # every category name is readable, numbers are told as they are
    POD = "pod"  # names become pseudonyms unless a setting or a reference allows them
    STRICT = "strict"  # nothing stands for fewer than `STRICT_FEWEST` observations

    @classmethod
    def named(cls, name: str) -> "Privacy":
        """The level of that name; a name that is not known here is taken for the strictest."""
        try:
            return cls(name)
        except ValueError:
            return cls.STRICT


_ORDER = (Privacy.OPEN, Privacy.POD, Privacy.STRICT)


@dataclass(frozen=True, slots=True)
class Disclosure:
    """What may be told of single values.

    Attributes:
        privacy: The level.
        suppress_below: Fewest observations that a number or a name may stand for; 0 takes what
            the level says.
    """

    privacy: Privacy = Privacy.POD
    suppress_below: int = 0

    def tightened(self, other: "Disclosure") -> "Disclosure":
        """The stricter of both in each part: neither is loosened."""
        return Disclosure(
            max(self.privacy, other.privacy, key=_ORDER.index),
            max(self.suppress_below, other.suppress_below),
        )

    @property
    def fewest_values(self) -> int:
        """Observations that a told number stands for, at least; 1 tells numbers as they are."""
        level = STRICT_FEWEST if self.privacy is Privacy.STRICT else 1
        return max(level, self.suppress_below)

    @property
    def fewest_of_a_pseudonym(self) -> int:
        """Observations of a window that a told pseudonym stands for, at least."""
        if self.privacy is Privacy.POD:
            return self.suppress_below or FEWEST_OF_A_PSEUDONYM
        return self.fewest_values

    @property
    def coarsens(self) -> bool:
        """Whether numbers are told in groups only."""
        return self.fewest_values > 1

    def patterns(self, readable: tuple[str, ...]) -> tuple[str, ...]:
        """Patterns of summaries whose category names are readable, where *readable* are allowed."""
        match self.privacy:
            case Privacy.OPEN:
                return ("*",)
            case Privacy.POD:
                return readable
            case Privacy.STRICT:
                return ()


BY_DEFAULT = Disclosure()
LAXEST = Disclosure(Privacy.OPEN)
