"""A log line is one line, with its values."""

import importlib
import logging

from nilometer.commands.stderr_log import KeyedFormatter


def line(message: str, **extra: object) -> str:
    record = logging.makeLogRecord({"msg": message, "levelname": "INFO", **extra})
    return KeyedFormatter("%(levelname)s %(message)s").format(record)


def test_values_stand_behind_the_phrase() -> None:
    assert line("rows rejected", rows=3, agent="pod-1") == "INFO rows rejected rows=3 agent=pod-1"


def test_a_value_cannot_forge_a_line() -> None:
    assert line("reference", entity="a\nINFO b") == "INFO reference entity='a\\nINFO b'"


def test_clients_that_would_log_whole_urls_are_muted() -> None:
    importlib.import_module("nilometer_collector.channels")
    for name in ("httpx", "httpcore"):
        assert logging.getLogger(name).getEffectiveLevel() == logging.WARNING
