"""Declared summaries, by entity."""

from nilometer.values.errors import ConfigError
from nilometer_collector.alerting.summaries import KIND, SummaryDefinition
from nilometer_collector.declared.kind import (
    Misdeclared,
    Plain,
    StoredKind,
    named_first,
    refuse_controls,
    without_defaults,
)
from nilometer_collector.query.missing_names import KnownNames
from nilometer_collector.store import Key


class SummaryObjects(StoredKind[SummaryDefinition]):
    """Summaries. Their samples are kept without a declaration, too."""

    name = KIND
    plural = "summaries"
    definition = SummaryDefinition

    def key(self, definition: SummaryDefinition) -> Key:
        """Return the identity of the summary."""
        return self.key_named(definition.entity, definition.name)

    def checked(self, definition: SummaryDefinition) -> Plain:
        """Return the summary without defaults."""
        refuse_controls(definition, of_data={"name"})  # the name of data
        try:
            definition.check()
        except ConfigError as error:
            raise Misdeclared(str(error), str(error).partition(":")[0]) from error
        return named_first(without_defaults(definition))

    def warnings(self, plain: Plain, known: KnownNames) -> list[str]:
        """Return a sentence if its samples have another type or unit, or only others have samples.

        A summary may be declared before its entity has data.
        """
        entity, name = str(plain["entity"]), str(plain["name"])
        summaries = known.summaries(entity)
        if not summaries:
            return []
        if name not in summaries:
            return [
                f"name = {name!r}: {entity} has no such summary yet{known.hint(name, summaries)}"
            ]
        measured = known.type_of(entity, name)
        told = (("data_type", measured.data_type), ("unit", measured.unit))
        return [
            f"{key} = {plain[key]!r}: its samples have {word!r}"
            for key, word in told
            if word and plain.get(key, word) != word
        ]
