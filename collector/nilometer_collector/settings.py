"""The settings of the collector."""

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

from msgspec import Meta

from nilometer.handoff.settings import default_directory
from nilometer.settings.settings import Settings
from nilometer.values.errors import ConfigError
from nilometer.values.privacy import MAX_SUPPRESS_BELOW, Disclosure, Privacy, PrivacyName
from nilometer_collector.access.addresses import parse_address, require_loopback
from nilometer_collector.access.destinations import Allowed, Destination
from nilometer_collector.access.principals import Principal, check_principals
from nilometer_collector.access.secret import Secret, shown_url
from nilometer_collector.access.workspaces import (
    Workspace,
    Workspaces,
    check_workspaces,
    owner_of,
)
from nilometer_collector.alerting.definitions import AlerterDefinition, alerter_of
from nilometer_collector.alerting.function_limits import FunctionLimits, check_patterns
from nilometer_collector.alerting.receivers import (
    MOST_CHANNELS,
    MOST_ROUTES,
    ChannelDefinition,
    check_channel,
    with_secret_files,
)
from nilometer_collector.alerting.routes import RouteDefinition, check_route
from nilometer_collector.alerting.targets import (
    MOST_TARGETS,
    TargetDefinition,
    check_entry_point,
)
from nilometer_collector.alerting.watch_rules import WatchRule
from nilometer_collector.limits.bounds import FUTURE_SECONDS, has_control
from nilometer_collector.limits.urls import MAX_URL_CHARACTERS, check_url

PREFIX = "NILOMETER_COLLECTOR_"
DATABASE_NAME = "collector.db"
OWN_CHANNEL = "slack"  # name of the channel of `slack_webhook_url`
RETENTION = (  # finest level first
    "retention_shipped_days",
    "retention_5m_days",
    "retention_1h_days",
    "retention_1d_days",
)
STORE_SCHEMES = ("postgresql://", "postgres://")

Seconds: TypeAlias = Annotated[float, Meta(ge=0.1, le=60.0)]
Days: TypeAlias = Annotated[int, Meta(ge=1, le=36_500)]


class CollectorSettings(Settings, frozen=True, kw_only=True):
    """All settings of the collector. Durations are seconds.

    Attributes:
        database: SQLite file; empty means ``collector.db`` in the user's state directory. Two
            collectors cannot share a file.
        store: URL of a PostgreSQL database, ``postgresql://user@host/name``. It replaces the SQLite
            file, and several collectors can share it. The URL is a secret if it contains a
            password. See docs/store.md.
        retention_shipped_days: Days for which samples are kept as agents shipped them, counted from
            their arrival. At least 1; coarser levels must be kept at least as long. See
            docs/store.md.
        retention_5m_days: Days for which 5-minute roll-ups are kept.
        retention_1h_days: Days for which 1-hour roll-ups are kept.
        retention_1d_days: Days for which 1-day roll-ups are kept.
        future_seconds: Longest time after the collector's clock at which the window of a sample may
            begin, a prediction may be made, or ground truth may become known. Later times come from
            a wrong clock: their rows are refused and counted. The past is always accepted.
        retention_predictions_days: Days for which logged predictions are kept, counted from their
            arrival. Ground truth that comes later joins nothing. See docs/predictions.md.
        grpc_address: ``host:port`` to which agents ship; loopback only, unless principals and TLS
            are set. Port 0 chooses a free port.
        grpc_certificate: Certificate file of the gRPC server with its chain, PEM; empty means no
            TLS. The collector loads a changed file without a restart.
        grpc_key: Private key file of the gRPC certificate, PEM.
        grpc_client_ca: File of the CA certificates that sign client certificates, PEM; if set,
            every gRPC connection needs a client certificate.
        principals: Callers that may ship, read and write, with their agents and entities. Tokens
            are given as their SHA-256. Without principals, all users of this machine have access.
            See docs/access.md.
        workspaces: Sets of entities, by name pattern, that keep teams apart. A principal that names a
            workspace has no right outside it, and learns nothing of others. See docs/access.md.
        http_address: ``host:port`` of the API and the pages; loopback only, unless TLS is set and a
            principal has ``read`` or ``write``. Port 0 chooses a free port.
        http_certificate: Certificate file of the HTTP server with its chain, PEM; empty means no
            TLS. A changed file needs a restart.
        http_key: Private key file of the HTTP certificate, PEM.
        slack_webhook_url: URL that openings and closings are posted to in Slack's format; empty
            posts nothing. It is a secret, and must be https, or http to a loopback host.
        heartbeat_url: URL of an outside monitor that awaits a request: the collector posts to it while
            it judges windows in time, and stops when it does not. Empty posts nothing. It is a
            secret, and must be https, or http to a loopback host. See docs/operations.md.
        heartbeat_seconds: Time between two heartbeats.
        webhook_allow: Host names, addresses and CIDR ranges that a webhook or the heartbeat may use,
            besides public addresses. A listed name may have a private or loopback address. Link-local and metadata
            addresses need a range.
        public_url: URL of the pages for links in notifications; empty means the HTTP address.
        decision_links: Whether messages have signed links with which everybody who has the message may
            acknowledge, silence or accept the episode. They need `public_url`. See docs/channels.md.
        privacy: Least strict privacy level for all agents: ``open``, ``pod`` or ``strict``. An
            agent may be stricter, but not less strict. See docs/privacy.md.
        suppress_below: Smallest number of observations behind a number or a pseudonym that agents
            report; 0 leaves this to each agent.
        prediction_sums: Whether the collector asks its agents for sums of the prediction by bin of
            each input, with which it names causes. They take up to 130 bytes for each input and
            window. See docs/references.md.
        peers_by_address: Whether clients can be distinguished by their addresses. If so, one
            address gets at most a quarter of the HTTP connections and of the gRPC calls. Leave it
            off if clients connect through one gateway.
        shutdown_seconds: Longest time that each server waits for running requests when it stops.
        metrics_address: ``host:port`` of ``/metrics`` for Prometheus and of the probes ``/livez``,
            ``/readyz`` and ``/startupz``. An empty host means every address; an empty value opens
            no port.
        otlp_endpoint: OTLP endpoint for metrics; empty uses ``OTEL_EXPORTER_OTLP_ENDPOINT``.
        otlp_protocol: OTLP protocol, ``grpc`` or ``http/protobuf``; empty uses
            ``OTEL_EXPORTER_OTLP_PROTOCOL``, then ``grpc``.
        otlp_temporality: OTLP temporality, ``cumulative`` or ``delta``; empty uses
            ``OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE``, then ``cumulative``.
        otlp_interval_seconds: Interval between exports of metrics.
        otlp_use_proxy: Whether OTLP uses the proxy that environment variables name.
        channels: Channels of notifications that this file defines: Slack, webhooks, PagerDuty and
            others. They replace those of the previous version of the file. Channels that were
            created over HTTP are kept. A secret such as ``url_file`` names a file. See
            docs/channels.md.
        routes: Routes that this file defines: which channels are told about which episodes, and at
            what times. A channel that no route names is told about everything.
        targets: Targets of actions that this file defines, each with its kind, settings and secrets.
            They replace those of the previous version of the file. Targets that were created over
            HTTP are kept. A secret such as ``token_file`` names a file. See docs/actions.md.
        alerters: Alerters that this file defines. They replace those of the previous version of the
            file. Alerters that were created over HTTP are kept.
        functions_allow: Patterns of the Python functions that alerters, and targets of the kind
            ``python``, may name, such as ``my_alerters:*``. Naming one runs its code in the
            collector's environment. Without a pattern, no function runs. See docs/own-alerters.md.
        functions_seconds: Longest time of one call of such a function.
        functions_memory_mib: Most address space of one call, in MiB.
        functions_token_file: File with the token that these functions use for the API. It is needed
            with principals; one that may only read is enough.
        functions_tls_ca: File of the CA certificates that they trust, PEM; empty for those of the
            machine.
        watch: Settings of the default alerter, which watches every entity: its budget, tolerances,
            time zone and holidays, and a switch. The first rule whose pattern matches an entity applies. See
            docs/alerters.md.
    """

    database: str = ""
    store: str = ""
    retention_shipped_days: Days = 2
    retention_5m_days: Days = 35
    retention_1h_days: Days = 400
    retention_1d_days: Days = 1826
    future_seconds: Annotated[float, Meta(ge=60, le=34_560_000)] = FUTURE_SECONDS
    retention_predictions_days: Days = 35
    grpc_address: str = "127.0.0.1:7501"
    grpc_certificate: str = ""
    grpc_key: str = ""
    grpc_client_ca: str = ""
    principals: tuple[Principal, ...] = ()
    workspaces: tuple[Workspace, ...] = ()
    http_address: str = "127.0.0.1:7500"
    http_certificate: str = ""
    http_key: str = ""
    slack_webhook_url: str = ""
    heartbeat_url: str = ""
    heartbeat_seconds: Annotated[float, Meta(ge=1, le=3600)] = 60.0
    webhook_allow: tuple[str, ...] = ()
    public_url: str = ""
    decision_links: bool = True
    privacy: PrivacyName = "open"
    suppress_below: Annotated[int, Meta(ge=0, le=MAX_SUPPRESS_BELOW)] = 0
    prediction_sums: bool = True
    peers_by_address: bool = False
    shutdown_seconds: Seconds = 5.0
    metrics_address: str = ""
    otlp_endpoint: str = ""
    otlp_protocol: Literal["", "grpc", "http/protobuf"] = ""
    otlp_temporality: Literal["", "cumulative", "delta"] = ""
    otlp_interval_seconds: Annotated[float, Meta(ge=0.1, le=3600)] = 15.0
    otlp_use_proxy: bool = False
    channels: tuple[ChannelDefinition, ...] = ()
    routes: tuple[RouteDefinition, ...] = ()
    targets: tuple[TargetDefinition, ...] = ()
    alerters: tuple[AlerterDefinition, ...] = ()
    functions_allow: tuple[str, ...] = ()
    functions_seconds: Annotated[float, Meta(ge=1, le=600)] = 60.0
    functions_memory_mib: Annotated[int, Meta(ge=128, le=65_536)] = 1024
    functions_token_file: str = ""
    functions_tls_ca: str = ""
    watch: tuple[WatchRule, ...] = ()

    def __post_init__(self) -> None:
        self._check_access()
        if "\0" in self.database:
            raise ConfigError(f"database = {self.database!r}: must be a path")
        if self.store:
            _check_store(self.store)
            if self.database:
                raise ConfigError(
                    f"database = {self.database!r}: cannot be set together with `store`: unset one"
                )
        self._check_retention()
        allowed = self.allowed
        for setting in ("slack_webhook_url", "heartbeat_url"):
            if url := getattr(self, setting):
                check_url(setting, url, allowed)
        self._check_receivers()
        if self.public_url:
            _check_public_url(self.public_url)
        for rule in self.watch:
            rule.check()
        named: set[tuple[str, str]] = set()
        for definition in self.alerters:
            alerter_of(definition)
            key = (definition.entity, definition.name)
            if key in named:
                raise ConfigError(f"alerters: {key[0]} has two alerters named {key[1]!r}")
            named.add(key)

    def _check_receivers(self) -> None:
        for kind, objects, most in (
            ("channels", self.channels, MOST_CHANNELS),
            ("routes", self.routes, MOST_ROUTES),
            ("targets", self.targets, MOST_TARGETS),
        ):
            names = [one.name for one in objects]
            if len(names) > most:
                raise ConfigError(f"{kind}: has {len(names)} entries, must have at most {most}")
            if len(set(names)) < len(names):
                raise ConfigError(f"{kind}: two of them have the same name")
        for channel in self.channel_definitions:
            check_channel(channel, self.allowed, is_of_settings=True)
        for route in self.routes:
            check_route(route)
        check_patterns(self.functions_allow)
        for target in self.target_definitions:
            check_channel(target, self.allowed)
            check_entry_point(target, self.functions_allow)

    def _check_retention(self) -> None:
        for finer, coarser in pairwise(RETENTION):
            if getattr(self, finer) > getattr(self, coarser):
                raise ConfigError(
                    f"{finer} = {getattr(self, finer)}: must be at most {coarser} = "
                    f"{getattr(self, coarser)}"
                )

    def _check_access(self) -> None:
        check_workspaces(self.workspaces)
        known = self.known_workspaces
        check_principals(self.principals, known)
        lists = (self.channels, self.routes, self.targets)
        for owner in sorted({owner_of(one.name) for defined in lists for one in defined} - {""}):
            if known.named(owner) is None:
                raise ConfigError(
                    f"channels, routes, targets: {owner!r} is not among the workspaces"
                )
        if bool(self.grpc_certificate) != bool(self.grpc_key):
            raise ConfigError("grpc_certificate and grpc_key: set both or none")
        if bool(self.http_certificate) != bool(self.http_key):
            raise ConfigError("http_certificate and http_key: set both or none")
        if self.grpc_client_ca and not self.grpc_certificate:
            raise ConfigError(
                f"grpc_client_ca = {self.grpc_client_ca!r}: needs grpc_certificate and grpc_key"
            )
        if any(p.certificates for p in self.principals) and not self.grpc_client_ca:
            raise ConfigError(
                "principals: certificates need grpc_client_ca: without it, clients send no "
                "certificate"
            )
        if self.principals and self.grpc_certificate:
            parse_address("grpc_address", self.grpc_address)
        else:
            require_loopback("grpc_address", self.grpc_address)
        if self.http_certificate and any(p.uses_http for p in self.principals):
            parse_address("http_address", self.http_address)
        else:
            require_loopback("http_address", self.http_address)

    @property
    def disclosure(self) -> Disclosure:
        """Least strict privacy settings that agents may use."""
        return Disclosure(Privacy(self.privacy), self.suppress_below)

    @property
    def known_workspaces(self) -> Workspaces:
        """All workspaces."""
        return Workspaces(self.workspaces)

    @property
    def database_path(self) -> Path:
        """Path of the SQLite file."""
        return Path(self.database) if self.database else default_directory() / DATABASE_NAME

    @property
    def stored_in(self) -> Path | Secret:
        """SQLite file, or URL of the PostgreSQL database."""
        return Secret(self.store) if self.store else self.database_path

    @property
    def allowed(self) -> Allowed:
        """Addresses that receivers may have, besides public ones."""
        return Allowed.of("webhook_allow", self.webhook_allow)

    @property
    def own_channel(self) -> ChannelDefinition | None:
        """Channel of `slack_webhook_url`, which is not stored in the database; None without it."""
        if not self.slack_webhook_url:
            return None
        secrets = {"url": self.slack_webhook_url}
        return ChannelDefinition(name=OWN_CHANNEL, kind="slack", secrets=secrets)

    @property
    def function_limits(self) -> FunctionLimits:
        """Which functions of users may run, and what a call may use."""
        return FunctionLimits(
            allowed=self.functions_allow,
            seconds=self.functions_seconds,
            memory_mib=self.functions_memory_mib,
            token_file=self.functions_token_file,
            tls_ca=self.functions_tls_ca,
        )

    @property
    def channel_definitions(self) -> tuple[ChannelDefinition, ...]:
        """Channels of the file, with the secrets of the files that they name."""
        return tuple(with_secret_files(one) for one in self.channels)

    @property
    def target_definitions(self) -> tuple[TargetDefinition, ...]:
        """Targets of the file, with the secrets of the files that they name."""
        return tuple(with_secret_files(one) for one in self.targets)

    @property
    def heartbeat(self) -> Destination:
        """Outside monitor that awaits heartbeats."""
        return Destination(Secret(self.heartbeat_url), self.allowed)

    def __repr__(self) -> str:
        webhook = shown_url(self.slack_webhook_url) if self.slack_webhook_url else ""
        store = "postgresql://..." if self.store else ""
        return (
            f"CollectorSettings(database={self.database!r}, store={store!r}, grpc_address={self.grpc_address!r}, "
            f"http_address={self.http_address!r}, slack_webhook_url={webhook!r}, "
            f"public_url={self.public_url!r}, channels={len(self.channels)}, "
            f"alerters={len(self.alerters)})"
        )

    def __rich_repr__(self) -> list[tuple[str, str]]:
        return [("", repr(self))]


def _check_store(url: str) -> None:
    """Refuse a URL of another kind of database; the error shows no part of the URL."""
    if not url.startswith(STORE_SCHEMES) or len(url) > MAX_URL_CHARACTERS or has_control(url):
        raise ConfigError(
            f"store: must be a URL postgresql://... of at most {MAX_URL_CHARACTERS} characters; for a "
            "SQLite file, set `database`"
        )


def _check_public_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        fine = parts.scheme in {"http", "https"} and bool(parts.hostname) and not parts.query
    except ValueError:
        fine = False
    if not fine or len(url) > MAX_URL_CHARACTERS or has_control(url):
        raise ConfigError(f"public_url = {url[:128]!r}: must be an http or https URL")
