"""Profiles of tables and Spark data frames, and references made of them."""

from nilometer.batch.reference import as_json, profile_of, read_table, reference_of, table_of

__all__ = ["as_json", "profile_of", "read_table", "reference_of", "table_of"]
