"""The error for a database that a newer version has written."""

from collections.abc import Collection

from nilometer.values.errors import ConfigError


def written_by_newer(database: str, unknown: Collection[str]) -> ConfigError:
    """Return the error for a *database*, as ``setting = value``, with *unknown* migrations."""
    return ConfigError(
        f"{database}: was written by a newer nilometer: install that version "
        f"(unknown migrations: {', '.join(sorted(unknown))})"
    )
