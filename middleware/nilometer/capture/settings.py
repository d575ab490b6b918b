"""What the middleware can be told."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, field

from nilometer.entity import entity_name
from nilometer.errors import ConfigError
from nilometer.labels import Labels
from nilometer.settings import Settings

PREFIX = "NILOMETER_"
SOCKET_NAME = "agent.sock"
MAX_SOCKET_PATH = 100  # bytes; the kernel takes 107
AUTO = "auto"

Bytes: TypeAlias = Annotated[int, Meta(ge=1024, le=1 << 30)]
Seconds: TypeAlias = Annotated[float, Meta(ge=0.0, le=60.0)]

PROBES = ("/healthz", "/readyz", "/livez", "/metrics", "/favicon.ico")


class CaptureSettings(Settings, frozen=True, kw_only=True):
    """How a model server is observed.

    Attributes:
        entity: Name of the monitored entity.
        labels: Where it runs: version, region ...; on every sample.
        agent: ``auto`` finds the agent of this user's directory and starts one where none
            answers; ``unix:/path`` is an agent that somebody else starts.
        profile_in: Where bodies are parsed: ``agent``, or ``process`` where no raw byte may
            leave the process.
        directory: Of the socket and, for an agent started from here, its data.
        max_body_bytes: Cap for each body; over it only sizes are kept.
        max_queue_bytes: Cap for what waits for the background thread.
        max_unacknowledged_bytes: Cap for what waits for the agent's acknowledgement.
        flush_seconds: Longest wait of an observation before it is handed on.
        shutdown_seconds: Longest time the end of the process may wait for the agent.
        exclude: Paths that are not observed, such as probes.
        event_time_header: Header that holds the event time: RFC 3339, or Unix seconds.
        event_time_field: Input field that holds it.
        readable_categories: Patterns of summaries whose category names may be stored; used
            where profiles are made in the process.
        segments: Labels from fields, such as ``{region = "input.region"}``, where profiles are
            made in the process; an agent has a setting of its own. Their values are published.
        profilers: Modules that register profilers, where profiles are made in the process.
        names_key: Secret of the pseudonyms of all other names, where profiles are made in the
            process; without it they are not kept.
    """

    entity: str
    labels: dict[str, str] = field(default_factory=dict)
    agent: str = AUTO
    profile_in: Literal["agent", "process"] = "agent"
    directory: str = ""
    max_body_bytes: Bytes = 256 << 10
    max_queue_bytes: Bytes = 16 << 20
    max_unacknowledged_bytes: Bytes = 16 << 20
    flush_seconds: Annotated[float, Meta(ge=0.005, le=5.0)] = 0.05
    shutdown_seconds: Seconds = 2.0
    exclude: tuple[str, ...] = PROBES
    event_time_header: str = ""
    event_time_field: str = ""
    readable_categories: tuple[str, ...] = ()
    segments: dict[str, str] = field(default_factory=dict)
    profilers: tuple[str, ...] = ()
    names_key: str = ""

    def __post_init__(self) -> None:
        entity_name(self.entity)
        Labels.of(self.labels)
        if self.segments:
            from nilometer.capture.segments import Segments  # brings numpy, which the tee can spare

            Segments.of(self.segments)
        if self.agent != AUTO and not self.agent.startswith("unix:/"):
            raise ConfigError(f"agent = {self.agent!r}: must be 'auto' or 'unix:/absolute/path'")
        if len(str(self.socket_path).encode()) > MAX_SOCKET_PATH:
            raise ConfigError(
                f"directory = {str(self.socket_path.parent)!r}: the socket's path must be at most "
                f"{MAX_SOCKET_PATH} bytes"
            )

    @property
    def home(self) -> Path:
        """Where the socket and the data of an agent that is started here stand."""
        return Path(self.directory) if self.directory else default_directory()

    @property
    def socket_path(self) -> Path:
        """The agent's Unix socket."""
        if self.agent == AUTO:
            return self.home / SOCKET_NAME
        return Path(self.agent.removeprefix("unix:"))


def default_directory(environment: Mapping[str, str] | None = None) -> Path:
    """``$XDG_STATE_HOME/nilometer`` or ``~/.local/state/nilometer``."""
    import os

    state = (environment or os.environ).get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "nilometer"
