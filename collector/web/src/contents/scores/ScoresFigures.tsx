import type { Scores } from "../../api";

/** The probabilities of one window in a sentence. */
export function ScoresFigures({ scores }: { scores: Scores }) {
  return (
    <p>
      {scores.count} probabilities, mean {scores.mean?.toPrecision(3) ?? "–"}. Predicted:{" "}
      {Object.entries(scores.predicted)
        .map(([name, count]) => `${name} ${count}`)
        .join(", ")}
      . {scores.outside} outside 0 to 1, {scores.not_a_number} not a number.
    </p>
  );
}
