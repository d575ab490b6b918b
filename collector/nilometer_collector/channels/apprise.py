"""All other receivers, by the library Apprise, in a process of its own with limits.

The library opens its connections itself. So the process checks each address before it connects, unless
a channel of the settings switches that off, and it has no proxy, little memory and a time limit. The
library says only whether a receiver has accepted a message, so a message that failed may have arrived.
Some receivers, such as Discord, refuse a message of more than 2,000 characters. So only a message about
one episode has the signed links.
"""

import importlib.util
import sys

from nilometer.values.plain_text import printable
from nilometer_collector.access.called_apprise import (
    ADDRESS_REFUSED,
    NOT_SENT,
    PARTLY_REFUSED,
    UNUSABLE,
)
from nilometer_collector.channels.posting import Answer, Outcome, as_json
from nilometer_collector.channels.sending import Sending, refused
from nilometer_collector.processes import Ended, Processes, inherited

TOTAL_SECONDS = 25.0  # less than the lease of a delivery; the library takes seconds to load

_PROCESSES = Processes()
_TYPES = {"info": "info", "warning": "warning", "critical": "failure"}


def send_apprise(sending: Sending) -> Answer:
    """Send the message by Apprise."""
    if importlib.util.find_spec("apprise") is None:
        return refused("apprise is not installed: install nilometer[apprise]")
    message, allowed = sending.message, sending.allowed
    links = [f"{one.text}: {one.url}" for one in message.sole_choices]
    lines = [*message.lines()[1:], *links]
    content = {
        "url": sending.secret("url"),
        "title": printable(message.headline),
        "body": "\n".join(map(printable, lines)),
        "type": _TYPES[message.severity.value],
        "is_guarded": sending.is_guarded,
        "allowed": [*sorted(allowed.names), *map(str, allowed.networks)],
    }
    command = [sys.executable, "-m", "nilometer_collector.access.called_apprise"]
    return answer_of(_PROCESSES.run(command, as_json(content), inherited(), TOTAL_SECONDS))


def answer_of(ended: Ended) -> Answer:
    """Return the outcome of the process.

    Its output may have the URL. Only the last line is shown, and only for the exit codes that make it a
    sentence without one.
    """
    match ended.code:
        case 0:
            return Answer(outcome=Outcome.DELIVERED)
        case code if code == UNUSABLE:
            return refused(_last_line(ended))
        case code if code == ADDRESS_REFUSED:
            return Answer(outcome=Outcome.FAILED, reason=_last_line(ended))
        case code if code == PARTLY_REFUSED:
            reason = _last_line(ended)
        case code if code == NOT_SENT:
            reason = "the receiver has not accepted it"
        case None:
            reason = f"no outcome within {TOTAL_SECONDS:g} s"
        case _:
            reason = "the process of apprise ended"
    return Answer(outcome=Outcome.FAILED, reason=reason, may_have_arrived=True)


def _last_line(ended: Ended) -> str:
    return printable(ended.output.splitlines()[-1])
