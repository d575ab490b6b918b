"""Uploads references to the collector."""

import grpc

from nilometer.profile import Reference
from nilometer.settings.credentials import NO_CREDENTIALS, Credentials
from nilometer.values.errors import BatchRejected, CollectorUnavailable
from nilometer.wire.channel import call_metadata, open_channel
from nilometer.wire.references import reference_to_wire
from nilometer.wire.services import collector_stub

DEADLINE_SECONDS = 10.0


def put_reference(
    reference: Reference, collector: str, credentials: Credentials = NO_CREDENTIALS
) -> None:
    """Send *reference* to the collector at ``host:port``, with *credentials*.

    Raises:
        ConfigError: If the token would be sent without TLS.
        CollectorUnavailable: If the collector does not answer.
        BatchRejected: If the collector refuses the reference.
    """
    metadata = call_metadata(collector, credentials)
    with open_channel(collector, credentials) as channel:
        try:
            collector_stub(channel).PutReference(
                reference_to_wire(reference), timeout=DEADLINE_SECONDS, metadata=metadata
            )
        except grpc.RpcError as error:
            code, why = error.code(), error.details()
            if code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}:
                raise CollectorUnavailable(f"no collector answers at {collector}") from error
            raise BatchRejected(f"the collector refused the reference: {why}") from error
