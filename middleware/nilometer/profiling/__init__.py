"""Turns columns into profiles. The agent, the in-process worker, batch and Spark share this code."""
