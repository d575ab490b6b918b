"""Uploads references to the collector."""

from nilometer.batch.collector_calls import calls_to
from nilometer.profile import Reference
from nilometer.settings.credentials import NO_CREDENTIALS, Credentials
from nilometer.wire.references import reference_to_wire


def put_reference(
    reference: Reference, collector: str, credentials: Credentials = NO_CREDENTIALS
) -> None:
    """Send *reference* to the collector at ``host:port``, with *credentials*.

    Makes three attempts if the collector does not answer.

    Raises:
        ConfigError: If the token would be sent without TLS.
        CollectorUnavailable: If the collector does not answer; the message has gRPC's reason.
        BatchRejected: If the collector refuses the reference.
    """
    with calls_to(collector, credentials) as calls:
        calls.call(calls.stub.PutReference, reference_to_wire(reference), "reference")
