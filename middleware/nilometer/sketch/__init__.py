"""Pure, mergeable sketches with bounded memory and a stated error, without I/O or a clock."""

from nilometer.sketch.binned import BinnedCounts
from nilometer.sketch.distinct import Distinct
from nilometer.sketch.exponential import ExponentialHistogram
from nilometer.sketch.frequent import Frequent
from nilometer.sketch.moments import Moments
from nilometer.sketch.protocol import Sketch
from nilometer.sketch.tdigest import TDigest

__all__ = [
    "BinnedCounts",
    "Distinct",
    "ExponentialHistogram",
    "Frequent",
    "Moments",
    "Sketch",
    "TDigest",
]
