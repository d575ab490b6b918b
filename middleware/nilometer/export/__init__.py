"""Exports measurements as series. OTLP and Prometheus get the same points."""

from nilometer.export.series import Attributes, Distribution, Exemplar, Family, Point, Series

__all__ = ["Attributes", "Distribution", "Exemplar", "Family", "Point", "Series"]
