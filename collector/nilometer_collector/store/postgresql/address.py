"""The URL of a PostgreSQL database. It may contain a password, which is never shown."""

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from nilometer.values.errors import ConfigError

# A lost server is noticed within these limits, unless the URL sets others.
_DEFAULTS = {
    "application_name": "nilometer-collector",
    "connect_timeout": "3",  # seconds
    "keepalives_idle": "5",  # seconds
    "keepalives_interval": "2",  # seconds
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",  # milliseconds
}
_HIDDEN = "***"


class Address:
    """The location of a database, with the parameters of a connection.

    Args:
        url: URL as libpq reads it, with or without a password.

    Raises:
        ConfigError: If the URL cannot be read; the message contains no part of it.
    """

    def __init__(self, url: str) -> None:
        known = _read(url)
        self._password = known.get("password", "")
        self.conninfo = make_conninfo(**{**_DEFAULTS, **known, "client_encoding": "UTF8"})
        self._shown = f"postgresql://{known.get('host', '')}/{known.get('dbname', '')}"

    def __str__(self) -> str:
        """Return the host and the name of the database only."""
        return self._shown

    __repr__ = __str__

    def message_of(self, error: psycopg.Error) -> str:
        """Return the first line of *error* without the password."""
        lines = (error.diag.message_primary or str(error)).splitlines()
        line = lines[0] if lines else type(error).__name__
        return line.replace(self._password, _HIDDEN) if self._password else line


def _read(url: str) -> dict[str, str]:
    """Return the parameters in *url*.

    If ``/``, ``?`` or ``@`` in a password is not escaped, a part of the password ends up in the
    port, the host or the name, and would appear in the server's errors.
    """
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error:
        given = {}
    known = {key: str(value) for key, value in given.items() if value is not None}
    ports = known.get("port", "").split(",")
    if (
        not known
        or not all(port.isdecimal() for port in ports if port)
        or "@" in known.get("host", "") + known.get("dbname", "")
    ):
        raise ConfigError(
            "store = 'postgresql://...': must be a PostgreSQL URL, with %XX for special characters "
            "in the password"
        )
    return known
