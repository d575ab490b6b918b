"""Coverage as the HTTP API shows it."""

import msgspec

from nilometer.profile import Coverage


class CoverageView(msgspec.Struct, frozen=True, kw_only=True):
    """seen = profiled + sampled_out + sum(dropped) + sum(undecodable).

    lost_inputs and lost_outputs count profiled requests and responses with missing columns, by reason.
    unnamed counts cells of columns whose names are not features, by type. lost_cells counts
    cells of summaries that a profile could not hold, by reason; only `service` has it.
    unread_times counts observations whose event time could not be read, so arrival time is used.
    """

    seen: int
    profiled: int
    sampled_out: int
    dropped: dict[str, int]
    undecodable: dict[str, int]
    lost_inputs: dict[str, int]
    lost_outputs: dict[str, int]
    unnamed: dict[str, int]
    unread_times: int
    lost_cells: dict[str, int]
    suppressed: int  # cells of summaries with a hidden name, on `service` (docs/privacy.md)


def coverage_view(coverage: Coverage) -> CoverageView:
    """Return *coverage* as the API shows it, with reasons sorted."""
    return CoverageView(
        seen=coverage.seen,
        profiled=coverage.profiled,
        sampled_out=coverage.sampled_out,
        dropped=dict(sorted(coverage.dropped.items())),
        undecodable=dict(sorted(coverage.undecodable.items())),
        lost_inputs=dict(sorted(coverage.lost_inputs.items())),
        lost_outputs=dict(sorted(coverage.lost_outputs.items())),
        unnamed=dict(sorted(coverage.unnamed.items())),
        unread_times=coverage.unread_times,
        lost_cells=dict(sorted(coverage.lost_cells.items())),
        suppressed=coverage.suppressed,
    )
