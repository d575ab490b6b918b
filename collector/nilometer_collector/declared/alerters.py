"""Declared alerters as users write them."""

import msgspec

from nilometer.alert import Alerter
from nilometer.alert.conditions import Reported
from nilometer.values.errors import ConfigError
from nilometer_collector.alerting.definitions import (
    AlerterDefinition,
    alerter_of,
    alerter_view,
)
from nilometer_collector.alerting.function_limits import is_allowed, refusal
from nilometer_collector.declared.context import DeclareContext
from nilometer_collector.declared.kind import (
    Kind,
    Misdeclared,
    Plain,
    refuse_controls,
    without_defaults,
)
from nilometer_collector.query.missing_names import KnownNames, missing_names
from nilometer_collector.store import (
    API_ORIGIN,
    Command,
    Key,
    RemoveAlerter,
    SetAlerter,
    Store,
)
from nilometer_collector.store.written import Unread


class AlerterObjects(Kind[AlerterDefinition]):
    """Alerters."""

    name = "alerter"
    plural = "alerters"
    definition = AlerterDefinition

    def key(self, definition: AlerterDefinition) -> Key:
        """Return the identity of the alerter."""
        return alerter_key(definition.entity, definition.name)

    def checked(self, definition: AlerterDefinition) -> Plain:
        """Return the alerter as JSON values, in the form that the store gives back."""
        refuse_controls(definition, of_data={"summary", "parameters"})
        return plain_alerter(alerter_of(definition))

    def completed(
        self, definition: AlerterDefinition, context: DeclareContext
    ) -> AlerterDefinition:
        """Return the definition; refuse a Python function that the settings do not allow."""
        condition = alerter_of(definition).condition
        function = condition.function if isinstance(condition, Reported) else ""
        if function and not is_allowed(function, context.functions):
            place = "parameters.function"
            raise Misdeclared(f"{place}: {refusal(function)}", place)
        return definition

    def stored(self, store: Store, entity: str | None = None) -> dict[Key, Plain]:
        """Return all alerters, also those that this collector cannot read."""
        unread = [alerter for alerter, _ in store.alerts.unread_alerters(entity)]
        found = [*store.alerts.alerters(entity), *unread]
        return {
            alerter_key(one.entity, one.name): plain_alerter(one)
            for one in sorted(found, key=lambda one: (one.entity, one.name))
        }

    def unread(self, store: Store) -> dict[Key, Unread]:
        """Return why this collector cannot read an alerter, for each that it cannot read."""
        return {
            alerter_key(one.entity, one.name): Unread(why)
            for one, why in store.alerts.unread_alerters()
        }

    def put(self, definition: AlerterDefinition) -> Command:
        """Return the command that creates or replaces the alerter."""
        return SetAlerter(alerter_of(definition), API_ORIGIN)

    def remove(self, key: Key) -> Command:
        """Return the command that deletes the alerter."""
        return RemoveAlerter(key.entity, key.name)

    def warnings(self, plain: Plain, known: KnownNames) -> list[str]:
        """Return a sentence for each name in the alerter that does not exist."""
        try:
            alerter = alerter_of(msgspec.convert(plain, AlerterDefinition))
        except (ConfigError, msgspec.ValidationError) as error:  # of a kind of another version
            return [f"is not sent to agents: {error}"]
        return missing_names(known, alerter)


def alerter_key(entity: str, name: str) -> Key:
    """Return the identity of an alerter."""
    return Key(AlerterObjects.name, entity, name)


def plain_alerter(alerter: Alerter) -> Plain:
    """Return the definition of *alerter* as JSON values, without defaults and unused limits."""
    return without_defaults(alerter_view(alerter), kept=alerter.condition.fields().keys())
