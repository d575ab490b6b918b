"""Profiles as text for a terminal."""

from collections.abc import Mapping

from nilometer.profile import FeatureProfile

_HEAD = ("feature", "type", "count", "missing", "distinct", "min", "median", "mean", "max", "top")


def feature_table(profiles: Mapping[str, FeatureProfile]) -> str:
    """One line a feature, columns aligned."""
    rows = [_HEAD] + [(name, *_cells(feature)) for name, feature in sorted(profiles.items())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = []
    for row in rows:
        padded = [
            cell.ljust(width) if index in {0, 1, 9} else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def _cells(feature: FeatureProfile) -> tuple[str, ...]:
    numbers = feature.numbers.moments.count > 0
    middle = float(feature.numbers.digest.quantile(0.5)) if numbers else None
    top = ", ".join(f"{value} {count}" for value, count in feature.categories.top(3))
    return (
        feature.data_type,
        str(feature.count),
        str(feature.missing),
        "" if feature.distinct is None else f"{feature.distinct.estimate:.0f}",
        _number(feature.numbers.digest.min),
        _number(middle),
        _number(feature.numbers.moments.mean if numbers else None),
        _number(feature.numbers.digest.max),
        top,
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"
