"""Replacements for a redacted value, and for a body that redaction withholds."""

REDACTED = "[redacted]"
WITHHELD = "application/vnd.nilometer.withheld"  # content type of a withheld body
