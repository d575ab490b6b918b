"""Kill -9 of a collector between any two steps from a change of state to its delivery.

With a healthy receiver, each change is one message for each receiver: none is lost, and only a message
whose 2xx was lost in the kill comes twice, with the same key.
"""

import json
import os
import random
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from faults.delivering import CHANGES, MOST_SECONDS
from faults.zygote import Zygote
from support.stores import Place, PostgresqlPlace, SqlitePlace

from nilometer_collector.alerting.receivers import ChannelDefinition
from nilometer_collector.demo.postgresql import Server
from nilometer_collector.store import Store
from nilometer_collector.testing import START_NS, Webhook, listening_webhook

CHANNELS = ("pager", "team")
END_LEASE = "UPDATE {} SET held_until = clock_timestamp() WHERE holder = '{}'"
KILLS_A_VERDICT = 50  # kills after which all that has arrived is judged


@dataclass
class Killing:
    """Children that deliver from one store, one or several at a time.

    Attributes:
        child: Function of the children.
        most_seconds: Longest time that the children of a round may take together.
        leased: Table in PostgreSQL whose rows a killed child may hold.
        store: Path or URL of the store.
        webhook: Receiver of all channels.
        kills: Number of kills so far.
        lost_replies: Kills between a response of 2xx and the record of it.
        places: Steps at which a child was killed.
    """

    child: ClassVar[str] = "delivering.deliver"
    most_seconds: ClassVar[float] = 2 * MOST_SECONDS
    leased: ClassVar[str] = "deliveries"

    zygote: Zygote
    place: Place
    store: str
    directory: Path
    webhook: Webhook
    kills: int = 0
    lost_replies: int = 0

    def __post_init__(self) -> None:
        self.places: set[int] = set()
        self.last: Counter[str] = Counter()
        opened = self.place.open("")
        self.prepare(opened)
        opened.close()

    def prepare(self, store: Store) -> None:
        """Make the channels."""
        where = self.webhook.url
        for channel in (
            ChannelDefinition(
                name="pager",
                kind="pagerduty",
                settings={"url": where.partition("/services")[0]},
                secrets={"routing_key": "none"},
            ),
            ChannelDefinition(name="team", kind="webhook", secrets={"url": where}),
        ):
            store.channels.put(channel, "api", START_NS, 10)

    def round(self, agents: list[str], steps: list[int]) -> None:
        """Let a child for each of *agents* change its state, and die at its step; 0 for none.

        Raises:
            AssertionError: If a child fails, or does not end in time; then all are killed.
        """
        children: dict[str, int] = {}
        for agent, step in zip(agents, steps, strict=True):
            self.last[agent] += CHANGES
            children[agent] = self.zygote.start(
                self.child,
                store=self.store,
                agent=agent,
                directory=str(self.directory),
                step=step,
                last=self.last[agent],
            )
        # In the order of their ends: a survivor waits for what a killed child holds.
        deadline = time.monotonic() + self.most_seconds
        while children:
            if time.monotonic() > deadline:
                for child in children.values():
                    self.zygote.kill(child)
                raise AssertionError(f"{[*children]} did not end: {self.zygote.log()[-3000:]}")
            for agent, child in list(children.items()):
                status = self.zygote.ended(child)
                if status is None:
                    continue
                del children[agent]
                if status == signal.SIGKILL:
                    self._killed(agent)
                else:
                    assert os.waitstatus_to_exitcode(status) == 0, self.zygote.log()[-3000:]
            time.sleep(0.01)

    def _killed(self, agent: str) -> None:
        found = json.loads((self.directory / f"{agent}.place").read_text())
        self.kills += 1
        self.lost_replies += found["is_sent"]
        self.places.add(found["step"])
        # As if the lease of the killed collector had ended. Those of the others go on.
        holder = (self.directory / f"{agent}.holder").read_text()
        self.place.change(sqlite="SELECT 1", postgresql=END_LEASE.format(self.leased, holder))

    def steps(self, agent: str) -> int:
        """Return how many steps a round has without a kill."""
        self.round([agent], [0])
        return int((self.directory / f"{agent}.steps").read_text())

    def judge(self) -> str:
        """Compare what the receiver got with the changes of state, after a round without a kill."""
        self.round(list(self.last), [0] * len(self.last))
        return f"{self.kills} kills at {len(self.places)} steps, {self.compare()}"

    def compare(self) -> str:
        """Return what was seen.

        Raises:
            AssertionError: If a message is lost or doubled.
        """
        changes = sum(self.last.values())
        ended = "SELECT count(*), count(delivered_ns), count(withheld_ns), max(last_failure) FROM deliveries"
        ((queued, delivered, withheld, failure),) = self.place.change(
            sqlite=ended, postgresql=ended
        )
        assert (queued, delivered) == (changes * len(CHANNELS),) * 2, (
            f"{queued} queued and {delivered} delivered of {changes * len(CHANNELS)}, {withheld} "
            f"withheld, last failure {failure!r}"
        )
        told = defaultdict(set)
        for posted in self.webhook.accepted:
            told[posted.key].add(tuple(_states(posted.content)))
        assert all(len(one) == 1 for one in told.values()), "a key tells two messages"
        states = Counter(state for one in told.values() for message in one for state in message)
        assert len(states) == changes * len(CHANNELS), "lost"
        assert set(states.values()) == {1}, "doubled"
        repeated = len(self.webhook.accepted) - len(told)
        assert repeated <= self.lost_replies, "a message came twice although its 2xx was recorded"
        return (
            f"{changes} changes of state for "
            f"{len(CHANNELS)} receivers, {self.lost_replies} lost 2xx, {repeated} repeated with "
            "their key"
        )


def _states(content: dict[str, object]) -> Iterator[tuple[str, str, object, str]]:
    """Return the changes that a message tells: receiver, entity, episode and state."""
    episodes = content.get("episodes")
    if isinstance(episodes, list):
        for one in episodes:
            yield "team", one["entity"], one["id"], one["stage"]
        return
    _, entity, episode = str(content["dedup_key"]).split("/")
    yield "pager", entity, episode, str(content["event_action"])


def kills(
    zygote: Zygote,
    directory: Path,
    place: SqlitePlace | PostgresqlPlace,
    *,
    seed: int,
    count: int,
    collectors: int = 1,
    killing: type[Killing] = Killing,
) -> str:
    """Kill collectors *count* times, each at a random step; return what was seen.

    After each `KILLS_A_VERDICT` kills, all that has arrived so far is judged, and a line says so. So a
    run that is cut off has a verdict, too.
    """
    draw = random.Random(seed)
    agents = [f"model-{number}" for number in range(collectors)]
    directory.mkdir(parents=True, exist_ok=True)
    store = str(place.path) if isinstance(place, SqlitePlace) else place.url
    try:
        with listening_webhook() as webhook:
            it = killing(zygote, place, store, directory, webhook)
            steps, seen = it.steps(agents[0]), ""
            while it.kills < count:
                most = min(it.kills + KILLS_A_VERDICT, count)
                while it.kills < most:
                    # Some survive, so that the work of the killed ones does not pile up.
                    it.round(agents, [draw.randint(1, 2 * steps) for _ in agents])
                seen = it.judge()
                print(f"holds so far, {count} kills asked for: {seen}", flush=True)
            return f"{seen}; a round has {steps} steps"
    finally:
        place.close()


class Stuck(Killing):
    """Children that never end."""

    child = "delivering.wait_for_ever"
    most_seconds = 0.05


def test_a_child_that_never_ends_fails_its_round(zygote: Zygote, tmp_path: Path) -> None:
    place = SqlitePlace(tmp_path / "s" / "c.db")
    with listening_webhook() as webhook:
        it = Stuck(zygote, place, str(place.path), tmp_path, webhook)
        with pytest.raises(AssertionError, match=r"\['model'\] did not end"):
            it.round(["model"], [0])
    place.close()


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_a_kill_between_any_two_steps_loses_and_doubles_no_message(
    zygote: Zygote, tmp_path: Path, request: pytest.FixtureRequest, store: str
) -> None:
    place, collectors = place_of(store, tmp_path, request)
    print(kills(zygote, tmp_path, place, seed=1, count=10, collectors=collectors))


def place_of(
    store: str, directory: Path, request: pytest.FixtureRequest
) -> tuple[SqlitePlace | PostgresqlPlace, int]:
    """Return an empty database, and how many collectors may share it."""
    if store == "postgresql":
        server: Server = request.getfixturevalue("postgresql")
        return PostgresqlPlace(server, server.create_database()), 3
    return SqlitePlace(directory / "s" / "c.db"), 1
