"""Both clients apply, list, remove and roll back declared objects."""

import asyncio
from pathlib import Path

import pytest

from nilometer import AsyncClient, Client
from nilometer.client import Invalid, NotFound, declared
from nilometer_collector.testing import ENTITY, running

SILENCE = {
    "entity": "fraud-*",
    "name": "sale",
    "from": "2026-11-27T00:00Z",
    "until": "2026-11-30T00:00Z",
    "reason": "Black Friday",
}
DOCUMENT = {
    "version": 1,
    "summaries": [{"entity": ENTITY, "name": "input.amount", "unit": "EUR"}],
    "silences": [SILENCE],
}


def test_a_document_is_applied_listed_and_rolled_back(tmp_path: Path) -> None:
    with running(tmp_path / "collector.db") as served:
        with Client(served.collector.http_url) as client:
            planned = client.run(declared.apply(DOCUMENT, dry_run=True))
            assert (planned.revision, planned.dry_run, len(planned.changes)) == (None, True, 2)
            assert client.run(declared.apply(DOCUMENT, part_of="risk")).revision == 1
            again = client.run(declared.apply(DOCUMENT))
            assert (again.revision, again.unchanged, again.changes) == (None, 2, [])
            (silence,) = client.run(declared.objects("silence"))
            assert silence.definition["until"] == "2026-11-30T00:00:00Z"
            fewer = {"version": 1, "silences": [SILENCE]}
            pruned = client.run(declared.apply(fewer, part_of="risk", prune=True))
            # The set itself has one object less.
            assert [one.action for one in pruned.changes] == ["removed", "changed"]
            client.run(declared.remove("silence", "sale", entity="fraud-*"))
            with pytest.raises(NotFound):
                client.run(declared.remove("silence", "sale", entity="fraud-*"))
            with pytest.raises(Invalid) as refused:
                client.run(declared.apply({"version": 1, "silences": [{**SILENCE, "until": "x"}]}))
            assert refused.value.field == "silences[0].until"
        asyncio.run(roll_back(served.collector.http_url))


async def roll_back(url: str) -> None:
    async with AsyncClient(url) as client:
        back = await client.run(declared.roll_back(1, kind="silence"))
        assert [(one.name, one.action) for one in back.changes] == [("sale", "created")]
        found = await client.run(declared.changes("silence", limit=1))
        assert [(one.revision, one.origin) for one in found] == [(4, "rollback")]
