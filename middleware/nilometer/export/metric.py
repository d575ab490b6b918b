"""A row of the table of metrics: its name, unit and instrument, and its name in Prometheus."""

import re
from dataclasses import dataclass
from enum import Enum

_UNITS = {"s": "seconds", "By": "bytes"}


class Instrument(Enum):
    """How the points of a metric add up."""

    COUNTER = "counter"  # monotonic sum
    UP_DOWN_COUNTER = "updowncounter"  # a sum that may decrease
    GAUGE = "gauge"  # the newest value
    HISTOGRAM = "histogram"  # exponential or explicit over OTLP, classic for Prometheus


class Exporter(Enum):
    """The process that sends a metric."""

    AGENT = "agent"
    COLLECTOR = "collector"
    BOTH = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One row of the table.

    Attributes:
        name: Name in OpenTelemetry.
        instrument: Kind of instrument, which determines how points add up.
        unit: Unit in UCUM; without a unit, a name in braces, or ``1`` for a share.
        about: Help text in all outputs, one sentence.
        attributes: Attributes that its points may have, in addition to the labels of the sample.
        exporter: Process that sends it.
        bounds: Upper bounds of the classic buckets of a HISTOGRAM, as ascending exponents of two;
            if empty, the values determine them.
        edges: Ascending bounds of the explicit buckets of a HISTOGRAM; if empty, its buckets are
            exponential. A value equal to an edge counts above it, as in the stored bins.
    """

    name: str
    instrument: Instrument
    unit: str
    about: str
    attributes: tuple[str, ...] = ()
    exporter: Exporter = Exporter.AGENT
    bounds: tuple[int, ...] = ()
    edges: tuple[float, ...] = ()

    @property
    def prometheus(self) -> str:
        """The name in Prometheus, with the unit and `_total`."""
        unit = _UNITS.get(self.unit, "")
        if self.unit == "1" and self.instrument is Instrument.GAUGE:
            unit = "ratio"
        name = sanitised(self.name)
        if unit and not name.endswith(f"_{unit}"):
            name = f"{name}_{unit}"
        return f"{name}_total" if self.instrument is Instrument.COUNTER else name


def sanitised(name: str) -> str:
    """Return *name* with each unsupported character replaced by a single underscore."""
    text = re.sub(r"[^a-zA-Z0-9]+", "_", name).strip("_")
    return f"_{text}" if text[:1].isdigit() else text
