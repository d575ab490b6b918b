"""Shows profiles as text for a terminal, and as JSON for scripts."""

from collections.abc import Mapping

from nilometer.profile import FeatureProfile

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
TOP = 20  # limit for the categories of a feature in the JSON output

_HEAD = ("feature", "type", "count", "missing", "distinct", "min", "median", "mean", "max", "top")


def feature_table(profiles: Mapping[str, FeatureProfile]) -> str:
    """Return one line per feature, with aligned columns."""
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


def as_json(entity: str, rows: int, profiles: Mapping[str, FeatureProfile]) -> dict[str, object]:
    """Return the JSON object that `nilometer profile --json` prints."""
    features = {name: feature_json(feature) for name, feature in sorted(profiles.items())}
    return {"entity": entity, "rows": rows, "features": features}


def feature_json(feature: FeatureProfile) -> dict[str, object]:
    """Return one feature as a JSON object; undefined numbers are null."""
    quantiles: dict[str, float] = {}
    if feature.numbers.count:
        found = feature.numbers.digest.quantile(QUANTILES)
        quantiles = {f"{q:g}": float(value) for q, value in zip(QUANTILES, found, strict=True)}
    return {
        "type": feature.data_type,
        "count": feature.count,
        "missing": feature.missing,
        "null_like": feature.null_like,
        "types": dict(feature.types),
        "zero": feature.numbers.zero,
        "negative": feature.numbers.negative,
        "non_finite": feature.non_finite,
        "min": feature.numbers.digest.min,
        "max": feature.numbers.digest.max,
        "mean": feature.numbers.moments.mean if feature.numbers.count else None,
        "quantiles": quantiles,
        "distinct": None if feature.distinct is None else round(feature.distinct.estimate),
        "top": [[value, count] for value, count in feature.categories.top(TOP)],
    }
