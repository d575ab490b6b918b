"""All comparators by name. A new comparator needs one file, and one entry here or in a `Kinds`."""

from nilometer.compare.anderson_darling import ANDERSON_DARLING
from nilometer.compare.chi_square import CHI_SQUARE
from nilometer.compare.comparator import Comparator
from nilometer.compare.cosine import COSINE
from nilometer.compare.cramer_von_mises import CRAMER_VON_MISES
from nilometer.compare.energy import ENERGY
from nilometer.compare.frechet import FRECHET
from nilometer.compare.g_test import G_TEST
from nilometer.compare.hellinger import HELLINGER
from nilometer.compare.hotelling import HOTELLING
from nilometer.compare.jensen_shannon import JENSEN_SHANNON
from nilometer.compare.ks import KS
from nilometer.compare.l_infinity import L_INFINITY, L_INFINITY_ROBUST
from nilometer.compare.psi import PSI
from nilometer.compare.quantiles import QUANTILES
from nilometer.compare.rates import RATES
from nilometer.compare.total_variation import TOTAL_VARIATION
from nilometer.compare.wasserstein import WASSERSTEIN
from nilometer.values.nearest import not_one_of

COMPARATORS: dict[str, Comparator] = {
    one.name: one
    for one in (
        PSI,
        KS,
        WASSERSTEIN,
        JENSEN_SHANNON,
        HELLINGER,
        CHI_SQUARE,
        G_TEST,
        CRAMER_VON_MISES,
        ANDERSON_DARLING,
        ENERGY,
        TOTAL_VARIATION,
        L_INFINITY,
        L_INFINITY_ROBUST,
        COSINE,
        HOTELLING,
        FRECHET,
        *RATES,
        *QUANTILES,
    )
}


def comparator_named(name: str) -> Comparator:
    """Return the comparator of this name.

    Raises:
        ValueError: If no comparator has this name.
    """
    if name not in COMPARATORS:
        raise ValueError(not_one_of("comparator", name, COMPARATORS))
    return COMPARATORS[name]
