"""How the samples of a side disclose the names of categories, which privacy levels decide."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from nilometer.profile import Content, FeatureProfile
from nilometer.profile.category import MASK_PREFIX
from nilometer.values.privacy import FEWEST_OF_A_PSEUDONYM, STRICT_FEWEST
from nilometer_collector.canary.records import Reason
from nilometer_collector.store import SeriesRecord

CERTAIN = 2  # a name is sent for certain if it is expected this many times as often as needed


class Names(Enum):
    """The form of the names that a side has sent."""

    READABLE = auto()
    PSEUDONYMS = auto()
    NONE = auto()


@dataclass(frozen=True, slots=True)
class Disclosure:
    """The form in which a side sends its names.

    Attributes:
        names: Form of the names; `NONE` if agents have sent none, because each was too rare.
        withholds: Whether distinct names are not counted, as at level `strict`.
        commonest: Share of the most frequent name among all strings and booleans, 0 to 1.
        rows: Average strings and booleans of a sample.
    """

    names: Names
    withholds: bool
    commonest: float
    rows: float


def disclosure_of(contents: Iterable[Content], series: Sequence[SeriesRecord]) -> Disclosure | None:
    """Return the form of the names in *contents*, which are samples of *series*.

    None without strings: booleans are always readable.
    """
    features = [
        one for one in contents if isinstance(one, FeatureProfile) and "string" in one.types
    ]
    if not features:
        return None
    categories = FeatureProfile.merge_all(features).categories
    names = categories.frequent.counts
    form = Names.READABLE if names else Names.NONE
    if any(name.startswith(MASK_PREFIX) for name in names):
        form = Names.PSEUDONYMS
    return Disclosure(
        names=form,
        withholds=any(one.distinct is None for one in features),
        commonest=max(names.values(), default=0) / max(categories.total, 1),
        rows=sum(one.categories for one in series) / max(sum(one.samples for one in series), 1),
    )


def why_not_comparable(one: Disclosure | None, other: Disclosure | None) -> Reason | None:
    """Return why the names of two sides cannot be compared; None if they can.

    Names and their pseudonyms never agree, and a level that withholds rare names moves their rows to
    all other names. Neither is a difference of the models. A side that has sent no names at all has
    other names, or too few rows in a sample for the names of the other side.
    """
    if one is None or other is None:
        return None
    forms = {one.names, other.names}
    if one.withholds != other.withholds or forms == {Names.READABLE, Names.PSEUDONYMS}:
        return Reason.OTHER_PRIVACY
    if len(forms) == 1 or Names.NONE not in forms:
        return None
    silent, named = (one, other) if one.names is Names.NONE else (other, one)
    fewest = STRICT_FEWEST if silent.withholds else FEWEST_OF_A_PSEUDONYM
    return Reason.TOO_FEW if silent.rows * named.commonest < CERTAIN * fewest else None
