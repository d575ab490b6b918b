"""The demo's model: will a flight that just departed arrive 15 minutes late?

It is a logistic regression of scikit-learn over five features. The demo saves its names and weights
as JSON, not as a pickle, and computes predictions without scikit-learn.
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

# Divisors of numeric features, so that one regularisation fits all features.
UNITS = {"distance": 1000.0, "dep_delay": 60.0, "hour": 24.0}


@dataclass(frozen=True, slots=True)
class FlightModel:
    """Logistic regression. The weights are named ``feature`` (numbers) or ``feature=value``."""

    intercept: float
    weights: Mapping[str, float]

    def late_probability(self, row: Mapping[str, object]) -> float:
        """Return the probability, 0 to 1, of a late arrival; a missing feature adds nothing."""
        score = self.intercept
        for feature in FEATURES:
            value = row.get(feature)
            if isinstance(value, str):
                score += self.weights.get(f"{feature}={value}", 0.0)
            elif isinstance(value, int | float):
                score += self.weights.get(feature, 0.0) * value / UNITS[feature]
        return 1.0 / (1.0 + math.exp(-max(min(score, 500.0), -500.0)))

    def save(self, path: Path) -> None:
        """Write the model to *path* as JSON."""
        path.write_text(json.dumps({"intercept": self.intercept, "weights": dict(self.weights)}))

    @classmethod
    def load(cls, path: Path) -> "FlightModel":
        """Read a model that `save` wrote."""
        raw = json.loads(path.read_text())
        return cls(raw["intercept"], raw["weights"])


def rows_of(table: "pyarrow.Table") -> list[dict[str, object]]:
    """Return the features of each flight."""
    return list(table.select(FEATURES).to_pylist())


def fit(table: "pyarrow.Table") -> FlightModel:
    """Train a model on flights with a known arrival."""
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


def requests_table(model: FlightModel, table: "pyarrow.Table") -> "pyarrow.Table":
    """Return inputs and outputs in the form of production data, one row for each row of *table*."""
    import pyarrow

    columns = {f"input.{feature}": table[feature] for feature in FEATURES}
    predictions = [model.late_probability(row) for row in rows_of(table)]
    columns[f"output.{OUTPUT}"] = pyarrow.chunked_array([predictions])
    return pyarrow.table(columns)
