"""One SQLite database of the agent, on disk or in memory: the only module that speaks SQL.

What a transaction has stored is there when it returns, across a crash of the process and of the
power: WAL with ``synchronous=FULL``. One connection, locked for its whole life
(``locking_mode=EXCLUSIVE``: no shared-memory file, which a full disk would refuse).

Every row carries the CRC32C of its table's name, of its place and of all its columns, so that a
row is what was stored or is not used. No table has an index beside its key: what cannot be there
cannot rot, and every row can be found by reading the pages alone (`salvage`).

The write-ahead log is grown once to its full size and used again from its start ever after, so
that deletes still work when a neighbour has filled the disk. What is deleted is overwritten
(``secure_delete``), so that no page holds a row that was already merged or shipped.
"""

import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google_crc32c
import msgspec
import sqlite_utils
from sqlite_utils.migrations import Migrations

from nilometer.values.errors import ConfigError
from nilometer.values.labels import Labels
from nilometer.values.window import Window

PAGE_BYTES = 4096
WAL_PAGES = (16, 256)  # least and most: a sixteenth of the cap between them
FILL_RATIO = 0.9  # of the cap: above it the oldest rows go, so that there is room to work
PAYLOAD_VERSION = 1  # of what stands in a payload; an agent ships the versions it knows
QUARANTINE_ROWS = 1000  # rejected rows kept for a look; the oldest go first
QUARANTINE_BYTES = 16 << 20

# The name of each checksummed table, and its columns between the id and the checksum. The
# payload, where there is one, is last.
TABLES: Mapping[str, tuple[str, ...]] = {
    "meta": ("key", "value"),
    "workers": ("worker", "sequence", "seen"),
    "closed": ("entity", "labels", "end_ns"),
    "partials": ("entity", "labels", "start_ns", "end_ns", "observations", "payload"),
    "outbox": ("epoch", "sequence", "version", "kind", "created_ns", "observations", "payload"),
}

_PUT = {
    table: f"INSERT OR REPLACE INTO {table} (id, crc, {', '.join(columns)}) "
    f"VALUES ({', '.join('?' * (len(columns) + 2))})"
    for table, columns in TABLES.items()
}

migrations = Migrations("nilometer_agent")


@migrations()
def create_checksummed_tables(database: sqlite_utils.Database) -> None:
    """The first schema."""
    for table, columns in TABLES.items():
        names = ", ".join(columns)
        database.execute(
            f"CREATE TABLE {table} (id INTEGER PRIMARY KEY AUTOINCREMENT, crc, {names})"
        )
    database.execute(
        "CREATE TABLE quarantine (id INTEGER PRIMARY KEY AUTOINCREMENT, epoch, sequence, kind, "
        "reason, payload)"
    )


_KNOWN = frozenset({"create_checksummed_tables"})


@dataclass(frozen=True, slots=True)
class WindowKey:
    """What partial profiles are gathered under."""

    entity: str
    labels: Labels
    window: Window


@dataclass(frozen=True, slots=True)
class Delta:
    """The partial profile of a window.

    Attributes:
        key: The window.
        payload: Samples.
        observations: Observations in it, for the accounts.
    """

    key: WindowKey
    payload: bytes
    observations: int = 0


@dataclass(frozen=True, slots=True)
class NewRow:
    """What is to be shipped. *kind* is ``sample`` or ``evaluation``."""

    kind: str
    payload: bytes
    observations: int = 0


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One row that the collector has not acknowledged.

    Attributes:
        id: Its place in this file; the order of shipping.
        epoch: With *sequence*, what the collector knows it by, wherever it is stored.
        sequence: Ascending in an epoch, never used twice.
        version: Of what stands in *payload*.
        kind: ``sample`` or ``evaluation``.
        created_ns: Unix nanoseconds of its closing.
        observations: That are accounted for by this row.
        payload: As it travels.
    """

    id: int
    epoch: bytes
    sequence: int
    version: int
    kind: str
    created_ns: int
    observations: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Closing:
    """A window that is judged: its partial profiles become rows of the outbox."""

    key: WindowKey
    partials: Sequence[int]
    rows: Sequence[NewRow]


@dataclass(frozen=True, slots=True)
class Lost:
    """Rows that are gone for good, and the observations in them as far as they are known."""

    rows: int = 0
    observations: int = 0

    def __add__(self, other: "Lost") -> "Lost":
        return Lost(self.rows + other.rows, self.observations + other.observations)


def checksum(table: str, identity: int, columns: Sequence[Any]) -> int:
    """CRC32C of a row: of its table, its id and all its columns."""
    *head, tail = columns
    if isinstance(tail, bytes):  # a payload is not copied
        return int(google_crc32c.extend(_packed(table, identity, head), tail))
    return _packed(table, identity, columns)


def _packed(table: str, identity: int, columns: Sequence[Any]) -> int:
    return int(google_crc32c.value(msgspec.msgpack.encode((table, identity, *columns))))


def intact(table: str, identity: int, crc: object, columns: Sequence[Any]) -> bool:
    """Whether a stored row is what was stored; rot may change even the type of a column."""
    try:
        return crc == checksum(table, identity, columns)
    except (TypeError, ValueError, OverflowError, msgspec.MsgspecError):
        return False


class Ledger:
    """Partial profiles, workers' marks, the outbox: rows in one database. Not thread-safe.

    Everything raises `sqlite3.Error` as SQLite does; `Buffer` knows what to do about it.

    Raises:
        ConfigError: If a newer nilometer wrote the file.

    Args:
        path: The file; None for memory.
        most_bytes: The database never grows over it.

    Attributes:
        epoch: 16 random bytes, new whenever a ledger is opened: a file that went back in time,
            was copied or restored never gives a pair of epoch and sequence again.
        damaged: Rows that were found and fail their checksum, at opening and since.
        commits_found: Transactions in the file when it was opened, ever.
        commits_stored: Transactions in it now; one that failed may be there all the same, which
            the next opening finds out.
    """

    def __init__(self, path: Path | None, most_bytes: int) -> None:
        self.path = path
        self.epoch = secrets.token_bytes(16)
        self.damaged = 0
        self.commits = 0
        self._sequence = 0
        self._released = 0
        self.most_pages = max(most_bytes // PAGE_BYTES, 4 * WAL_PAGES[0])
        self.wal_pages = wal_pages(most_bytes)
        self._descriptor = -1
        if path is not None:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._connection = sqlite3.connect(
            path or ":memory:", check_same_thread=False, isolation_level=None, timeout=5.0
        )
        # Rot in a text must not raise: a row that is no text fails its checksum.
        self._connection.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
        try:
            self._open()
            self._load()
            self.commits_found = self.commits_stored = self.commits
            if path is not None:
                self._grow_log(path)
            self.settle()
            self._at = _places(path)
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        for pragma in (
            f"page_size={PAGE_BYTES}",
            "locking_mode=EXCLUSIVE",
            "journal_mode=WAL",
            "synchronous=FULL",
            "secure_delete=ON",
            "cell_size_check=ON",
            "trusted_schema=OFF",
            "temp_store=MEMORY",
            f"max_page_count={self.most_pages}",
            f"wal_autocheckpoint={self.wal_pages}",
            f"journal_size_limit={(self.wal_pages + 8) * (PAGE_BYTES + 24)}",
        ):
            self._connection.execute(f"PRAGMA {pragma}")
        if self.path is not None:
            (found,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise Damaged(found)
        database = sqlite_utils.Database(self._connection)
        try:
            newer = {m.name for m in migrations.applied(database)} - _KNOWN
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise Damaged(str(error)) from error
        if newer:
            raise ConfigError(
                f"{self.path}: was written by a newer nilometer ({', '.join(sorted(newer))})"
            )
        migrations.apply(database)

    def _load(self) -> None:
        """Read what is kept in memory too: everything but the payloads."""
        read = self._connection.execute
        self._ids = dict.fromkeys(TABLES, 1)
        for table in TABLES:
            (last,) = read(f"SELECT max(id) FROM {table}").fetchone()
            self._ids[table] = (last or 0) + 1
        for table, last in read("SELECT name, seq FROM sqlite_sequence"):
            if table in self._ids and isinstance(last, int):
                self._ids[table] = max(self._ids[table], last + 1)
        self.plan: bytes | None = None
        for _, key, value in self._rows("meta"):
            if key == "commits":
                self.commits = max(self.commits, value)
            elif key == "plan":
                self.plan = value
        self._workers = {row[1]: (row[0], row[2]) for row in self._rows("workers")}
        self._closed = {(row[1], row[2]): (row[0], row[3]) for row in self._rows("closed")}
        self._partials: dict[WindowKey, list[int]] = {}
        self.partial_observations = 0
        for identity, *columns in self._rows("partials"):
            self._partials.setdefault(_key(columns), []).append(identity)
            self.partial_observations += columns[4]
        self.queued, self.queued_observations = 0, 0
        for count, seen in read("SELECT count(*), total(observations) FROM outbox"):
            self.queued, self.queued_observations = count, int(seen)

    def _rows(self, table: str) -> Iterator[tuple[Any, ...]]:
        """(id, columns) of all rows that are what was stored; the others are removed."""
        names = ", ".join(TABLES[table])
        bad: list[int] = []
        for identity, crc, *columns in self._connection.execute(
            f"SELECT id, crc, {names} FROM {table} ORDER BY id"
        ):
            if intact(table, identity, crc, columns):
                yield identity, *columns
            else:
                bad.append(identity)
        if bad:
            self.damaged += len(bad)
            with self.transaction() as connection:
                connection.executemany(f"DELETE FROM {table} WHERE id = ?", [(i,) for i in bad])

    def _grow_log(self, path: Path) -> None:
        """Write the log to its full size once, so that it never needs the disk again."""
        log = path.with_name(path.name + "-wal")
        if log.exists() and log.stat().st_size >= self.wal_pages * PAGE_BYTES:
            return
        try:
            with self.transaction() as connection:
                connection.execute(
                    "INSERT INTO quarantine (id, payload) VALUES (-1, zeroblob(?))",
                    [(self.wal_pages - 8) * PAGE_BYTES],
                )
                connection.execute("DELETE FROM quarantine WHERE id = -1")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_FULL:
                raise

    @property
    def next_partial(self) -> int:
        """The id that the next partial profile will have."""
        return self._ids["partials"]

    @property
    def partial_ids(self) -> set[int]:
        """Ids of the partial profiles that are held."""
        return {identity for ids in self._partials.values() for identity in ids}

    def hold_size(self, hold: bool) -> None:  # noqa: FBT001  a state, not an option
        """Let the file not grow, or grow to its cap again."""
        pages = self.most_pages
        if hold:
            (pages,) = self._connection.execute("PRAGMA page_count").fetchone()
        self._connection.execute(f"PRAGMA max_page_count={pages}")

    def close(self) -> None:
        """Let the file go; nothing may be called afterwards. Safe twice."""
        self._connection.close()
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of the block is stored when it ends, or none of it."""
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            self.commits += 1
            self._put("meta", "commits", self.commits, identity=1)
            connection.execute("COMMIT")
            self.commits_stored = self.commits
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def settle(self) -> None:
        """Fold the log into the file, and let the rows that were put so far be shipped.

        A log may lose its end to damage without a trace, and what it said is undone. What was
        shipped must not be undone - it would be merged and shipped again - so nothing is shipped
        that stands in the log only. The small commit starts the log anew.
        """
        released = self._ids["outbox"] - 1
        if self.path is not None:
            busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
            if busy:
                return
        with self.transaction():
            pass
        self._released = released

    def is_in_place(self) -> bool:
        """Whether the file at the path is the one that is open: a deleted one takes writes."""
        try:
            return _places(self.path) == self._at
        except OSError:
            return False

    @property
    def is_deleted(self) -> bool:
        """Whether no directory has the file any more: it goes with this connection."""
        return self._descriptor >= 0 and os.fstat(self._descriptor).st_nlink == 0

    # Workers and partial windows

    def worker_sequences(self) -> dict[bytes, int]:
        """The last committed batch of every worker that was seen."""
        return {worker: sequence for worker, (_, sequence) in self._workers.items()}

    def commit_deltas(self, deltas: Sequence[Delta], sequences: Mapping[bytes, int]) -> None:
        """Store partial profiles and the batches they contain."""
        workers = dict(self._workers)
        with self.transaction():
            ids = self._put_all(
                "partials",
                [(*_columns(delta.key), delta.observations, delta.payload) for delta in deltas],
            )
            for worker, sequence in sequences.items():
                identity, before = workers.get(worker, (0, 0))
                identity = identity or self._take_id("workers")
                newest = max(before, sequence)
                workers[worker] = (identity, newest)
                self._put("workers", worker, newest, self.commits, identity=identity)
        self._workers = workers
        for delta, identity in zip(deltas, ids, strict=True):
            self._partials.setdefault(delta.key, []).append(identity)
            self.partial_observations += delta.observations

    def forget_workers(self, keep: int) -> None:
        """Forget all workers but the *keep* that were heard last.

        By the order of commits, not by time: a clock that jumps would forget one that is still
        there, and count again what it sends again.
        """
        with self.transaction() as connection:
            connection.execute(
                "DELETE FROM workers WHERE id NOT IN "
                "(SELECT id FROM workers ORDER BY seen DESC LIMIT ?)",
                [keep],
            )
        self._workers = {row[1]: (row[0], row[2]) for row in self._rows("workers")}

    def open_windows(self) -> list[WindowKey]:
        """Windows that have partial profiles."""
        return list(self._partials)

    def partials(self, key: WindowKey) -> tuple[list[tuple[int, bytes]], int]:
        """(id, payload) of a window's partial profiles, and how many fail their checksum."""
        good, bad = [], 0
        names = ", ".join(TABLES["partials"])
        for identity in self._partials.get(key, ()):
            row = self._connection.execute(
                f"SELECT crc, {names} FROM partials WHERE id = ?", [identity]
            ).fetchone()
            if row is not None and intact("partials", identity, row[0], row[1:]):
                good.append((identity, row[-1]))
            else:
                bad += 1
        return good, bad

    def closed_until(self, entity: str, labels: Labels) -> int:
        """End of the newest window that was judged, Unix nanoseconds; 0 for none."""
        return int(self._closed.get((entity, _label_text(labels)), (0, 0))[1])

    def close_windows(self, closings: Sequence[Closing], now_ns: int) -> None:
        """Replace the partial profiles of each window by its rows of the outbox."""
        closed = dict(self._closed)
        gone = {identity for closing in closings for identity in closing.partials}
        left = 0
        new = [row for closing in closings for row in closing.rows]
        numbered, version = enumerate(new, self._sequence + 1), PAYLOAD_VERSION
        # Whatever becomes of this transaction, no sequence is given twice.
        self._sequence += len(new)
        with self.transaction() as connection:
            self._put_all(
                "outbox",
                [
                    (self.epoch, at, version, row.kind, now_ns, row.observations, row.payload)
                    for at, row in numbered
                ],
            )
            for closing in closings:
                mark = (closing.key.entity, _label_text(closing.key.labels))
                identity, until = closed.get(mark, (0, 0))
                identity = identity or self._take_id("closed")
                closed[mark] = (identity, max(until, closing.key.window.end_ns))
                self._put("closed", *mark, closed[mark][1], identity=identity)
            for identity in gone:
                found = connection.execute(
                    "SELECT observations FROM partials WHERE id = ?", [identity]
                ).fetchone()
                left += found[0] if found and isinstance(found[0], int) else 0
            connection.executemany("DELETE FROM partials WHERE id = ?", [(i,) for i in gone])
        self._closed = closed
        self.queued += len(new)
        self.queued_observations += sum(row.observations for row in new)
        self.partial_observations -= left
        for closing in closings:
            rest = [i for i in self._partials.get(closing.key, ()) if i not in gone]
            if rest:
                self._partials[closing.key] = rest
            else:
                self._partials.pop(closing.key, None)

    # The outbox

    def oldest(self, most: int, most_bytes: int) -> tuple[list[OutboxRow], list[int]]:
        """Up to *most* rows of one epoch and together *most_bytes* (one at least), oldest first.

        Also the ids of rows among them that fail their checksum.
        """
        rows: list[OutboxRow] = []
        corrupt: list[int] = []
        size = 0
        names = ", ".join(TABLES["outbox"])
        for identity, crc, *columns in self._connection.execute(
            f"SELECT id, crc, {names} FROM outbox WHERE id <= ? ORDER BY id LIMIT ?",
            [self._released, most],
        ):
            if not intact("outbox", identity, crc, columns):
                corrupt.append(identity)
                continue
            row = OutboxRow(identity, *columns)
            size += len(row.payload)
            if rows and (size > most_bytes or row.epoch != rows[0].epoch):
                break
            rows.append(row)
        return rows, corrupt

    def acknowledge(self, ids: Iterable[int], rejected: Mapping[int, str]) -> Lost:
        """Forget rows by id; those in *rejected* go to quarantine. What was forgotten."""
        gone = Lost()
        with self.transaction() as connection:
            for identity, reason in rejected.items():
                connection.execute(
                    "INSERT INTO quarantine (epoch, sequence, kind, reason, payload) "
                    "SELECT epoch, sequence, kind, ?, payload FROM outbox WHERE id = ?",
                    [reason, identity],
                )
            if rejected:
                self._bound_quarantine(connection)
            for identity in ids:
                found = connection.execute(
                    "SELECT observations FROM outbox WHERE id = ?", [identity]
                ).fetchone()
                if found is not None:
                    gone += Lost(1, found[0] if isinstance(found[0], int) else 0)
                    connection.execute("DELETE FROM outbox WHERE id = ?", [identity])
        self.queued -= gone.rows
        self.queued_observations -= gone.observations
        return gone

    def _bound_quarantine(self, connection: sqlite3.Connection) -> None:
        connection.execute(
            "DELETE FROM quarantine WHERE id <= (SELECT max(id) FROM quarantine) - ?",
            [QUARANTINE_ROWS],
        )
        connection.execute(
            "DELETE FROM quarantine WHERE id <= (SELECT max(id) FROM (SELECT id, sum(length("
            "payload)) OVER (ORDER BY id DESC) AS held FROM quarantine) WHERE held > ?)",
            [min(QUARANTINE_BYTES, self.most_pages * PAGE_BYTES // 8)],
        )

    def quarantined(self) -> int:
        """Rows in quarantine."""
        return int(self._connection.execute("SELECT count(*) FROM quarantine").fetchone()[0])

    def drop_oldest(self, rows: int) -> tuple[Lost, set[tuple[bytes, int]]]:
        """Drop the oldest *rows* of the outbox; also the epochs and sequences that went."""
        found = self._connection.execute(
            "SELECT id, epoch, sequence FROM outbox ORDER BY id LIMIT ?", [rows]
        ).fetchall()
        gone = self.acknowledge([identity for identity, *_ in found], {})
        return gone, {(epoch, sequence) for _, epoch, sequence in found}

    def used_bytes(self) -> int:
        """Size of the pages that hold something."""
        pages, free = (
            self._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count")
        )
        return int(pages - free) * PAGE_BYTES

    @property
    def is_nearly_full(self) -> bool:
        """Whether the oldest rows should go."""
        return self.used_bytes() > self.most_pages * PAGE_BYTES * FILL_RATIO

    def oldest_created_ns(self) -> int:
        """When the oldest row was put, Unix nanoseconds; 0 where there is none."""
        row = self._connection.execute(
            "SELECT created_ns FROM outbox ORDER BY id LIMIT 1"
        ).fetchone()
        return row[0] if row and isinstance(row[0], int) else 0

    # The plan of the collector, kept for when it is away

    def keep_plan(self, payload: bytes) -> None:
        """Remember *payload* as the newest plan."""
        with self.transaction():
            self._put("meta", "plan", payload, identity=2)
        self.plan = payload

    # Moving

    def everything(self) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """(table, (id, columns)) of every row that is what was stored."""
        for table in TABLES:
            for row in self._rows(table):
                yield table, row

    def marks(self) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """The rows that are kept in memory too: no disk is needed to know them."""
        for worker, (identity, sequence) in self._workers.items():
            yield "workers", (identity, worker, sequence, 0)
        for (entity, labels), (identity, until) in self._closed.items():
            yield "closed", (identity, entity, labels, until)
        if self.plan is not None:
            yield "meta", (2, "plan", self.plan)

    def take_in(self, rows: Iterable[tuple[str, tuple[Any, ...]]], without: set[int]) -> int:
        """Add rows of another ledger, in one transaction; returns those that were new.

        Rows of the outbox keep their epoch and sequence, so that the collector counts them once
        whatever it has. *without*: ids of partial profiles here that the other ledger has, too.
        """
        known = {
            (epoch, sequence)
            for epoch, sequence in self._connection.execute("SELECT epoch, sequence FROM outbox")
        }
        marks = {worker: mark for worker, (_, mark) in self._workers.items()}
        added = 0
        with self.transaction() as connection:
            connection.executemany("DELETE FROM partials WHERE id = ?", [(i,) for i in without])
            for table, (_, *columns) in rows:
                match table:
                    case "outbox":
                        if (columns[0], columns[1]) not in known:
                            known.add((columns[0], columns[1]))
                            self._put(table, *columns)
                            added += 1
                    case "partials":
                        self._put(table, *columns)
                        added += 1
                    case "workers":
                        worker, mark, _ = columns
                        identity = self._workers.get(worker, (0, 0))[0] or self._take_id(table)
                        marks[worker] = max(marks.get(worker, 0), mark)
                        self._workers[worker] = (identity, marks[worker])
                        self._put(table, worker, marks[worker], self.commits, identity=identity)
                    case "closed":
                        mark_of, until = (columns[0], columns[1]), columns[2]
                        identity, before = self._closed.get(mark_of, (0, 0))
                        identity = identity or self._take_id(table)
                        self._closed[mark_of] = (identity, max(before, until))
                        self._put(table, *mark_of, max(before, until), identity=identity)
                    case "meta" if columns[0] == "plan":
                        self._put(table, *columns, identity=2)
        self._load()
        self.settle()
        return added

    def _take_id(self, table: str) -> int:
        identity = self._ids[table]
        self._ids[table] += 1
        return identity

    def _put(self, table: str, *columns: Any, identity: int | None = None) -> int:
        identity = self._take_id(table) if identity is None else identity
        crc = checksum(table, identity, columns)
        self._connection.execute(_PUT[table], (identity, crc, *columns))
        return identity

    def _put_all(self, table: str, rows: Sequence[tuple[Any, ...]]) -> range:
        """Put new *rows* of columns; their ids."""
        ids = range(self._ids[table], self._ids[table] + len(rows))
        self._ids[table] = ids.stop
        self._connection.executemany(
            _PUT[table],
            [
                (identity, checksum(table, identity, columns), *columns)
                for identity, columns in zip(ids, rows, strict=True)
            ],
        )
        return ids


class Damaged(sqlite3.DatabaseError):
    """The file's structure is not sound."""


def _places(path: Path | None) -> list[tuple[int, int]]:
    """Which files stand where the database and its log should."""
    if path is None:
        return []
    found = [file.stat() for file in (path, path.with_name(path.name + "-wal"))]
    return [(there.st_dev, there.st_ino) for there in found]


def wal_pages(most_bytes: int) -> int:
    """Length of the log of a database of at most *most_bytes*, in pages."""
    least, most = WAL_PAGES
    return min(max(most_bytes // PAGE_BYTES // 16, least), most)


def _columns(key: WindowKey) -> tuple[str, str, int, int]:
    return key.entity, _label_text(key.labels), key.window.start_ns, key.window.end_ns


def _key(columns: Sequence[Any]) -> WindowKey:
    return WindowKey(
        columns[0],
        Labels.of(msgspec.json.decode(columns[1])),
        Window(columns[2], columns[3]),
    )


def _label_text(labels: Labels) -> str:
    """Canonical JSON: equal labels, equal text."""
    return msgspec.json.encode(labels.as_dict()).decode()
