"""The targets of a collector: where actions may go, and how they are told."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from nilometer.values.errors import ConfigError
from nilometer_collector.access.destinations import Allowed
from nilometer_collector.access.principals import matches
from nilometer_collector.access.workspaces import Workspaces
from nilometer_collector.actions.content import Order
from nilometer_collector.actions.entry_point import call
from nilometer_collector.actions.forms import FORMS, Form, Ordering
from nilometer_collector.alerting.action_runs import Run
from nilometer_collector.alerting.receivers import check_values
from nilometer_collector.alerting.targets import PYTHON, TargetDefinition, check_entry_point
from nilometer_collector.channels.posting import Answer, Outcome, Request, send
from nilometer_collector.processes import Processes
from nilometer_collector.store import EpisodeRecord, Store

# Statuses that say that the target is not there, or that it does not let the collector in.
_GONE = frozenset({301, 302, 303, 307, 308, 401, 403, 404, 405, 410})

# Time until a target that a newer version wrote is looked at again.
UNREAD_WAIT_SECONDS = 60.0

# Kinds of targets that do an order again if it comes again, because they do not know keys.
_FORGETFUL = frozenset({"github", "gitlab", "jenkins", PYTHON})


def is_for_entity(target: TargetDefinition, entity: str, workspaces: Workspaces) -> bool:
    """Return whether the actions of *entity* may use *target*, by its settings and its workspace."""
    return matches(entity, target.entities) and workspaces.serves(target.name, entity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """Where actions may go.

    Attributes:
        allowed: Addresses that targets may have, besides public ones.
        functions: Patterns of the Python functions that targets may name.
        page_url: Function that returns the URL of the pages, without a final slash.
        post: Function that sends a request with an idempotency key.
        forms: Request of each kind of target.
        processes: Where Python functions run.
    """

    allowed: Allowed
    page_url: Callable[[], str]
    functions: tuple[str, ...] = ()
    post: Callable[[Request, str], Answer] = send
    forms: Mapping[str, Form] = field(default_factory=lambda: FORMS)
    processes: Processes = field(default_factory=Processes)

    def check(self, target: TargetDefinition) -> None:
        """Refuse values that this collector does not accept.

        Raises:
            ConfigError: If an address or a function is not allowed.
        """
        check_values(target, self.allowed)
        check_entry_point(target, self.functions)

    def may_repeat(self, store: Store, run: Run) -> bool:
        """Return whether the target of *run* does an order once that comes twice with its key.

        That is not known of a target that a newer version wrote.
        """
        name = run.action.target
        target = store.targets.read(name)
        if target is None:
            return name not in store.targets.contents()
        return target.kind not in _FORGETFUL

    def send(self, store: Store, run: Run, episode: EpisodeRecord | None, now_ns: int) -> Answer:
        """Tell the target of *run* to do it. Never raises.

        Args:
            store: Store of the targets.
            run: Run that is being sent.
            episode: Its episode; None if it does not exist.
            now_ns: Wall time.
        """
        name = run.action.target
        target = store.targets.read(name)
        if target is None and name in store.targets.contents():
            return Answer(
                outcome=Outcome.FAILED,
                reason=f"a newer collector wrote the target {name!r}: upgrade this collector",
                wait_seconds=UNREAD_WAIT_SECONDS,
            )
        if target is None or episode is None:
            missing = f"the target {name!r}" if target is None else "the episode"
            return Answer(outcome=Outcome.REFUSED, reason=f"{missing} does not exist any more")
        if not is_for_entity(target, run.entity, store.workspaces):
            return Answer(
                outcome=Outcome.REFUSED,
                reason=f"the target {name!r} is not for the entity {run.entity[:128]!r}",
            )
        try:
            self.check(target)
        except ConfigError as error:
            return Answer(outcome=Outcome.REFUSED, reason=str(error))
        ordering = Ordering(
            target=target,
            order=Order(run=run, episode=episode, page_url=self.page_url()),
            allowed=self.allowed,
            now_ns=now_ns,
        )
        if target.kind == PYTHON:
            return call(ordering, self.processes)
        form = self.forms[target.kind]
        answer = self.post(form.request(ordering), run.key)
        if answer.status and answer.status == form.known_status:
            return Answer(outcome=Outcome.DELIVERED, status=answer.status)
        if answer.status in _GONE:
            return Answer(outcome=Outcome.REFUSED, reason=answer.reason, status=answer.status)
        return answer
