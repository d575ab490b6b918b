"""Content types of logged values: numbers, texts, tables, matrices, lines, confusion matrices."""
