"""Profiles of tables and Spark data frames, and references made from them."""

from nilometer.batch.profile import profile_of
from nilometer.batch.read import read_table, table_of
from nilometer.batch.reference import reference_of
from nilometer.batch.report import as_json

__all__ = ["as_json", "profile_of", "read_table", "reference_of", "table_of"]
