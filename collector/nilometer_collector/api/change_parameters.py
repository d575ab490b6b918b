"""Query parameters of changes of declared objects: why they are made, and what they are based on."""

from collections.abc import Sequence
from typing import ClassVar

from nilometer_collector.alerting.decisions import MOST_REASON_CHARACTERS
from nilometer_collector.api.parameters import Parameter, RequiredId, Schema
from nilometer_collector.limits.bounds import SAYS_SOMETHING, is_plain


class Reason(Parameter[str]):
    """One line that says why a change is made; empty without one."""

    schema: ClassVar[Schema] = {
        "type": "string",
        "minLength": 1,
        "maxLength": MOST_REASON_CHARACTERS,
        "pattern": SAYS_SOMETHING,
    }

    def read(self, texts: Sequence[str]) -> str:
        """Return the text without spaces around it."""
        if not texts:
            return ""
        reason = texts[0].strip()
        if not 0 < len(texts[0]) <= MOST_REASON_CHARACTERS or not reason or not is_plain(reason):
            raise self.refused(
                f"must be one line of 1 to {MOST_REASON_CHARACTERS} characters, without control characters"
            )
        return reason


class AnyRevision(Parameter[int | None]):
    """The number of a revision, 0 for the time before the first; or None."""

    schema: ClassVar[Schema] = {**RequiredId.schema, "minimum": 0}

    def read(self, texts: Sequence[str]) -> int | None:
        """Return the number."""
        if not texts or texts[0] == "0":
            return 0 if texts else None
        return RequiredId(self.name, self.about).read(texts)
