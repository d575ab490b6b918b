/** The answers of the HTTP API. Generated from its OpenAPI document by `make web-api`. */

/** A rule. See nilometer.alert.Alerter for meaning and bounds. */
export interface Alerter {
  entity: string;
  name: string;
  summary: string;
  kind: "FIXED" | "RANGE" | "REFERENCE";
  statistic: string;
  comparison: "" | ">" | ">=" | "<" | "<=";
  threshold: number;
  low: number;
  high: number;
  reference: string;
  comparator: "" | "psi" | "ks";
  parameters?: Record<string, string | number>;
  minimum_count: number;
  windows_to_open: number;
  windows_to_close: number;
  severity: "info" | "warning" | "critical";
}

/** The rules, by name. */
export interface Alerters {
  alerters: Alerter[];
}

/** That the process answers. */
export interface Alive {
  alive: boolean;
}

/** One value of a category with its share of the non-missing rows. */
export interface Category {
  value: string;
  count: number;
  ratio: number;
}

/** The content of one sample, or a part of it. */
export interface Content {
}

/** seen = profiled + sampled_out + sum(dropped) + sum(undecodable). */
export interface Coverage {
  seen: number;
  profiled: number;
  sampled_out: number;
  dropped: Record<string, number>;
  undecodable: Record<string, number>;
}

/** Everything that is watched, by name. */
export interface Entities {
  entities: Entity[];
}

/** A monitored entity and how it is. */
export interface Entity {
  name: string;
  health: "ALERTING" | "LEARNING" | "NO_DATA" | "OK" | "PAUSED";
  summaries: number;
  observations: number;
  first_seen: number | null;
  last_seen: number | null;
  open_episodes: number;
  references: string[];
}

/** The time from an alerter's opening to its closing. */
export interface Episode {
  id: number;
  entity: string;
  summary: string;
  labels: Record<string, string>;
  alerter: string;
  comparator: string;
  threshold: number;
  severity: "info" | "warning" | "critical";
  breached_since: number;
  opened: number;
  closed: number | null;
  value: number;
  reference: string;
  reference_digest: string;
  evidence: string;
  history: Transition[];
}

/** Episodes, newest first; at most 1,000. */
export interface Episodes {
  episodes: Episode[];
}

/** A content of a type from outside. */
export interface Extension {
  kind: string;
  content: Content;
}

/** A distribution of one feature in one window, or of a reference. */
export interface Feature {
  count: number;
  missing: number;
  missing_ratio: number | null;
  non_finite: number;
  null_like: number;
  types: Record<string, number>;
  type_errors: Record<string, number>;
  zero: number;
  negative: number;
  below_reference: number;
  above_reference: number;
  unseen: number | null;
  mean: number | null;
  standard_deviation: number | null;
  minimum: number | null;
  maximum: number | null;
  quantiles: Record<string, number>;
  histogram: Histogram | null;
  distinct: number | null;
  top: Category[];
}

/** Counts between edges, in the unit of the feature: `len(edges) == len(counts) + 1`. */
export interface Histogram {
  edges: (number | null)[];
  counts: number[];
}

/** RFC 9457 problem details. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
}

/** That the store takes rows, and what the collector has counted since its start. */
export interface Ready {
  ready: boolean;
  counters: Record<string, number>;
}

/** A reference and, when a summary was asked for, its distribution. */
export interface Reference {
  entity: string;
  name: string;
  digest: string;
  rows: number;
  source: string;
  created: number;
  feature: Feature | null;
}

/** The current references, by name. */
export interface References {
  references: Reference[];
}

/** All samples of one summary and window that matched the filter, merged. */
export interface Sample {
  window_start: number;
  window_end: number;
  coverage: Coverage;
  feature: Feature | null;
  service: Service | null;
  scores: Scores | null;
  psi: number | null;
  ks: number | null;
  extension?: Extension;
}

/** A series, oldest window first, beside its reference. */
export interface Samples {
  entity: string;
  summary: string;
  samples: Sample[];
  reference: Reference | null;
}

/** Probabilities of one output in one window. */
export interface Scores {
  count: number;
  mean: number | null;
  predicted: Record<string, number>;
  histogram: Histogram;
  outside: number;
  not_a_number: number;
}

/** Requests of one window. */
export interface Service {
  requests: number;
  requests_per_second: number;
  error_ratio: number | null;
  outcomes: Record<string, number>;
  statuses: Record<string, number>;
  latency_quantiles_seconds: Record<string, number>;
  latency_mean_seconds: number | null;
  in_flight_max: number;
  stream_ends: Record<string, number>;
  first_byte_quantiles_seconds: Record<string, number>;
  chunk_gap_quantiles_seconds: Record<string, number>;
}

/** The summaries of one entity, the service first. */
export interface Summaries {
  summaries: Summary[];
}

/** A named series of an entity. */
export interface Summary {
  entity: string;
  name: string;
  data_type: "category" | "empty" | "mixed" | "number" | "service";
  role: "ground_truth" | "input" | "output" | "service";
  health: "ALERTING" | "LEARNING" | "NO_DATA" | "OK" | "PAUSED";
  observations: number;
  last_seen: number | null;
  labels: Record<string, string[]>;
}

/** An opening or a closing of an episode. */
export interface Transition {
  at: number;
  status: "ALERTING" | "LEARNING" | "NO_DATA" | "OK" | "PAUSED";
  value: number;
  evidence: string;
}
