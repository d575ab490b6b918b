"""Check of the proxy variables in the environment."""

from collections.abc import Iterator

from nilometer_agent.doctor.examined import ExaminedAgent
from nilometer_agent.doctor.finding import Finding, Level

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy")


def proxies(examined: ExaminedAgent) -> Iterator[Finding]:
    """Check whether a proxy variable is set but not used."""
    settings, environment = examined.settings, examined.environment
    endpoint = settings.otlp_endpoint or environment.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    named = [one for one in PROXIES if environment.get(one) or environment.get(one.upper())]
    if named and endpoint and not settings.otlp_use_proxy:
        yield Finding(
            "proxy",
            Level.WARNING,
            f"{', '.join(named)} is set but not used",
            "set otlp_use_proxy = true if the OTLP endpoint is behind the proxy",
        )
