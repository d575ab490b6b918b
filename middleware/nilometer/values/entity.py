"""Names of monitored entities and of their summaries."""

import re
from enum import Enum

from nilometer.values.errors import ConfigError
from nilometer.values.templates import NAMES, checked, filled, names_in

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,127}")
_OTHER = re.compile(r"[^A-Za-z0-9._/-]+")
SCHEMA = "schema"  # the summary of schema changes, present if a schema is known
LOGGED = "logged."  # prefix of the summaries whose samples users log
SCORES_SUFFIX = ".scores"  # suffix of the summary of an output's probabilities
PERFORMANCE = "performance"  # summary of the predictions that a collector judged
SERVICE = "service"  # summary of the requests; exists for every served entity
# Parts of `SERVICE` that are judged like summaries. They have no samples of their own.
FIRST_TOKEN = "service.first_token"  # noqa: S105  # times to the first token
PER_TOKEN = "service.per_token"  # noqa: S105  # times per output token
STREAM_ENDS = "service.stream_ends"  # how streams ended
SERVICE_PARTS = (FIRST_TOKEN, PER_TOKEN, STREAM_ENDS)


class Role(Enum):
    """The side of a prediction to which a feature belongs; the first part of its summary's name."""

    INPUT = "input"
    OUTPUT = "output"
    GROUND_TRUTH = "ground_truth"


def entity_name(name: str) -> str:
    """Check and return *name*, which becomes a key, a hash in a file name and a metric attribute.

    Raises:
        ConfigError: If *name* does not match ``[A-Za-z0-9][A-Za-z0-9._/-]{0,127}``.
    """
    if not NAME.fullmatch(name):
        raise ConfigError(
            f"entity = {name!r}: must be 1 to 128 letters, digits, '.', '_', '-' or '/', "
            "starting with a letter or digit"
        )
    return name


def entity_or_template(text: str) -> str:
    """Check and return *text*, which is the name of an entity or a template for it.

    Raises:
        ConfigError: If *text* is neither.
    """
    if names_in(checked(text, "entity")):
        entity_name(filled(text, dict.fromkeys(NAMES, "x")))
    else:
        entity_name(text)
    return text


def entity_from(text: str) -> str:
    """Return *text* as the name of an entity, with ``-`` for other characters; may be empty.

    >>> entity_from("llama3.1:8b")
    'llama3.1-8b'
    """
    return _OTHER.sub("-", text).strip("._/-")[:128]


def summary_name(role: Role, feature: str) -> str:
    """Return the name of a feature's summary, such as ``input.amount``.

    A lone surrogate becomes ``?``, because UTF-8 cannot encode it.
    """
    return f"{role.value}.{feature}".encode("utf-8", "replace").decode()


def stored_summary(summary: str) -> str:
    """Return the summary whose samples hold the figures of *summary*.

    >>> stored_summary("service.first_token"), stored_summary("input.amount")
    ('service', 'input.amount')
    """
    return SERVICE if summary in SERVICE_PARTS else summary


def is_of_service(summary: str) -> bool:
    """Return whether *summary* is about requests and streams, and not about a feature."""
    return stored_summary(summary) == SERVICE


def is_logged(summary: str) -> bool:
    """Return whether users log the samples of *summary*, such as ``logged.accuracy``."""
    return summary.startswith(LOGGED) and summary != LOGGED


def role_of(summary: str) -> Role | None:
    """Return the role in a summary's name; None if it has no role."""
    prefix = summary.partition(".")[0]
    return Role(prefix) if prefix in Role._value2member_map_ and prefix != summary else None
