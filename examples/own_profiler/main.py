"""Profile a table with custom profilers and print the results."""

import profilers  # type: ignore[import-not-found]  # next to this file
import pyarrow as pa

from nilometer.batch import profile_of

TABLE = pa.table(
    {
        "prompt": ["Please list my orders", "cancel it", "Could you please help", "refund!"],
        "amount": [20.0, 35.0, 90.0, 12.5],
        "limit": [100.0, 100.0, 100.0, 0.0],
    }
)

profiles = profile_of(TABLE, profilers=[profilers.tone, profilers.headroom])
for summary in ("input.tone.polite", "input.headroom.share"):
    print(summary)
    print(profiles[summary].describe(), end="\n\n")
