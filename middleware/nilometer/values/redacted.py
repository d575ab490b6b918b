"""What stands in place of a redacted value."""

REDACTED = "[redacted]"
