"""The graph of the pipeline: its edges, the health of its entities, and who moved first."""

from nilometer_collector.pipeline.graph import FirstMover, Graph, first_movers
from nilometer_collector.pipeline.pipeline import Pipeline

__all__ = ["FirstMover", "Graph", "Pipeline", "first_movers"]
