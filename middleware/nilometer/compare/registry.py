"""All comparators by name. A new one is one file, and one entry here or in a `Kinds`."""

from nilometer.compare.comparator import Comparator
from nilometer.compare.ks import KS
from nilometer.compare.psi import PSI
from nilometer.values.nearest import not_one_of

COMPARATORS: dict[str, Comparator] = {PSI.name: PSI, KS.name: KS}


def comparator_named(name: str) -> Comparator:
    """Return the comparator of this name.

    Raises:
        ValueError: If no comparator has this name.
    """
    if name not in COMPARATORS:
        raise ValueError(not_one_of("comparator", name, COMPARATORS))
    return COMPARATORS[name]
