"""Content types that users log as values: numbers, texts, tables, matrices, lines, confusion matrices."""
