"""The remedy for each state of the connection to the collector."""

from collections.abc import Mapping

STATES: Mapping[str, str] = {
    "unavailable": "see that the collector runs and that its address is right",
    "overloaded": "the collector is overloaded: give it more CPU or a faster disk",
    "auth_error": "check token_file and tls_certificate here, and the principal at the collector",
    "tls_error": "check tls_ca, tls_certificate, tls_server_name, and when the certificates expire",
    "version_error": "update the collector to this version first",
    "refused": "the collector's log says what it refuses and why",
    "connecting": "not connected yet: run the doctor again in a few seconds",
}
