"""Custom profilers of three lines each. They work on live traffic, on tables and on Spark."""

import nilometer
from nilometer.profile.profiler import Batch, Produced


@nilometer.profiler(version="1", columns=["input.prompt"])
def tone(batch: Batch) -> Produced:
    return {"polite": ["please" in str(text).lower() for text in batch["input.prompt"]]}


@nilometer.profiler(version="1", columns=["input.amount", "input.limit"])
def headroom(batch: Batch) -> Produced:
    pairs = zip(batch["input.amount"], batch["input.limit"], strict=True)
    return {"share": [amount / limit if limit else None for amount, limit in pairs]}
