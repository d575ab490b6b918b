"""Close the loop: drift, message, approval, a retrain that really retrains, recovery, "worked".

A model predicts late arrivals. From the second day on, its upstream sends `dep_delay` in seconds instead
of minutes, so it predicts that nearly every delayed flight arrives late. An alerter on the share of
flights that are predicted late opens an episode. An action asks for approval, and then orders a retrain.
The receiver of the order fits a new model on the newest flights whose arrival is known. With the new
model the share is as before, the episode closes, and the action has worked.

Everything runs in this process, on loopback, in seconds: a collector, a channel, and the receiver of
orders. A window holds 300 flights. It is shipped to the collector directly, without an agent.

    python examples/flights/loop.py
"""

import argparse
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pyarrow
import pyarrow.parquet as pq

from nilometer.receive import Order, Receiver, server_of
from nilometer.testing import eventually
from nilometer_collector.demo.model import FEATURES, TARGET, FlightModel, fit, rows_of
from nilometer_collector.demo.show import flights_directory
from nilometer_collector.testing import (
    Running,
    Webhook,
    feature_sample,
    listening_webhook,
    minute,
    running,
)

ENTITY = "flight-delay"
SUMMARY = "output.predicted_late"
SIGNING_KEY = "an-example-of-a-signing-key"
FLIGHTS = 300  # flights in a window
SECONDS = 60  # of a minute, the factor of the fault
DOCUMENT = {
    "version": 1,
    "entities": [{"name": ENTITY, "owner": "flights@example.com"}],
    "alerters": [
        {
            "entity": ENTITY,
            "name": "share-of-late",
            "summary": SUMMARY,
            "kind": "RANGE",
            "statistic": "mean",
            "low": 0.0,
            "high": 0.12,
        }
    ],
    "actions": [
        {
            "entity": ENTITY,
            "name": "retrain",
            "cure": "retrain",
            "target": "trainer",
            "mode": "live",
            "approvers": ["local"],
            "works_within_seconds": 3600,
            "parameters": {"flights": "3000"},
        }
    ],
}


class Trainer:
    """The model in service, and the flights whose arrival is known by now.

    Args:
        table: All flights, in order.
        path: File of the model.
    """

    def __init__(self, table: pyarrow.Table, path: Path) -> None:
        self.path = path
        self._table = table
        self._seen = 0
        self.retrained = 0

    def start(self, count: int) -> None:
        """Fit the first model on the first *count* flights."""
        self._seen = count
        fit(self._table.slice(0, count)).save(self.path)

    def retrain(self, order: Order) -> None:
        """Fit a new model on the newest flights, as the order's parameters say."""
        count = min(int(order.content["parameters"]["flights"]), self._seen)
        fit(self._table.slice(self._seen - count, count)).save(self.path)
        self.retrained += 1

    def serve(self) -> pyarrow.Table:
        """Return the next window of flights with ``predicted_late``, 0 or 1, by the current model."""
        window = self._table.slice(self._seen, FLIGHTS)
        model = FlightModel.load(self.path)
        late = [float(model.late_probability(row) > 0.5) for row in rows_of(window)]
        self._seen += FLIGHTS
        return window.append_column("predicted_late", pyarrow.array(late))


def flights(break_at: int) -> pyarrow.Table:
    """Return the flights in order; from row *break_at* on, ``dep_delay`` is in seconds."""
    table = pq.read_table(flights_directory("data") / "train.parquet")
    delays = table["dep_delay"].to_numpy().astype(np.float64)
    delays[break_at:] *= SECONDS
    at = table.column_names.index("dep_delay")
    return table.set_column(at, "dep_delay", pyarrow.array(delays)).select([*FEATURES, TARGET])


@contextmanager
def orders_of(trainer: Trainer, directory: Path) -> Iterator[str]:
    """Serve the receiver of orders, and yield its URL."""
    server = server_of(Receiver(SIGNING_KEY, directory), trainer.retrain, ("127.0.0.1", 0))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/orders"
    finally:
        server.shutdown()
        server.server_close()


class Loop:
    """The example's collector and what happens around it.

    Args:
        served: Running collector.
        trainer: Model in service.
        channel: Receiver of messages.
    """

    def __init__(self, served: Running, trainer: Trainer, channel: Webhook) -> None:
        self._served = served
        self._trainer = trainer
        self._channel = channel
        self._agent = served.sender("example")
        self._windows = 0
        self._shown = 0

    def set_up(self, orders: str) -> None:
        """Declare the channel, the target, the alerter and the action."""
        secrets = {"url": orders, "signing_key": SIGNING_KEY}
        for path, body in (
            (
                "channels",
                {"name": "team", "kind": "webhook", "secrets": {"url": self._channel.url}},
            ),
            ("targets", {"name": "trainer", "kind": "webhook", "secrets": secrets}),
        ):
            self._served.http.put(f"/api/v1/{path}", json=body).raise_for_status()
        self._served.http.post("/api/v1/apply", json=DOCUMENT).raise_for_status()

    def serve(self, windows: int) -> None:
        """Serve windows of flights and print what the model says of them."""
        for _ in range(windows):
            table = self._trainer.serve()
            late, truth = (table[name].to_numpy() for name in ("predicted_late", TARGET))
            sample = feature_sample(
                late.tolist(), summary=SUMMARY, window=minute(self._windows), entity=ENTITY
            )
            self._agent.ship(sample)
            right = float(np.mean(late == truth))
            print(
                f"window {self._windows}: predicted late {late.mean():.0%}, "
                f"really late {np.mean(truth):.0%}, right {right:.0%}"
            )
            self._windows += 1

    def told(self, what: str) -> dict[str, Any]:
        """Wait for a message about *what*, print all new ones, and return it."""

        def found() -> list[dict[str, Any]]:
            return [one.content for one in self._channel.accepted if what in _state(one.content)]

        eventually(lambda: bool(found()), timeout=60)
        for one in self._channel.accepted[self._shown :]:
            episodes = one.content["episodes"]
            print(f"message: {one.content['headline']}\n    {episodes[0]['evidence']}")
        self._shown = len(self._channel.accepted)
        return found()[0]

    def approve(self, link: str) -> None:
        """Open the signed link, and send its form, as a person does with a browser."""
        parts = urlsplit(link)
        fields = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self._served.http.get(f"{parts.path}?{parts.query}").raise_for_status()
        form = {**fields, "decision": "approve", "reason": "the unit of dep_delay has changed"}
        self._served.http.post(parts.path, data=form).raise_for_status()
        print("approved by the form of the link")

    def run(self) -> list[str]:
        """Return the states of the action's run, in order."""
        (run,) = self._served.get("actions/runs")["runs"]
        return [turn["state"] for turn in run["turns"]]


def _state(message: dict[str, Any]) -> str:
    return str((message["action"] or {}).get("state", message["stage"]))


def close_the_loop(directory: Path, first: int = 3000, windows: int = 3) -> list[str]:
    """Run the whole loop; return the states of the action's run.

    Args:
        directory: Directory for the database, the model and the known orders.
        first: Flights on which the first model is fitted.
        windows: Windows of each part: healthy, faulty, and after the retrain.
    """
    trainer = Trainer(flights(first + windows * FLIGHTS), directory / "model.json")
    trainer.start(first)
    with (
        listening_webhook() as channel,
        orders_of(trainer, directory / "orders") as orders,
        running(directory / "state" / "collector.db", webhook_allow=["127.0.0.0/8"]) as served,
    ):
        loop = Loop(served, trainer, channel)
        loop.set_up(orders)
        loop.serve(windows)
        print("the upstream changes the unit of dep_delay")
        loop.serve(windows + 8)
        loop.told("opened")
        loop.approve(loop.told("awaiting_approval")["link"])
        loop.told("accepted")
        print(f"retrained {trainer.retrained} time")
        loop.serve(windows)
        loop.told("worked")
        return loop.run()


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as made:
        print("states:", ", ".join(close_the_loop(Path(made))))
