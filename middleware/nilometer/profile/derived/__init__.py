"""Numeric features derived from cells that are not plain numbers or categories.

Text, timestamps, vectors and tensors are never kept. Their lengths, character classes, hours, norms
and projections become separate columns: ``input.prompt.characters``, ``input.embedding.pc01``.
"""

from nilometer.profile.derived.derive import Derivation, Kind

__all__ = ["Derivation", "Kind"]
