"""What to do about each state of the way to the collector."""

from collections.abc import Mapping

STATES: Mapping[str, str] = {
    "unavailable": "see that the collector runs and that its address is right",
    "overloaded": "the collector asks for patience: give it more CPU or a faster disk",
    "auth_error": "see token_file and tls_certificate here, and the principal at the collector",
    "tls_error": "see tls_ca, tls_certificate and tls_server_name, and when they expire",
    "version_error": "bring the collector to this version first",
    "refused": "the collector's log says what it does not take",
    "connecting": "it has not been reached yet: look again in a few seconds",
}
