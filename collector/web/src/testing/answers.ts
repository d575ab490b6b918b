/** Responses of the API for tests. */

import type { Alerter, Sample, Samples } from "../api";

/** A sample of a one-minute window without content, with *changes*. */
export const sampleOf = (changes: Partial<Sample>): Sample => ({
  window_start: 0,
  window_end: 60,
  coverage: {
    seen: 10,
    profiled: 8,
    sampled_out: 2,
    dropped: {},
    undecodable: {},
    lost_inputs: {},
    lost_outputs: {},
    unnamed: {},
    unread_times: 0,
    lost_cells: {},
    suppressed: 0,
  },
  feature: null,
  service: null,
  scores: null,
  psi: null,
  ks: null,
  ...changes,
});

/** The series of *samples*, without a reference. */
export const seriesOf = (...samples: Sample[]): Samples => ({
  entity: "fraud",
  summary: "output.label",
  samples,
  reference: null,
});

/** An alerter of this *kind*, with *changes*. The kind may be missing from the generated types,
 * because a collector can have kinds of other packages. */
export const alerterOf = (kind: string, changes: Partial<Alerter> = {}): Alerter => ({
  entity: "fraud",
  name: "some",
  summary: "*",
  kind: kind as Alerter["kind"],
  statistic: "",
  comparison: "",
  threshold: 0,
  low: 0,
  high: 0,
  reference: "",
  comparator: "",
  direction: "",
  minimum_count: 100,
  windows_to_open: 1,
  windows_to_close: 1,
  for_seconds: 0,
  delay_seconds: 0,
  severity: "warning",
  time_zone: "UTC",
  schedule: [],
  maintenance: [],
  ...changes,
});
