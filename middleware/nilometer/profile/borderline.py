"""Counts the rows of names of a reference that are among the most frequent ones by chance."""

from collections.abc import Mapping, Sequence

from nilometer.profile.category import DICTIONARY_NAMES

ENOUGH_ROWS = 10  # rows of a name whose place among the most frequent names is no chance


def borderline_rows(counts: Mapping[str, int], names: Sequence[str], *, fewest: int = 1) -> int:
    """Return the rows of *names* whose name would have no own count without one of its rows.

    Names get counts of their own because they were frequent in the reference. So their share in the
    reference is too large on average, if many names are about equally frequent. When each row in turn
    is left out, the share of rows whose name still has a count is an estimate without that error. For
    the names that occur once and have no count, this is the estimate of Good and Turing.

    Names in `ENOUGH_ROWS` rows or more are not borderline: their error is small, and leaving out one
    row tells little about it.

    Args:
        counts: Rows of each name of the reference.
        names: Names with counts of their own: the most frequent ones, in order.
        fewest: Fewest rows of a name with a count of its own.

    Source: leaving out one row after Good, "The population frequencies of species and the estimation
    of population parameters" (1953).
    """
    named = set(names)
    is_full = len(names) >= DICTIONARY_NAMES
    ranks = ((-count, name) for name, count in counts.items() if name not in named)
    next_rank = min(ranks, default=(0, "")) if is_full else (0, "")
    return sum(
        counts[name]
        for name in names
        if counts[name] < ENOUGH_ROWS
        and (counts[name] - 1 < fewest or next_rank < (1 - counts[name], name))
    )
