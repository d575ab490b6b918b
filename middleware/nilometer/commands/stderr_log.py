"""The log on standard error: a fixed phrase for a human, then ``key=value`` for a machine."""

import logging

_OWN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class KeyedFormatter(logging.Formatter):
    """Formats a record with its ``extra`` values after the phrase, control characters escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, and the traceback if there is one."""
        line, separator, rest = super().format(record).partition("\n")
        known = record.__dict__.items()
        keys = [f"{key}={_shown(value)}" for key, value in known if key not in _OWN]
        return " ".join([line, *keys]) + separator + rest


def log_to_stderr() -> None:
    """Log records from INFO to standard error; those of an HTTP client, with whole URLs, from WARNING."""
    output = logging.StreamHandler()
    output.setFormatter(KeyedFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[output])


def _shown(value: object) -> str:
    text = str(value)
    return text if text.isprintable() and " " not in text else repr(text)
