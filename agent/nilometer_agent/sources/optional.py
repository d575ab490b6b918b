"""Sources that run only if the settings turn them on. Their packages are imported only then."""

from typing import TYPE_CHECKING

from nilometer.values.clock import Clock
from nilometer_agent.engine.engine import Engine
from nilometer_agent.measure.counters import Counters
from nilometer_agent.settings import AgentSettings

if TYPE_CHECKING:
    from nilometer_agent.proxy.keeper import Keeper
    from nilometer_agent.sources.events.event_server import EventServer
    from nilometer_agent.sources.otlp.servers import OtlpServers


def otlp_of(
    settings: AgentSettings, engine: Engine, counters: Counters, clock: Clock
) -> "OtlpServers | None":
    """Return the source of OTLP metrics and spans; None if no address is set.

    Raises:
        ConfigError: If an address cannot be bound.
    """
    if not (settings.otlp_in_grpc_address or settings.otlp_in_http_address):
        return None
    from nilometer_agent.sources.otlp.otlp_receiver import OtlpReceiver
    from nilometer_agent.sources.otlp.servers import OtlpServers

    receiver = OtlpReceiver(engine, counters, settings.otlp_in_service, clock)
    return OtlpServers(
        receiver,
        settings.otlp_in_grpc_address,
        settings.otlp_in_http_address,
        by_address=settings.peers_by_address,
    )


def events_of(
    settings: AgentSettings, engine: Engine, counters: Counters, clock: Clock
) -> "EventServer | None":
    """Return the source of inference loggers' events; None if no address is set.

    Raises:
        ConfigError: If the address cannot be bound.
    """
    if not settings.events_address:
        return None
    from nilometer_agent.sources.events.event_server import EventServer

    return EventServer(settings, engine, counters, clock)


def proxies_of(settings: AgentSettings) -> "Keeper | None":
    """Return the source that runs the proxies; None without a proxy.

    Raises:
        ConfigError: If the packages that proxies need are not installed.
    """
    if not settings.proxy:
        return None
    from nilometer_agent.proxy.keeper import Keeper

    return Keeper(settings.proxy, settings.socket_path)
