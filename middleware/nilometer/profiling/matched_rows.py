"""Which rows of the inputs belong to which rows of the outputs, over many requests.

A request and its response match if they have the same number of rows: row *i* of the response is
the prediction for row *i* of the request. A `Side` has single rows first and the rows of blocks
after them, so its order can differ between inputs and outputs.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nilometer.decode import Side

Rows = NDArray[np.intp]


@dataclass(slots=True)
class _Run:
    """Successive matching rows: single rows or rows of blocks, on each side."""

    input_blocks: bool
    output_blocks: bool
    first_input: int  # position among the single rows, or among the rows of blocks
    first_output: int
    rows: int


@dataclass(slots=True)
class MatchedRows:
    """The matching rows of two sides. Not thread-safe.

    Attributes:
        unmatched_inputs: Number of input rows without an output row.
        unmatched_outputs: Number of output rows without an input row.
    """

    unmatched_inputs: int = 0
    unmatched_outputs: int = 0
    _runs: list[_Run] = field(default_factory=list)

    @property
    def unmatched(self) -> int:
        """Number of rows that match no row of the other side: of the side that has more of them."""
        return max(self.unmatched_inputs, self.unmatched_outputs)

    def add(self, inputs: Side, outputs: Side, more_inputs: Side, more_outputs: Side) -> None:
        """Match the rows of one request, or of several requests of one shape.

        Args:
            inputs: All inputs before this request.
            outputs: All outputs before this request.
            more_inputs: Inputs of the request, which are added to *inputs* afterwards.
            more_outputs: Outputs of the request, which are added to *outputs* afterwards.
        """
        rows, singles, answers = more_inputs.rows, more_inputs.singles, more_outputs.singles
        # A body with single rows and blocks has lost the order between them.
        if rows != more_outputs.rows or singles not in (0, rows) or answers not in (0, rows):
            self.unmatched_inputs += rows
            self.unmatched_outputs += more_outputs.rows
            return
        if not rows:
            return
        first_input = inputs.singles if singles else inputs.rows - inputs.singles
        first_output = outputs.singles if answers else outputs.rows - outputs.singles
        if self._runs:
            last = self._runs[-1]
            if (
                last.input_blocks is not bool(singles)
                and last.output_blocks is not bool(answers)
                and last.first_input + last.rows == first_input
                and last.first_output + last.rows == first_output
            ):
                last.rows += rows
                return
        self._runs.append(_Run(not singles, not answers, first_input, first_output, rows))

    def positions(self, inputs: Side, outputs: Side) -> tuple[Rows | None, Rows | None]:
        """Return the positions of matching rows in the columns of both sides, in the same order.

        Args:
            inputs: All inputs.
            outputs: All outputs.

        Returns:
            Positions of the input rows and of the output rows, each of shape (m,). Both are None if
            all rows match and have the same order on both sides.
        """
        if len(self._runs) == 1 and self._runs[0].rows == inputs.rows == outputs.rows:
            return None, None
        chosen: tuple[list[Rows], list[Rows]] = [], []
        for run in self._runs:
            for into, first, side in (
                (chosen[0], run.first_input, inputs if run.input_blocks else None),
                (chosen[1], run.first_output, outputs if run.output_blocks else None),
            ):
                start = first if side is None else first + side.singles
                into.append(np.arange(start, start + run.rows))
        nothing = np.zeros(0, np.intp)
        return np.concatenate([nothing, *chosen[0]]), np.concatenate([nothing, *chosen[1]])
