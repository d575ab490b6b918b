"""Declared silences, by pattern of entities."""

import msgspec

from nilometer.values.errors import ConfigError
from nilometer.values.times import time_text
from nilometer_collector.alerting.silences import KIND, SilenceDefinition
from nilometer_collector.declared.kind import (
    Misdeclared,
    Plain,
    StoredKind,
    named_first,
    refuse_controls,
    without_defaults,
)
from nilometer_collector.limits.bounds import MAX_NAME_CHARACTERS, check_written
from nilometer_collector.limits.moments import nanoseconds_of
from nilometer_collector.query.missing_names import KnownNames, matching_nothing
from nilometer_collector.store import Key


class SilenceObjects(StoredKind[SilenceDefinition]):
    """Silences. One that has ended stays until it is removed."""

    name = KIND
    plural = "silences"
    definition = SilenceDefinition
    is_for_pattern = True

    def key(self, definition: SilenceDefinition) -> Key:
        """Return the identity of the silence."""
        return self.key_named(definition.entity, definition.name)

    def checked(self, definition: SilenceDefinition) -> Plain:
        """Return the silence without defaults, with both times in UTC."""
        check_written("entity", definition.entity, MAX_NAME_CHARACTERS)
        refuse_controls(definition)
        try:
            plain = definition.with_plain_times()
        except ConfigError as error:
            raise Misdeclared(str(error), str(error).partition(" = ")[0]) from error
        return named_first(without_defaults(plain))

    def warnings(self, plain: Plain, known: KnownNames) -> list[str]:
        """Return a sentence for each pattern that matches nothing yet, and one if it has ended."""
        silence = msgspec.convert(plain, SilenceDefinition)
        found = matching_nothing(known, silence.entity, "summaries", silence.summaries)
        if silence.has_ended(known.now_ns):
            ended = time_text(nanoseconds_of("until", silence.until))
            found.append(f"until: it ended on {ended}, and silences nothing any more")
        return found
