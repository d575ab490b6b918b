"""Proxy variables of the environment."""

from collections.abc import Iterator

from nilometer_agent.doctor.finding import Finding, Level
from nilometer_agent.doctor.patient import Patient

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy")


def proxies(patient: Patient) -> Iterator[Finding]:
    """Whether one is set and not followed."""
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
