"""The record of one predicted row: what the model returned, and how ground truth finds it later."""

from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from nilometer.values.labels import Labels

Scalar: TypeAlias = int | float | str | bool | None  # None is a missing value

NO_LABELS = Labels()
NO_VALUES: Mapping[str, Scalar] = {}


class PredictionRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One row of one prediction. A structure, because a join makes fifty thousand a second.

    A prediction id names a request; its rows have consecutive numbers. Ground truth finds the record
    by (entity, prediction id, row), or by (entity, subject, time) where it has no id.

    Attributes:
        entity: Name of the monitored entity.
        prediction_id: Id of the prediction, at most 256 characters; empty if the request had none.
        row: Index of the row in its request; 0 for a request of one row.
        time_ns: Event time of the prediction, Unix nanoseconds.
        labels: Label set of the samples that contain this row: version, route, segments.
        outputs: Value of each output column.
        subject: Value of the entity's subject field, at most 256 characters; empty if it has none.
        inputs: Value of each input column that the settings name; usually empty.
    """

    entity: str
    prediction_id: str
    row: int
    time_ns: int
    outputs: Mapping[str, Scalar]
    labels: Labels = NO_LABELS
    subject: str = ""
    inputs: Mapping[str, Scalar] = NO_VALUES
