"""What replaces a redacted value, and a body that redaction withholds."""

REDACTED = "[redacted]"
WITHHELD = "application/vnd.nilometer.withheld"  # content type of a withheld body
