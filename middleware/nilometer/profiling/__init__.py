"""Columns to profiles: what the agent, the in-process worker, batch and Spark share."""
