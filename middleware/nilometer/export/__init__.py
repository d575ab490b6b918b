"""Exports measurements as series, to OTLP and to Prometheus from the same points."""

from nilometer.export.series import Attributes, Distribution, Exemplar, Family, Point, Series

__all__ = ["Attributes", "Distribution", "Exemplar", "Family", "Point", "Series"]
