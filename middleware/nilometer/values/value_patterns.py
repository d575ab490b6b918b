"""Patterns of values that identify a person or give access: addresses, cards, tokens.

The list has two uses. `redact_values` replaces such text. A key that contains such text does not
name a feature (`nilometer.values.value_like`).
"""

from collections.abc import Mapping

# Word boundaries prevent matches inside longer words and numbers.
VALUE_PATTERNS: Mapping[str, str] = {
    "email": r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[^\W\d][\w-]*",
    "card": r"(?<![\w.])\d(?:[ -]?\d){12,18}(?![\w.])",
    "iban": r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b",
    "phone": r"(?<![\w.])(?:\+|00)\d{1,3}(?:[ ()./-]{0,2}\d){6,13}(?![\w.])",
    "ssn": r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])",
    "ip": r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])",
    "token": r"\b(?:eyJ[\w-]+\.[\w-]+\.[\w-]+|(?:sk|pk|ghp|xox[a-z])[-_][\w-]{16,})",
}
