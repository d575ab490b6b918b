"""The log on standard error: a fixed phrase, then ``key=value`` pairs."""

import logging

_OWN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class KeyedFormatter(logging.Formatter):
    """Formats a record with its ``extra`` values after the phrase, control characters escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line, followed by its traceback, if any."""
        line, separator, rest = super().format(record).partition("\n")
        known = record.__dict__.items()
        keys = [f"{key}={_shown(value)}" for key, value in known if key not in _OWN]
        return " ".join([line, *keys]) + separator + rest


def log_to_stderr() -> None:
    """Log to standard error: records from INFO, but those of HTTP clients only from WARNING."""
    output = logging.StreamHandler()
    output.setFormatter(KeyedFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[output])


def _shown(value: object) -> str:
    text = str(value)
    return text if text.isprintable() and " " not in text else repr(text)
