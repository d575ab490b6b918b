"""Rules for the disclosure of single values: a level, and its effect on numbers and names.

The agent's settings choose a level. A collector may ask for a stricter one, but not for a less
strict one.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Literal, TypeAlias

STRICT_FEWEST = 20  # fewest observations behind each disclosed value at level `strict`
FEWEST_OF_A_PSEUDONYM = 5  # fewest observations behind a pseudonym at level `pod`
MAX_SUPPRESS_BELOW = 1_000_000

PrivacyName: TypeAlias = Literal["open", "pod", "strict"]


class Privacy(Enum):
    """A privacy level, from the least to the most strict."""

    OPEN = "open"  # category names are readable, numbers are exact
    POD = "pod"  # names become pseudonyms unless a setting or a reference allows them
    STRICT = "strict"  # each disclosed value represents at least `STRICT_FEWEST` observations

    @classmethod
    def named(cls, name: str) -> "Privacy":
        """Return the level with that name; an unknown name gives the strictest level."""
        try:
            return cls(name)
        except ValueError:
            return cls.STRICT


_ORDER = (Privacy.OPEN, Privacy.POD, Privacy.STRICT)


@dataclass(frozen=True, slots=True)
class Disclosure:
    """The rules for the disclosure of single values.

    Attributes:
        privacy: Privacy level.
        suppress_below: Smallest number of observations behind a number or a name; 0 uses the number
            of the level.
    """

    privacy: Privacy = Privacy.POD
    suppress_below: int = 0

    def tightened(self, other: "Disclosure") -> "Disclosure":
        """Return the stricter choice of both for each part."""
        return Disclosure(
            max(self.privacy, other.privacy, key=_ORDER.index),
            max(self.suppress_below, other.suppress_below),
        )

    @property
    def fewest_values(self) -> int:
        """Smallest number of observations behind a number; 1 discloses exact numbers."""
        level = STRICT_FEWEST if self.privacy is Privacy.STRICT else 1
        return max(level, self.suppress_below)

    @property
    def fewest_of_a_pseudonym(self) -> int:
        """The smallest number of observations in a window behind a pseudonym."""
        if self.privacy is Privacy.POD:
            return self.suppress_below or FEWEST_OF_A_PSEUDONYM
        return self.fewest_values

    @property
    def coarsens(self) -> bool:
        """Whether numbers are disclosed only in groups."""
        return self.fewest_values > 1

    def patterns(self, readable: tuple[str, ...]) -> tuple[str, ...]:
        """Return the patterns of summaries with readable names, if the level allows *readable*."""
        match self.privacy:
            case Privacy.OPEN:
                return ("*",)
            case Privacy.POD:
                return readable
            case Privacy.STRICT:
                return ()


BY_DEFAULT = Disclosure()
LAXEST = Disclosure(Privacy.OPEN)
