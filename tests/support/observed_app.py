"""An observed application without a lifespan, which responds to every request with one word."""

import os
import sys

sys.modules.update(dict.fromkeys(filter(None, os.environ.get("BLOCKED_MODULE", "").split())))  # type: ignore[arg-type]  # as if they were not installed

from support.lifespans import LIFESPANS, serving  # noqa: E402

from nilometer import NilometerMiddleware  # noqa: E402

app = NilometerMiddleware(serving(LIFESPANS["supported"]), entity="fraud-scorer")
