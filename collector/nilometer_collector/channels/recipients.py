"""Which recipients of a mail have it, if the server accepted it for some of them only."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from nilometer.values.clock import NANOSECONDS

DEFERRED_SECONDS = 600.0  # time for which a mail is tried again for a recipient that is deferred
GIVEN_UP_SECONDS = (
    86_400.0  # time for which a recipient that stayed deferred holds up no other mail
)
MOST_MAILS = 1000  # mails that are remembered


@dataclass(slots=True)
class _Mail:
    """A mail that was offered.

    Attributes:
        first_ns: Wall time of the first attempt.
        done: Recipients that have it, or will never accept it.
        is_told: Whether anybody has it.
    """

    first_ns: int
    done: set[str] = field(default_factory=set)
    is_told: bool = False


class Recipients:
    """Remembers who has which mail, for as long as the collector runs. Any thread may call."""

    def __init__(self) -> None:
        self._mails: OrderedDict[str, _Mail] = OrderedDict()
        self._given_up: dict[str, int] = {}
        self._lock = threading.Lock()

    def left(self, key: str, recipients: Iterable[str], now_ns: int) -> list[str]:
        """Return the *recipients* to which the mail with this *key* must be offered."""
        with self._lock:
            mail = self._mails.setdefault(key, _Mail(now_ns))
            if len(self._mails) > MOST_MAILS:
                self._mails.popitem(last=False)
            return [one for one in recipients if one not in mail.done]

    def record(self, key: str, offered: Sequence[str], codes: Mapping[str, int]) -> None:
        """Record the refusals of a mail, by recipient; the others of *offered* have it."""
        with self._lock:
            mail = self._mails[key]
            mail.done.update(one for one in offered if not 400 <= codes.get(one, 0) < 500)
            mail.is_told = mail.is_told or len(codes) < len(offered)

    def is_told(self, key: str) -> bool:
        """Return whether anybody has the mail."""
        with self._lock:
            return self._mails[key].is_told

    def must_wait(self, key: str, deferred: Sequence[str], now_ns: int) -> bool:
        """Return whether the mail must be tried again for the *deferred* recipients.

        It need not if others have it and each of these was given up within `GIVEN_UP_SECONDS`, or the
        mail has been tried for `DEFERRED_SECONDS`. They are then given up.
        """
        with self._lock:
            mail = self._mails[key]
            if not mail.is_told:
                return True
            is_late = now_ns - mail.first_ns >= DEFERRED_SECONDS * NANOSECONDS
            since_ns = now_ns - int(GIVEN_UP_SECONDS * NANOSECONDS)
            if not is_late and any(self._given_up.get(one, 0) <= since_ns for one in deferred):
                return True
            if is_late:
                self._given_up.update(dict.fromkeys(deferred, now_ns))
            return False

    def forget(self, key: str) -> None:
        """Forget a mail that is not tried again."""
        with self._lock:
            self._mails.pop(key, None)
