"""The text that replaces a redacted value."""

REDACTED = "[redacted]"
