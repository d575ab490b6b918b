"""The demo's model: will a flight that just departed arrive 15 minutes late?

A logistic regression of scikit-learn over five features. It is kept as JSON - names and weights,
never a pickle - and served by plain arithmetic.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow

FEATURES = ("carrier", "origin", "distance", "dep_delay", "hour")
TARGET = "late"
OUTPUT = "late_probability"

# What numbers are divided by before they are weighed, so that one regularisation fits all.
UNITS = {"distance": 1000.0, "dep_delay": 60.0, "hour": 24.0}


@dataclass(frozen=True, slots=True)
class FlightModel:
    """Weights by feature (numbers) or ``feature=value`` (categories)."""

    intercept: float
    weights: Mapping[str, float]

    def late_probability(self, row: Mapping[str, object]) -> float:
        """The probability, 0 to 1; a feature that is missing weighs nothing."""
        score = self.intercept
        for feature in FEATURES:
            value = row.get(feature)
            if isinstance(value, str):
                score += self.weights.get(f"{feature}={value}", 0.0)
            elif isinstance(value, int | float):
                score += self.weights.get(feature, 0.0) * value / UNITS[feature]
        return 1.0 / (1.0 + math.exp(-max(min(score, 500.0), -500.0)))

    def save(self, path: Path) -> None:
        """Write JSON."""
        path.write_text(json.dumps({"intercept": self.intercept, "weights": dict(self.weights)}))

    @classmethod
    def load(cls, path: Path) -> "FlightModel":
        """Read what `save` wrote."""
        raw = json.loads(path.read_text())
        return cls(raw["intercept"], raw["weights"])


def rows_of(table: "pyarrow.Table") -> list[dict[str, object]]:
    """The features of each flight."""
    return list(table.select(FEATURES).to_pylist())


def fit(table: "pyarrow.Table") -> FlightModel:
    """Train on flights with a known end."""
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.linear_model import LogisticRegression

    vectorizer = DictVectorizer()
    scaled = [
        {name: value / UNITS[name] if name in UNITS else value for name, value in row.items()}  # type: ignore[operator]
        for row in rows_of(table)
    ]
    matrix = vectorizer.fit_transform(scaled)
    model = LogisticRegression(max_iter=300).fit(matrix, table[TARGET].to_numpy())
    names = vectorizer.get_feature_names_out()
    weights = {str(name): float(weight) for name, weight in zip(names, model.coef_[0], strict=True)}
    return FlightModel(float(model.intercept_[0]), weights)


def reference_table(model: FlightModel, table: "pyarrow.Table") -> "pyarrow.Table":
    """Inputs and outputs as they will be seen live."""
    import pyarrow

    columns = {f"input.{feature}": table[feature] for feature in FEATURES}
    predictions = [model.late_probability(row) for row in rows_of(table)]
    columns[f"output.{OUTPUT}"] = pyarrow.chunked_array([predictions])
    return pyarrow.table(columns)
