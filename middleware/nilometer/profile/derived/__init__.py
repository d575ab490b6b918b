"""What is known of cells that are no plain numbers or categories, as ordinary numeric features.

Text, timestamps, vectors and tensors are never kept; their lengths, classes, hours, norms and
projections are columns beside them: ``input.prompt.characters``, ``input.embedding.pc01``.
"""

from nilometer.profile.derived.derive import Derivation, Kind

__all__ = ["Derivation", "Kind"]
