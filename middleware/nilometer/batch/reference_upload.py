"""Uploads references to the collector."""

from nilometer.batch.collector_calls import calls_to
from nilometer.profile import Reference
from nilometer.settings.credentials import NO_CREDENTIALS, Credentials
from nilometer.wire.references import reference_to_wire


def put_reference(
    reference: Reference,
    collector: str,
    credentials: Credentials = NO_CREDENTIALS,
    expires_ns: int | None = None,
) -> int | None:
    """Send *reference* to the collector, and return the Unix nanoseconds at which it expires.

    Makes three attempts if the collector does not answer.

    Args:
        reference: Profile with its digest. The collector makes it the current version of its name.
        collector: Address of the collector, ``host:port``.
        credentials: Token and certificates.
        expires_ns: Unix nanoseconds from which no window is compared with it; None keeps the time of
            this version if it is stored already, and else means never.

    Returns:
        The time that the collector has stored; None for never. A collector of an older version does
        not store one.

    Raises:
        ConfigError: If the token would be sent without TLS.
        CollectorUnavailable: If the collector does not answer; the message has gRPC's reason.
        BatchRejected: If the collector refuses the reference.
    """
    with calls_to(collector, credentials) as calls:
        message = reference_to_wire(reference)
        message.expires_unix_nano = expires_ns or 0
        reply = calls.call(calls.stub.PutReference, message, "reference")
        return reply.expires_unix_nano or None
