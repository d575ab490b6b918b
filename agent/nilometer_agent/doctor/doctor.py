"""What is wrong with a set-up, seen from where the agent runs, and what to do about it.

Every check is made with everything else broken, ends within seconds, raises nothing and prints no
secret. What the agent knows it is asked (`Status`); what it cannot know - that nobody listens, that
a file stands where its socket should be - is looked at from outside.
"""

import fcntl
import os
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import grpc

import nilometer
from nilometer.handoff.spawn import answers
from nilometer.settings.secrets import mode_for_others
from nilometer.values.clock import NANOSECONDS
from nilometer.values.reasons import DropReason, UndecodableReason
from nilometer.wire.services import (
    CHANNEL_OPTIONS,
    GetPlanRequest,
    StatusReply,
    StatusRequest,
    agent_stub,
)
from nilometer_agent.measure.laws import broken
from nilometer_agent.settings import AgentSettings
from nilometer_agent.uplink.dial import Dial, Reach

STATUS_SECONDS = 3.0
PLAN_SECONDS = 3.0
LOOKS = 4  # at the figures of a working agent
BETWEEN_LOOKS_SECONDS = 0.25
MAX_SKEW_SECONDS = 2.0
MAX_LAG_SECONDS = 300
NEARLY_FULL = 0.5  # of the outbox's cap; above nine tenths rows are dropped
FREE_BYTES = 64 << 20
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy")

# What to do about each reason; a test holds that none is missing.
DROPPED: Mapping[DropReason, str] = {
    DropReason.QUEUE_FULL: "the agent was away or slow for long: see that it runs beside the server "
    "from the start, give it more CPU, or raise max_queue_bytes of the middleware",
    DropReason.TOO_LARGE: "lower max_body_bytes of the middleware, or log fewer values a request",
    DropReason.MALFORMED_BATCH: "bring server and agent to one version of nilometer",
    DropReason.INTERNAL_ERROR: "a fault of nilometer: its log has it; please report it",
}
UNDECODABLE: Mapping[UndecodableReason, str] = {
    UndecodableReason.EMPTY: "endpoints without bodies: name them in exclude, or use nilometer.log",
    UndecodableReason.MALFORMED: "look at one with `nilometer decode`; clients send what is not "
    "what its content type says",
    UndecodableReason.UNKNOWN_CONTENT_TYPE: "write a decoder (docs/decoding.md), or hand values over "
    "with nilometer.log",
    UndecodableReason.TOO_LARGE: "raise max_body_bytes of the middleware, or hand values over with "
    "nilometer.log",
    UndecodableReason.ENCODED: "pip install 'nilometer[decode]' where the agent runs",
    UndecodableReason.WRONG_SHAPE: "look at one with `nilometer decode`; hand values over with "
    "nilometer.log",
    UndecodableReason.FAILED_REQUEST: "requests fail: see outcomes and statuses of the entity",
    UndecodableReason.NOT_INFERENCE: "questions for metadata: name their paths in exclude to leave "
    "them out",
    UndecodableReason.DECODER_FAILED: "your decoder raised: the agent's log names it",
}
STATES: Mapping[str, str] = {
    "unavailable": "see that the collector runs and that its address is right",
    "overloaded": "the collector asks for patience: give it more CPU or a faster disk",
    "auth_error": "see token_file and tls_certificate here, and the principal at the collector",
    "tls_error": "see tls_ca, tls_certificate and tls_server_name, and when they expire",
    "version_error": "bring the collector to this version first",
    "refused": "the collector's log says what it does not take",
    "connecting": "it has not been reached yet: look again in a few seconds",
}
# What is fine for these reasons is not told as a finding.
EXPECTED = {
    UndecodableReason.FAILED_REQUEST.value,
    UndecodableReason.NOT_INFERENCE.value,
    UndecodableReason.EMPTY.value,
}


class Level(Enum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's.

    Attributes:
        check: What was looked at.
        level: How bad it is.
        text: What was found.
        remedy: What to do; empty where there is nothing to do.
    """

    check: str
    level: Level
    text: str
    remedy: str = ""

    def as_dict(self) -> dict[str, str]:
        """For JSON."""
        found = {"check": self.check, "level": self.level.value, "text": self.text}
        return {**found, "remedy": self.remedy} if self.remedy else found


@dataclass(slots=True)
class _Patient:
    settings: AgentSettings
    environment: Mapping[str, str]
    looks: list[StatusReply] = field(default_factory=list)

    @property
    def status(self) -> StatusReply | None:
        return self.looks[-1] if self.looks else None


def examine(settings: AgentSettings, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Everything there is to say about the agent of *settings*, one after the other.

    Args:
        settings: Of the agent that runs, or should run, here.
        environment: Its variables.
    """
    patient = _Patient(settings, environment)
    checks = (
        *(_directory, _socket, _agent, _buffer, _workers, _coverage, _laws),
        *(_collector, _shipping, _clocks, _export, _secrets, _proxies),
    )
    for check in checks:
        name = check.__name__.strip("_")
        try:
            yield from check(patient)
        except Exception as error:
            text = f"could not be looked at: {type(error).__name__}: {error}"
            yield Finding(name, Level.WARNING, text, "please report it")


def _directory(patient: _Patient) -> Iterator[Finding]:
    home = patient.settings.home
    try:
        found = home.stat()
    except FileNotFoundError:
        yield Finding(
            "directory",
            Level.BROKEN,
            f"{home}: there is no such directory",
            "no agent has run here: start one with `nilometer agent`, or name its directory with "
            "--directory",
        )
        return
    except OSError as error:
        remedy = f"see the permissions of {home.parent}"
        yield Finding("directory", Level.BROKEN, f"{home}: {error.strerror}", remedy)
        return
    if not stat.S_ISDIR(found.st_mode):
        remedy = "remove the file, or name another directory"
        yield Finding("directory", Level.BROKEN, f"{home} is not a directory", remedy)
        return
    if found.st_uid != os.getuid():
        yield Finding(
            "directory",
            Level.WARNING,
            f"{home} belongs to user {found.st_uid}, you are {os.getuid()}",
            "server and agent must run as one user: the socket is for its owner only",
        )
    elif found.st_mode & 0o077:
        mode = stat.S_IMODE(found.st_mode)
        yield Finding(
            "directory",
            Level.WARNING,
            f"{home} has mode {mode:04o}: others can reach what is in it",
            f"chmod 0700 {home}",
        )
    system = os.statvfs(home)
    free = system.f_bavail * system.f_frsize
    if system.f_flag & os.ST_RDONLY:
        remedy = "mount a volume that can be written: until then all is kept in memory"
        yield Finding("directory", Level.BROKEN, f"{home} is on a read-only file system", remedy)
    elif not os.access(home, os.W_OK | os.X_OK):
        yield Finding("directory", Level.BROKEN, f"{home} cannot be written", f"chmod u+rwx {home}")
    elif free < FREE_BYTES:
        yield Finding(
            "directory",
            Level.WARNING,
            f"{home}: {_bytes(free)} are free on its file system",
            "make room: when the disk is full the oldest summaries go",
        )
    else:
        yield Finding("directory", Level.OK, f"{home}, {_bytes(free)} free")


def _socket(patient: _Patient) -> Iterator[Finding]:
    path = patient.settings.socket_path
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if _is_locked(patient.settings.home / "agent.lock"):
            text = f"{path} is not there, but an agent holds {patient.settings.home}"
            remedy = "it listens elsewhere, or somebody removed its socket: restart it"
        else:
            text = f"{path} is not there: no agent runs here"
            remedy = "start one: `nilometer agent`, or `nilometer run --entity NAME -- COMMAND`"
        yield Finding("socket", Level.BROKEN, text, remedy)
        return
    except OSError as error:
        remedy = "run as the user of the agent"
        yield Finding("socket", Level.BROKEN, f"{path}: {error.strerror}", remedy)
        return
    if not stat.S_ISSOCK(mode):
        remedy = f"remove {path} and restart the agent"
        yield Finding("socket", Level.BROKEN, f"{path} is not a socket", remedy)
        return
    if not answers(path):
        locked = _is_locked(patient.settings.home / "agent.lock")
        who = "an agent holds the directory and does not" if locked else "nobody does"
        remedy = "restart it: it is stopped or hangs" if locked else "start it: `nilometer agent`"
        yield Finding("socket", Level.BROKEN, f"{path}: {who} listen on it", remedy)
        return
    yield Finding("socket", Level.OK, str(path))


def _agent(patient: _Patient) -> Iterator[Finding]:
    path = patient.settings.socket_path
    if not answers(path):
        return
    with grpc.insecure_channel(f"unix:{path}", options=CHANNEL_OPTIONS) as channel:
        stub = agent_stub(channel)
        try:
            for look in range(LOOKS):
                time.sleep(BETWEEN_LOOKS_SECONDS if look else 0)
                patient.looks.append(stub.Status(StatusRequest(), timeout=STATUS_SECONDS))
        except grpc.RpcError as error:
            code: Any = error
            yield Finding(
                "agent",
                Level.BROKEN,
                f"somebody listens and does not answer ({code.code().name})",
                "it is stopped, hangs, or is no agent: see its log and restart it",
            )
            return
    status = patient.looks[-1]
    up = f"up {_seconds(status.uptime_seconds)}"
    yield Finding("agent", Level.OK, f"{status.agent}, version {status.version}, {up}")
    if status.version != nilometer.__version__:
        yield Finding(
            "agent",
            Level.WARNING,
            f"it is version {status.version}, this is {nilometer.__version__}",
            "bring both to one version",
        )
    if status.data_directory != str(patient.settings.home):
        yield Finding(
            "agent",
            Level.WARNING,
            f"it keeps its data in {status.data_directory}, not in {patient.settings.home}",
            "give the doctor the settings of the agent: --config or --directory",
        )
    if status.duplicate:
        yield Finding(
            "agent",
            Level.BROKEN,
            f"another process ships as {status.agent!r}",
            "give each a name of its own (name); a volume was copied, or two pods share one",
        )


def _buffer(patient: _Patient) -> Iterator[Finding]:
    status = patient.status
    if status is None:
        return
    counted, held = status.counters, status.gauges
    if not held["buffer_durable"]:
        yield Finding(
            "buffer",
            Level.BROKEN,
            "the disk cannot be used: what is acknowledged is in memory only",
            f"see the disk under {status.data_directory}; the agent goes back to it by itself",
        )
    used = held["buffer_bytes"] / max(held["buffer_bytes_cap"], 1)
    text = (
        f"{held['rows_in_outbox']:,} rows wait, {_bytes(held['buffer_bytes'])} of "
        f"{_bytes(held['buffer_bytes_cap'])}"
    )
    if used > NEARLY_FULL:
        remedy = "the collector is away or slow: see below; raise max_outbox_bytes"
        yield Finding("buffer", Level.WARNING, text, remedy)
    else:
        yield Finding("buffer", Level.OK, text)
    for name, what, remedy in (
        (
            "rows_dropped_for_space",
            "rows were dropped because the outbox or the disk was full",
            "raise max_outbox_bytes, or make room on the disk",
        ),
        (
            "rows_corrupt",
            "stored rows fail their checksum",
            "the disk or its memory is failing: look at the kernel's log",
        ),
        (
            "recoveries",
            "times a new file was made of a damaged one",
            "the old file stands beside it, ending in .corrupt; look at the disk",
        ),
        (
            "rows_rejected",
            "rows were refused by the collector for good",
            "the agent's log says why; they are kept in quarantine",
        ),
        ("disk_faults", "transactions were refused by the disk", "look at the kernel's log"),
    ):
        if counted[name]:
            lost = name in {"rows_dropped_for_space", "rows_rejected"}
            level = Level.BROKEN if lost else Level.WARNING
            yield Finding("buffer", level, f"{counted[name]:,} {what}", remedy)


def _workers(patient: _Patient) -> Iterator[Finding]:
    status = patient.status
    if status is None:
        return
    count = len(status.workers)
    if count:
        noun = "worker" if count == 1 else "workers"
        yield Finding("workers", Level.OK, f"{count} {noun} connected")
        return
    yield Finding(
        "workers",
        Level.WARNING,
        "no server is connected",
        f"see that the server finds unix:{patient.settings.socket_path} (NILOMETER_AGENT), runs as "
        "the same user, and has had a request",
    )


def _coverage(patient: _Patient) -> Iterator[Finding]:
    status = patient.status
    if status is None:
        return
    seen = status.counters["observations"]
    if not seen:
        yield Finding("coverage", Level.OK, "no observation yet")
        return
    profiled = status.counters["profiled"]
    yield Finding("coverage", Level.OK, f"{profiled:,} of {seen:,} observations have columns")
    for counts, remedies, level, what in (
        (status.dropped, DROPPED, Level.BROKEN, "lost"),
        (status.undecodable, UNDECODABLE, Level.WARNING, "without columns"),
    ):
        known = {reason.value: remedy for reason, remedy in remedies.items()}
        for name, count in sorted(counts.items(), key=lambda one: -one[1]):
            how = Level.OK if name in EXPECTED else level
            text = f"{count:,} {what}: {name}"
            yield Finding("coverage", how, text, known.get(name, "see docs/telemetry.md"))


def _laws(patient: _Patient) -> Iterator[Finding]:
    if not patient.looks:
        return
    breaches = broken({**look.counters, **look.gauges} for look in patient.looks)
    for breach in breaches:
        remedy = "a fault of nilometer: please report it, with this output"
        yield Finding("accounts", Level.BROKEN, str(breach), remedy)
    if not breaches:
        yield Finding("accounts", Level.OK, "what came has gone or is there, at every hop")


def _collector(patient: _Patient) -> Iterator[Finding]:
    settings, status = patient.settings, patient.status
    address = settings.collector
    if status is not None and status.collector != address:
        yield Finding(
            "collector",
            Level.WARNING,
            f"the agent ships to {status.collector or 'nobody'!r}, the settings here say "
            f"{address or 'nobody'!r}",
            "give the doctor the settings of the agent: --config or --collector",
        )
    if not address:
        text = "none is set: summaries stay in the outbox until it is full"
        yield Finding("collector", Level.OK, text)
        return
    dial = Dial(address, settings.credentials)
    try:
        reach, why = dial.probe()
        if reach is not Reach.ANSWERS:
            state = "tls_error" if reach is Reach.TLS else "unavailable"
            yield Finding("collector", Level.BROKEN, f"{address}: {why}", STATES[state])
            return
        yield from _asked(patient, dial, address)
    finally:
        dial.close()


def _asked(patient: _Patient, dial: Dial, address: str) -> Iterator[Finding]:
    before = time.time_ns()
    try:
        # Under the agent's name, for that is whom its token is for; as no process of that name.
        asked = GetPlanRequest(agent=patient.settings.agent_name)
        plan = dial.GetPlan(asked, timeout=PLAN_SECONDS)
    except OSError as error:
        text = f"{address}: {error.filename}: {error.strerror}"
        yield Finding("collector", Level.BROKEN, text, STATES["tls_error"])
        return
    except grpc.RpcError as error:
        call: Any = error
        state = {
            grpc.StatusCode.UNAUTHENTICATED: "auth_error",
            grpc.StatusCode.PERMISSION_DENIED: "auth_error",
            grpc.StatusCode.UNIMPLEMENTED: "version_error",
            grpc.StatusCode.RESOURCE_EXHAUSTED: "overloaded",
        }.get(call.code(), "unavailable")
        text = f"{address}: {call.code().name}: {call.details()}"
        yield Finding("collector", Level.BROKEN, text, STATES[state])
        return
    after = time.time_ns()
    yield Finding("collector", Level.OK, f"{address} answers")
    if not plan.now_unix_nano:
        return
    ahead = max(plan.now_unix_nano - after, 0) - max(before - plan.now_unix_nano, 0)
    skew = ahead / NANOSECONDS
    if abs(skew) > MAX_SKEW_SECONDS:
        yield Finding(
            "clock",
            Level.WARNING,
            f"the collector's clock is {_seconds(abs(skew))} {'ahead' if skew > 0 else 'behind'}",
            "set both by NTP: windows of agents are laid side by side by their times",
        )


def _shipping(patient: _Patient) -> Iterator[Finding]:
    status = patient.status
    if status is None or not status.collector:
        return
    lag = status.gauges["lag_seconds"]
    state = status.collector_state
    text = f"the agent says {state!r}"
    if status.collector_reason:
        text += f": {status.collector_reason}"
    if state == "connecting" and not status.gauges["rows_in_outbox"]:
        yield Finding("shipping", Level.OK, "nothing to ship yet: no window has closed")
        return
    if state != "ready":
        level = Level.WARNING if state == "connecting" else Level.BROKEN
        yield Finding("shipping", level, text, STATES.get(state, "see the agent's log"))
    waits = f"the oldest row waits for {_seconds(lag)}"
    if lag > MAX_LAG_SECONDS:
        yield Finding("shipping", Level.WARNING, waits, "the collector was away, or is too slow")
    elif state == "ready":
        shipped = status.counters["rows_acknowledged"]
        yield Finding("shipping", Level.OK, f"{shipped:,} rows shipped, {waits}")


def _clocks(patient: _Patient) -> Iterator[Finding]:
    status = patient.status
    if status is None:
        return
    late = status.counters["windows_late"]
    if late:
        yield Finding(
            "clock",
            Level.WARNING,
            f"{late:,} windows came after they had been closed: stored, not judged again",
            "raise grace_seconds; see the clocks of whoever sets the event time",
        )


def _export(patient: _Patient) -> Iterator[Finding]:
    status = patient.status
    if status is None:
        return
    counted = status.counters
    done, failed = counted["exports"], counted["export_failures"]
    if failed:
        level = Level.WARNING if done else Level.BROKEN
        text = f"{failed:,} OTLP exports failed, {done:,} were taken"
        remedy = "see otlp_endpoint, its protocol and headers; the agent's log has the reason"
        yield Finding("otlp", level, text, remedy)
    elif done:
        yield Finding("otlp", Level.OK, f"{done:,} exports were taken")
    if counted["export_points_rejected"]:
        yield Finding(
            "otlp",
            Level.WARNING,
            f"{counted['export_points_rejected']:,} points were refused by the far side",
            "its log says why",
        )
    if counted["series_overflowed"]:
        yield Finding(
            "otlp",
            Level.WARNING,
            f"{counted['series_overflowed']:,} measurements were over 2000 series of a metric",
            "fewer labels, or fewer columns",
        )


def _secrets(patient: _Patient) -> Iterator[Finding]:
    for name in ("token_file", "tls_key"):
        path = getattr(patient.settings, name)
        if not path:
            continue
        mode = mode_for_others(path)
        if mode is not None:
            yield Finding(
                "secrets",
                Level.WARNING,
                f"{name} = {path} has mode {mode:04o}: others can read it",
                f"chmod 0600 {path}",
            )


def _proxies(patient: _Patient) -> Iterator[Finding]:
    settings, environment = patient.settings, patient.environment
    endpoint = settings.otlp_endpoint or environment.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    named = [one for one in PROXIES if environment.get(one) or environment.get(one.upper())]
    if named and endpoint and not settings.otlp_use_proxy:
        yield Finding(
            "proxy",
            Level.WARNING,
            f"{', '.join(named)} is set and not followed",
            "set otlp_use_proxy = true if the OTLP endpoint is behind it",
        )


def _is_locked(path: Path) -> bool:
    """Whether a process holds the lock of a data directory."""
    try:
        lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


def _bytes(count: int) -> str:
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def _seconds(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def verdict(findings: Sequence[Finding]) -> str:
    """The last line."""
    bad = sum(one.level is Level.BROKEN for one in findings)
    warned = sum(one.level is Level.WARNING for one in findings)
    if not bad and not warned:
        return "nothing is wrong"
    return f"{bad} broken, {warned} to be looked at"
