"""The picture of the pipeline: its edges, and the health of its entities."""

from nilometer_collector.pipeline.pipeline import Pipeline

__all__ = ["Pipeline"]
