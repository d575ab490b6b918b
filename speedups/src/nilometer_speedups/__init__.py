"""The request path of nilometer's middleware in C. `nilometer` imports it; nothing else should."""

__version__ = "0.1.0"
