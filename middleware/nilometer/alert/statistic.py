"""The statistics that FIXED and RANGE alerters may name, from all content types."""

from collections.abc import Callable, Iterator, Mapping

from nilometer.profile.content import Content
from nilometer.profile.registered import CONTENTS

Statistic = Callable[[Content], float | None]

COUNT = "count"  # judged at any count, because a minimum would hide windows with few values
CELL_SHARES = frozenset(
    {"missing_ratio", "non_finite_ratio", "null_like_ratio", "type_error_ratio"}
)  # ratios of all cells, not of values


def statistic_of(content: Content, name: str) -> float | None:
    """Return the statistic *name* of *content*; None if it does not exist."""
    found = content.statistics().get(name)
    return None if found is None else found(content)


class _Registered(Mapping[str, Statistic]):
    """The statistics of the registered content types by name, in the order of registration."""

    def __getitem__(self, name: str) -> Statistic:
        if not any(name in kind.statistics() for kind in CONTENTS.values()):
            raise KeyError(name)
        return lambda content: statistic_of(content, name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for kind in CONTENTS.values() for name in kind.statistics()))

    def __len__(self) -> int:
        return len(list(iter(self)))


# Values are in the unit of the feature, unless the name gives a unit. Ratios are 0 to 1.
STATISTICS: Mapping[str, Statistic] = _Registered()
