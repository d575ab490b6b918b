"""How the samples of a side disclose the names of categories, which privacy levels decide."""

from collections.abc import Iterable
from dataclasses import dataclass

from nilometer.profile import Content, FeatureProfile
from nilometer.profile.category import MASK_PREFIX


@dataclass(frozen=True, slots=True)
class Disclosure:
    """The form in which a side sends its names.

    Attributes:
        pseudonyms: Whether there are pseudonyms among the names.
        withholds: Whether distinct names are not counted, as at level `strict`.
    """

    pseudonyms: bool
    withholds: bool


def disclosure_of(contents: Iterable[Content]) -> Disclosure | None:
    """Return the form of the names in *contents*; None without strings: booleans are always readable."""
    features = [
        one for one in contents if isinstance(one, FeatureProfile) and "string" in one.types
    ]
    if not features:
        return None
    return Disclosure(
        pseudonyms=any(
            name.startswith(MASK_PREFIX)
            for one in features
            for name in one.categories.frequent.counts
        ),
        withholds=any(one.distinct is None for one in features),
    )
