"""`nilometer query`: points of many series as a table, JSON, CSV or sparklines."""

import argparse
import csv
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TextIO

from nilometer.commands.collector_options import (
    add_collector_options,
    add_summary_option,
    add_time_options,
    client_of,
)
from nilometer.values.clock import SystemClock
from nilometer.values.errors import ConfigError

if TYPE_CHECKING:
    from nilometer.client.answers import Series
    from nilometer.client.series_table import SeriesTable
    from nilometer.client.spans import Span

DEFAULT_LAST = "24h"
MOST_CHARACTERS = 80  # windows of a sparkline whose step is chosen here
FORMATS = ("table", "json", "csv", "sparkline")

_REPEATED = (
    ("--label", "labels", "KEY:VALUE", "label that a label set must have"),
    ("--not-label", "not_labels", "KEY:VALUE", "label that a label set must not have"),
    ("--by", "by", "KEY", "label key whose values become separate rows"),
    ("--quantile", "quantiles", "Q", "quantile to print, 0 to 1; default 0.5"),
    ("--cdf", "cdf", "NUMBER", "number for which the share of values up to it is printed"),
    ("--statistic", "statistics", "NAME", "statistic to print, such as missing_ratio"),
    ("--comparator", "comparators", "NAME", "distance from --reference; default psi and ks"),
)


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register `nilometer query`."""
    parser = subparsers.add_parser(
        "query",
        help="print quantiles, rates and distances",
        description="Print values of many series that a collector computes: one row for each "
        "summary, label set and window. Stores nothing. Writes to standard output only.",
    )
    parser.add_argument("--entity", required=True, help="name of the entity")
    add_summary_option(parser, None)
    add_time_options(parser, DEFAULT_LAST)
    parser.add_argument(
        "--step",
        metavar="DURATION",
        help="length of the windows; default one window, or up to 80 windows in a sparkline",
    )
    for flag, name, shown, text in _REPEATED:
        parser.add_argument(
            flag,
            dest=name,
            action="append",
            default=[],
            metavar=shown,
            help=f"{text}; may be repeated",
        )
    parser.add_argument("--moments", action="store_true", help="print mean, deviation and extremes")
    parser.add_argument("--rates", action="store_true", help="print observations per second")
    parser.add_argument("--reference", metavar="NAME", help="print distances from this reference")
    parser.add_argument(
        "--format", choices=FORMATS, default="table", help="form of the output; default table"
    )
    add_collector_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the answer, and return 0."""
    from nilometer.client.asked import Measures
    from nilometer.client.spans import Span

    no_time = arguments.start is None and arguments.end is None
    last = DEFAULT_LAST if arguments.last is None and no_time else arguments.last
    clock = SystemClock()
    span = Span.of(clock, last, arguments.start, arguments.end)
    step = arguments.step
    if step is None and arguments.format == "sparkline":
        step = span.step(clock, MOST_CHARACTERS)
    valued = arguments.cdf or arguments.statistics or arguments.moments or arguments.rates
    quantiles = numbers_of("--quantile", arguments.quantiles)
    if not (quantiles or valued or arguments.reference):
        quantiles = [0.5]
    with client_of(arguments) as client:
        found = client.entity(arguments.entity).query(
            *arguments.summaries,
            last=last,
            start=arguments.start,
            end=arguments.end,
            step=step,
            labels=labels_of("--label", arguments.labels),
            not_labels=labels_of("--not-label", arguments.not_labels),
            by=arguments.by,
            measures=Measures(
                quantiles=quantiles,
                cdf=numbers_of("--cdf", arguments.cdf),
                statistics=arguments.statistics,
                moments=arguments.moments,
                rates=arguments.rates,
                reference=arguments.reference,
                comparators=arguments.comparators,
            ),
        )
    _WRITERS[arguments.format](found, sys.stdout)
    if not found:
        print(f"nilometer: {arguments.entity} has no such data in {_named(span)}", file=sys.stderr)
    return 0


def labels_of(key: str, texts: Sequence[str]) -> Mapping[str, list[str]]:
    """Return the values of each label key in *texts* of the form ``KEY:VALUE``.

    Raises:
        ConfigError: If a text has no colon; the message names *key*.
    """
    found: dict[str, list[str]] = {}
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon:
            raise ConfigError(f"{key} = {text!r}: must be KEY:VALUE")
        found.setdefault(name, []).append(value)
    return found


def numbers_of(key: str, texts: Sequence[str]) -> list[float]:
    """Return the finite numbers in *texts*.

    Raises:
        ConfigError: If a text is not a finite number; the message names *key*.
    """
    found = []
    for text in texts:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise ConfigError(f"{key} = {text!r}: must be a number")
        found.append(number)
    return found


def printable(text: str) -> str:
    """Return *text* with a question mark for each character that a terminal may act on."""
    return "".join(one if one.isprintable() else "?" for one in text)


def _named(span: "Span") -> str:
    from nilometer.client.spans import instant

    start = "the past" if span.start is None else f"{instant(span.start):%Y-%m-%d %H:%M}"
    end = "now" if span.end is None else f"{instant(span.end):%Y-%m-%d %H:%M}"
    return f"the time from {start} to {end}"


def _rows(found: "SeriesTable") -> tuple[list[str], Iterator[tuple[object, ...]]]:
    """Return the names of the columns, and the rows."""
    columns = found.columns()
    return [one.name for one in columns], zip(*(one.cells for one in columns), strict=True)


def _write_json(found: "SeriesTable", out: TextIO) -> None:
    """Write one object for each row, a row on each line."""
    names, rows = _rows(found)
    lines = (json.dumps(dict(zip(names, map(_plain, row), strict=True))) for row in rows)
    out.write("[" + ",\n ".join(lines) + "]\n")


def _write_csv(found: "SeriesTable", out: TextIO) -> None:
    names, rows = _rows(found)
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_plain(cell) for cell in row] for row in rows)


def _write_table(found: "SeriesTable", out: TextIO) -> None:
    names, rows = _rows(found)
    texts = [names, *([_shown(cell) for cell in row] for row in rows)]
    widths = [max(map(len, cells)) for cells in zip(*texts, strict=True)]
    numeric = [name != "summary" and not name.startswith("labels.") for name in names]
    for row in texts:
        cells = (
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        )
        out.write("  ".join(cells).rstrip() + "\n")


def _write_sparklines(found: "SeriesTable", out: TextIO) -> None:
    """Write a line for each series: its name, its first value over time, and the newest value."""
    from nilometer.client.drawing import number, sparkline
    from nilometer.client.series_table import first_value, values_of

    shown = first_value(list(found))
    names = [_name_of(series) for series in found]
    width = max(map(len, names), default=0)
    for name, series in zip(names, found, strict=True):
        values = values_of(series, shown)
        known = [value for value in values if value is not None]
        low, high = min(known, default=None), max(known, default=None)
        ends = f"{number(low)} to {number(high)}, newest {number(values[-1])}"
        drawn = sparkline(_spaced(series, values))
        out.write(f"{name.ljust(width)}  {drawn}  {shown} {ends}\n")


def _name_of(series: "Series") -> str:
    labels = ",".join(f"{key}={value}" for key, value in series.labels.items())
    return printable(f"{series.summary} {labels}".rstrip())


def _spaced(series: "Series", values: Sequence[float | None]) -> list[float | None]:
    """Return *values* with None for each window without data between two points."""
    points = series.points
    length = min(point.window_end - point.window_start for point in points)
    first = points[0].window_start
    places = [round((point.window_start - first) / length) for point in points]
    if places[-1] >= 10 * MOST_CHARACTERS:  # windows of very different lengths
        return list(values)
    spaced: list[float | None] = [None] * (places[-1] + 1)
    for place, value in zip(places, values, strict=True):
        spaced[place] = value
    return spaced


def _plain(cell: object) -> object:
    return cell.isoformat() if isinstance(cell, datetime) else cell


def _shown(cell: object) -> str:
    """Return a cell of the table; a dash if it is missing."""
    if isinstance(cell, datetime):
        return f"{cell:%Y-%m-%d %H:%M:%S}"
    if isinstance(cell, float):
        return f"{cell:.6g}"
    return "-" if cell is None else printable(str(cell))


_WRITERS: Mapping[str, Callable[["SeriesTable", TextIO], None]] = {
    "table": _write_table,
    "json": _write_json,
    "csv": _write_csv,
    "sparkline": _write_sparklines,
}
