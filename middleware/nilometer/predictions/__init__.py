"""Logged predictions: one compact record for each predicted row, and batches of records as bytes."""

from nilometer.predictions.batch import (
    BatchUnreadable,
    PredictionBatch,
    batch_from_bytes,
    batch_to_bytes,
    batches_of,
)
from nilometer.predictions.checks import MAX_BATCH_ROWS, MAX_ID_CHARACTERS, fault_in, faults_in
from nilometer.predictions.ground_truth import (
    GroundTruth,
    ground_truth_from_bytes,
    ground_truth_to_bytes,
)
from nilometer.predictions.record import NO_LABELS, NO_VALUES, PredictionRecord, Scalar

__all__ = [
    "MAX_BATCH_ROWS",
    "MAX_ID_CHARACTERS",
    "NO_LABELS",
    "NO_VALUES",
    "BatchUnreadable",
    "GroundTruth",
    "PredictionBatch",
    "PredictionRecord",
    "Scalar",
    "batch_from_bytes",
    "batch_to_bytes",
    "batches_of",
    "fault_in",
    "faults_in",
    "ground_truth_from_bytes",
    "ground_truth_to_bytes",
]
