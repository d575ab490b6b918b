/** Scores: the probabilities and the classes that a model predicted. */

import { listed } from "../../charts/categories";
import * as format from "../../parts/format";
import { contentKind } from "../content";
import { sharesChart } from "../shares";
import { ScoresFigures } from "./ScoresFigures";

export const scores = contentKind({
  of: (sample) => sample.scores,
  figures: (content) => <ScoresFigures scores={content} />,
  charts: (contents) => {
    const predicted = contents.map((each) => (each ? listed(each.predicted) : []));
    const shares = sharesChart("Share of predicted classes", predicted);
    return [
      {
        title: "Mean probability",
        lines: [{ name: "mean", values: contents.map((each) => each?.mean ?? null), tone: "flow" }],
        statistics: ["mean"],
        show: (value) => format.number(value, 3),
        height: 220,
        fromZero: true,
      },
      ...(shares ? [shares] : []),
      {
        title: "Probabilities per window",
        lines: [
          { name: "probabilities", values: contents.map((each) => each?.count ?? null), tone: "flow" },
        ],
        statistics: ["count"],
        show: (value) => format.number(value),
        height: 120,
        fromZero: true,
      },
    ];
  },
  glance: (contents) => ({
    what: "mean",
    values: contents.map((each) => each?.mean ?? null),
    mark: null,
    newest: format.number(contents.at(-1)?.mean, 3),
  }),
});
