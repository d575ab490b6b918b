/**
 * Requests and responses of the HTTP API. Generated from its OpenAPI document by `make web-api`.
 *
 * Times are Unix seconds, UTC. Windows are half-open. A number that does not exist is null. Errors
 * are RFC 9457 problem details. A query string may have at most 16384 bytes, and a body at most
 * 1048576 bytes.
 */

/** An alerter as the API returns it; unused limits are 0. See nilometer.alert.Alerter. */
export interface Alerter {
  entity: string;
  name: string;
  summary: string;
  kind: "FIXED" | "RANGE" | "REFERENCE";
  statistic: string;
  comparison: "" | ">" | ">=" | "<" | "<=";
  reference: string;
  comparator: "" | "psi" | "ks" | "wasserstein" | "jensen_shannon" | "hellinger" | "chi_square" | "g_test" | "cramer_von_mises" | "anderson_darling" | "energy" | "total_variation" | "l_infinity" | "l_infinity_robust" | "cosine" | "missing_change" | "null_like_change" | "non_finite_change" | "type_error_change" | "zero_change" | "outside_change" | "unseen_change" | "p01_change" | "p05_change" | "p50_change" | "p95_change" | "p99_change";
  parameters?: Record<string, string | number>;
  windows_to_open: number;
  windows_to_close: number;
  severity: "info" | "warning" | "critical";
  minimum_count: number;
  threshold: number;
  low: number;
  high: number;
}

/** Alerters, ordered by entity and name. */
export interface Alerters {
  alerters: Alerter[];
  unread?: UnreadAlerter[];
}

/** Liveness of the process. */
export interface Alive {
  alive: boolean;
}

/** What alerters would have done, those with the most messages first. */
export interface Backtest {
  start: number;
  end: number;
  alerters: Replay[];
}

/** The verdict on one summary. */
export interface CanarySummary {
  summary: string;
  verdict: "fail" | "hold" | "pass";
  reason: "alike" | "different" | "no_candidate_data" | "no_stable_data" | "no_window_yet" | "too_few" | "undecided";
  sentence: string; // the reason in words
  counts: boolean; // false if neither side has enough rows, so that the verdict does not depend on it
  component: string; // what differs, or is least certain; empty if no window was judged
  effect: number | null; // candidate minus stable
  noise: number | null; // standard deviation of the effect
  tolerance: number | null; // difference that is none
  unit: string; // of effect, noise and tolerance
  windows: number; // judged windows
  window_seconds: number;
  candidate_rows: number;
  stable_rows: number;
  noise_learned: boolean; // whether a baseline says how noisy the stable side is
}

/** The verdict on a candidate. */
export interface Canary {
  entity: string;
  verdict: "fail" | "hold" | "pass";
  value: number; // 1 for pass, 0 for hold, -1 for fail
  reason: "alike" | "different" | "no_candidate_data" | "no_stable_data" | "no_window_yet" | "too_few" | "undecided";
  sentence: string; // the reason in words
  start: number; // start of the compared time: the candidate's first window
  end: number; // end of the newest complete window
  candidate: string[]; // label sets, as key=value,key=value
  stable: string[];
  summaries: CanarySummary[]; // failures first
}

/** One category with its share of the rows that are not missing. */
export interface Category {
  value: string;
  count: number;
  ratio: number;
}

/** A distance of a window from a reference, and what a reader of it must know. */
export interface Comparator {
  name: string;
  about: string;
  unit: string; // empty for a share or another plain number
  highest: number | null; // largest possible distance; null without a bound; the smallest is 0
  bias: string; // expected distance without drift, for n and N values in k bins
  source: string;
  numbers_only: boolean;
  fewest_reference: number; // smallest count of the reference; below it there is no distance
  fewest_current: number; // smallest count of a window
}

/** All comparators, those of extensions last. */
export interface Comparators {
  comparators: Comparator[];
}

/** The content of one sample, or a part of it. */
export interface Content {
}

/** seen = profiled + sampled_out + sum(dropped) + sum(undecodable).

lost_inputs and lost_outputs count profiled requests and responses with missing columns, by reason.
unnamed counts cells of columns whose name was not admitted, by type. lost_cells counts cells, on
`service`, of summaries that a profile could not hold, by reason. unread_times counts observations
whose event time could not be read; their arrival time is used. */
export interface Coverage {
  seen: number;
  profiled: number;
  sampled_out: number;
  dropped: Record<string, number>;
  undecodable: Record<string, number>;
  lost_inputs: Record<string, number>;
  lost_outputs: Record<string, number>;
  unnamed: Record<string, number>;
  unread_times: number;
  lost_cells: Record<string, number>;
  suppressed: number; // of `service`: cells of summaries with a hidden name (docs/privacy.md)
}

/** A decision of a person about an episode. */
export interface Decision {
  kind: "acknowledged" | "new_normal" | "silenced" | "unsilenced";
  author: string;
  reason: string;
  made: number;
  until: number | null; // time at which it ends; null if it does not end by itself
  summary: string; // of the part of a new normal; empty for others
  labels: Record<string, string>;
  pending: boolean; // whether the default alerter has still to act on it
}

/** A monitored entity with everything that is said about it. */
export interface DeclaredEntity {
  name: string;
  health: "ALERTING" | "LEARNING" | "NOT_WATCHED" | "NO_DATA" | "OK" | "PAUSED";
  summaries: number;
  observations: number;
  first_seen: number | null;
  last_seen: number | null;
  open_episodes: number;
  references: string[];
  kind: "data" | "endpoint" | "model" | "pipeline";
  owner: string;
  description: string;
  reads_from: string[];
  read_by: string[];
  version: number;
  time_zone: string; // IANA name
  attributes: Record<string, string>;
  updated: number | null; // when the declaration changed; null without one
}

/** How much one side of a summary differs from the other. */
export interface Difference {
  distance: number | null; // 0 for equal sides, 1 for sides that share nothing
  why: string; // why there is no distance; empty with one
  current: Logged | null; // null without data, and for types that `samples` shows otherwise
  other: Logged | null;
  change: Logged | null; // current less other
}

/** A distance from the requested reference, in the unit of its comparator; or why there is none. */
export interface Distance {
  value: number | null;
  noise: number | null; // expected distance without drift
  low: number | null; // of the interval with 95 % confidence, if the comparator has one
  high: number | null;
  reason: string; // empty with a value; else undefined, or too_few values on one side
  why: string; // the reason in words
}

/** Monitored entities, by name. */
export interface Entities {
  entities: Entity[];
  next: string | null; // `after` of the next page; null on the last one
}

/** A monitored entity and its health. */
export interface Entity {
  name: string;
  health: "ALERTING" | "LEARNING" | "NOT_WATCHED" | "NO_DATA" | "OK" | "PAUSED"; // ALERTING while an episode is open; LEARNING with data but no alerter
  summaries: number;
  observations: number; // requests seen over all windows
  first_seen: number | null;
  last_seen: number | null; // end of the newest window
  open_episodes: number;
  references: string[];
  kind: "data" | "endpoint" | "model" | "pipeline";
  owner: string;
  description: string;
  reads_from: string[]; // entities, by name
  read_by: string[]; // entities that read from it and that the caller may read, by name
  version: number; // of the declaration; 0 without one
}

/** The time from an alerter's opening to its closing. */
export interface Episode {
  id: number;
  entity: string;
  summary: string;
  labels: Record<string, string>;
  alerter: string;
  comparator: string; // comparator or statistic
  threshold: number;
  severity: "info" | "warning" | "critical";
  breached_since: number; // start of the first breach in a row
  opened: number; // end of the window that opened it
  closed: number | null;
  value: number; // the value furthest beyond the threshold so far
  reference: string;
  reference_digest: string;
  evidence: string;
  history: Transition[];
  parts: Part[]; // of the default alerter's episodes; empty for others
  decisions: Decision[]; // of people about it, oldest first
  acknowledged_by: string | null; // author of the acknowledgement that holds now
  silenced_until: number | null; // end of the silence that holds now
  unread?: string;
}

/** Episodes, newest first; at most 1,000. */
export interface Episodes {
  episodes: Episode[];
}

/** A content of a type that another package has registered. */
export interface Extension {
  kind: string; // kind of the content type
  content: Content; // the content as its type shows it
}

/** A distribution of one feature in one window, or of a reference. */
export interface Feature {
  count: number; // number of finite numbers and categories
  missing: number;
  missing_ratio: number | null;
  non_finite: number;
  null_like: number; // strings such as "n/a"
  suppressed: number; // too few numbers, which only `types` counts (docs/privacy.md)
  types: Record<string, number>;
  type_errors: Record<string, number>; // cells of an unexpected type, by type
  zero: number;
  negative: number;
  below_reference: number; // numbers below the smallest one in the reference
  above_reference: number;
  unseen: number | null; // categories that are not in the reference; null without a reference
  mean: number | null;
  standard_deviation: number | null;
  minimum: number | null;
  maximum: number | null;
  quantiles: Record<string, number>; // "0.01" ... "0.99"; empty without numbers
  histogram: Histogram | null; // with the reference's edges, if it has edges
  distinct: number | null;
  top: Category[]; // at most 20
}

/** An episode that the alerter would have opened. */
export interface Firing {
  summary: string;
  labels: Record<string, string>;
  since: number; // start of the first breach, or estimated start of the drift
  opened: number;
  closed: number | null; // null if it is open at the end of the tested time
  worst: number; // value that is furthest beyond the threshold
  severity: string;
  evidence: string;
  incidents: string[]; // names of the marked incidents that it meets
}

/** A marked incident that an episode meets. */
export interface Found {
  name: string;
  delay: number; // seconds from its start to the opening; 0 if an episode was open before
}

/** Counts below the first edge, between the edges, and from the last edge on. */
export interface HistogramCounts {
  edges: number[];
  counts: number[]; // one more than edges
  estimated: boolean; // from the t-digest; false on the edges of the reference
}

/** Counts between edges, in the unit of the feature: `len(edges) == len(counts) + 1`. */
export interface Histogram {
  edges: (number | null)[]; // an infinite edge is null
  counts: number[];
}

/** Every row is stored. */
export interface Log {
  stored: number;
  repeated: number; // rows that were stored before
}

/** The type of a summary that users log; all its samples have it. */
export interface LoggedType {
  data_type: string; // such as number or confusion_matrix
  aggregation: string; // sum, mean, min, max or last; empty if the type decides
  unit: string;
}

/** A content that users log. Fields that its type does not have are absent. */
export interface Logged {
  type: string; // number, string, table, matrix, line or confusion_matrix
  aggregation: string; // sum, mean, min, max or last
  unit: string;
  count: number; // samples that were merged
  value?: number | null; // of a number
  text?: string;
  columns?: string[]; // names of the columns of a table
  labels?: string[]; // classes of a confusion matrix
  accuracy?: number | null; // of a confusion matrix
  rows?: ((string | number | null)[])[];
  points?: number[][]; // of a line: x and y, ascending
}

/** Moments of finite numbers or scores. */
export interface Moments {
  mean: number | null;
  standard_deviation: number | null;
  skewness: number | null;
  kurtosis: number | null; // excess: 0 for a normal distribution
  minimum: number | null;
  maximum: number | null;
}

/** The newest windows of each summary, by name. */
export interface Newest {
  series: Samples[];
  next: string | null; // `after` of the next page; null on the last one
}

/** A summary and label set that drifted in an episode of the default alerter. */
export interface Part {
  summary: string;
  labels: Record<string, string>; // empty for all traffic
  component: string; // what moved, such as position or missing
  direction: "above" | "below"; // side of normal
  onset: number; // estimated start of the drift
  opened: number; // end of the window that opened the part
  closed: number | null;
  effect: number; // distance from normal since the onset, when the part opened
  bound: number; // lower bound of the effect, with 99 % confidence
  tolerance: number; // distance from normal that is no drift
  unit: string; // of effect, bound and tolerance
  severity: string;
  evidence: string;
  ended: "new_normal" | "no_data" | "recovered" | "replaced" | null; // how it closed; null while it is open
}

/** One window of a series. Fields that the request did not ask for are absent. */
export interface Point {
  window_start: number;
  window_end: number;
  level: string; // coarsest level of its samples: shipped, 5m, 1h or 1d
  samples: number; // stored samples that were merged
  count: number; // finite numbers and categories, or requests
  quantiles?: Record<string, number | null>;
  cdf?: Record<string, number | null>; // by value
  histogram?: HistogramCounts;
  moments?: Moments | null;
  top?: Category[];
  rates?: Record<string, number | null>;
  statistics?: Record<string, number | null>;
  coverage?: Coverage;
  distances?: Record<string, number | null>; // from the reference
  other_distances?: Record<string, number | null>;
  other_count?: number; // values of the other side
}

/** RFC 9457 problem details. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  field?: string;
  stored?: number; // rows that are stored although others are not
  rows?: RowProblem[]; // refused rows
}

/** The stored alerter, with warnings of likely mistakes. */
export interface PutAlerter {
  entity: string;
  name: string;
  summary: string;
  kind: "FIXED" | "RANGE" | "REFERENCE";
  statistic: string;
  comparison: "" | ">" | ">=" | "<" | "<=";
  reference: string;
  comparator: "" | "psi" | "ks" | "wasserstein" | "jensen_shannon" | "hellinger" | "chi_square" | "g_test" | "cramer_von_mises" | "anderson_darling" | "energy" | "total_variation" | "l_infinity" | "l_infinity_robust" | "cosine" | "missing_change" | "null_like_change" | "non_finite_change" | "type_error_change" | "zero_change" | "outside_change" | "unseen_change" | "p01_change" | "p05_change" | "p50_change" | "p95_change" | "p99_change";
  parameters?: Record<string, string | number>;
  windows_to_open: number;
  windows_to_close: number;
  severity: "info" | "warning" | "critical";
  minimum_count: number;
  threshold: number;
  low: number;
  high: number;
  warnings: string[]; // names in it that do not exist yet, each with the most similar known name
}

/** The declared entity, with warnings of likely mistakes. */
export interface PutEntity {
  name: string;
  health: "ALERTING" | "LEARNING" | "NOT_WATCHED" | "NO_DATA" | "OK" | "PAUSED";
  summaries: number;
  observations: number;
  first_seen: number | null;
  last_seen: number | null;
  open_episodes: number;
  references: string[];
  kind: "data" | "endpoint" | "model" | "pipeline";
  owner: string;
  description: string;
  reads_from: string[];
  read_by: string[];
  version: number;
  time_zone: string;
  attributes: Record<string, string>;
  updated: number | null;
  warnings: string[]; // entities in `reads_from` that do not exist yet, with similar known names
}

/** Readiness to store rows, and the collector's counters since its start. */
export interface Ready {
  ready: boolean;
  counters: Record<string, number>;
}

/** A reference, with its distribution if the request names a summary. */
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

/** What one alerter would have done. */
export interface Replay {
  entity: string;
  alerter: string;
  kind: string;
  days: number; // tested days that have data
  window_seconds: number; // length of the judged windows; 0 if none was judged
  judged: number; // windows, over all summaries and label sets
  not_judged: number;
  episodes: number;
  messages: number; // notifications: one for each opening, one for each closing
  episodes_a_month: number; // in 30 days
  messages_a_month: number;
  open_seconds: number; // time in which an episode is open
  score: Score | null; // null if no incident is marked for the entity
  notes: string[];
  firings: Firing[]; // oldest first, at most 200
}

/** Why one row of a body is refused. */
export interface RowProblem {
  row: number; // position in the body, from 0
  status: number; // 403, 409 or 422
  field: string; // place in the row; empty for the whole row
  detail: string;
}

/** The merged samples of one summary and window that match the filter. */
export interface Sample {
  window_start: number;
  window_end: number;
  coverage: Coverage;
  feature: Feature | null;
  service: Service | null;
  scores: Scores | null;
  psi: number | null; // value of distances.psi
  ks: number | null; // value of distances.ks
  extension?: Extension;
  logged?: Logged; // content that users log
  distances?: Record<string, Distance>; // by comparator
}

/** A series, oldest window first, with its reference. */
export interface Samples {
  entity: string;
  summary: string;
  samples: Sample[];
  reference: Reference | null;
}

/** The episodes against the marked incidents. */
export interface Score {
  found: Found[];
  missed: string[];
  outside: string[]; // incidents outside of the time that has data
  false_alarms: number; // episodes that meet no incident
}

/** Probabilities of one output in one window. */
export interface Scores {
  count: number; // scores inside [0, 1]
  mean: number | null;
  predicted: Record<string, number>; // by predicted class
  histogram: Histogram; // with edges for all classes and the decision thresholds
  outside: number; // scores below 0 or above 1
  not_a_number: number;
}

/** Series by summary and labels, and where the next page begins. */
export interface SeriesPage {
  entity: string;
  series: Series[];
  levels: Record<string, number>; // samples that were read, by level
  next: string | null; // `after` of the next page; null on the last one
}

/** The points of one summary and group, oldest first. */
export interface Series {
  summary: string;
  labels: Record<string, string>; // of the keys in `by`
  points: Point[];
}

/** Requests of one window. */
export interface Service {
  requests: number;
  requests_per_second: number;
  error_ratio: number | null;
  outcomes: Record<string, number>;
  statuses: Record<string, number>;
  latency_quantiles_seconds: Record<string, number>; // "0.5", "0.9", "0.99"
  latency_mean_seconds: number | null;
  in_flight_max: number; // most concurrent requests in one process
  stream_ends: Record<string, number>; // streamed responses, by how they ended
  first_byte_quantiles_seconds: Record<string, number>;
  chunk_gap_quantiles_seconds: Record<string, number>;
  first_token_quantiles_seconds: Record<string, number>; // only for language models
  first_reasoning_quantiles_seconds: Record<string, number>;
  per_token_quantiles_seconds: Record<string, number>;
  websockets: WebSockets | null; // None without connections
}

/** A level: samples as agents shipped them, or roll-ups of a length. */
export interface StoredLevel {
  level: "1d" | "1h" | "5m" | "shipped";
  rows: number;
  bytes: number; // of the encoded samples, without indexes
  stale: number; // roll-ups of this level that wait for further samples to be merged into them
  held_from: number | null; // time of arrival from which everything is held; null for everything
}

/** What the store holds, finest level first; empty for callers who may not read every entity. */
export interface StoredLevels {
  levels: StoredLevel[];
}

/** The summaries of one entity, `service` first. */
export interface Summaries {
  summaries: Summary[];
}

/** A named series of an entity. */
export interface Summary {
  entity: string;
  name: string;
  data_type: "category" | "empty" | "mixed" | "number" | "service";
  role: "ground_truth" | "input" | "logged" | "output" | "service";
  health: "ALERTING" | "LEARNING" | "NOT_WATCHED" | "NO_DATA" | "OK" | "PAUSED";
  observations: number;
  last_seen: number | null;
  window: number; // length of the window that arrived last, in seconds
  labels: Record<string, string[]>; // every key with its values, sorted
  logged: LoggedType | null; // of a summary that users log
}

/** An opening or a closing of an episode. */
export interface Transition {
  at: number; // end of the window that caused it
  status: "ALERTING" | "LEARNING" | "NOT_WATCHED" | "NO_DATA" | "OK" | "PAUSED";
  value: number;
  evidence: string;
}

/** A stored alerter that this collector cannot read. No agent receives it. */
export interface UnreadAlerter {
  entity: string;
  name: string;
  summary: string;
  kind: string;
  reason: string; // why it cannot be read
}

/** The status of the default alerter of one entity. */
export interface Watch {
  entity: string;
  status: "ALERTING" | "LEARNING" | "NOT_WATCHED" | "NO_DATA" | "OK" | "PAUSED";
  reason: "coarse" | "drift" | "learning" | "no_agent" | "no_traffic" | "no_window_yet" | "nothing_to_judge" | "switched_off" | "too_few" | "unstable_baseline" | "version_gone" | "watched";
  sentence: string; // the reason in words
  phase: "ACTIVE" | "COARSE" | "LEARNING";
  next_phase: number | null; // expected start of the next phase; null if unknown or the last one
  frozen: boolean; // whether what is normal no longer changes
  frozen_since: number | null; // time from which it does not change, or is expected not to
  judged: number | null; // end of the newest window that was judged
  late_rows: number; // of the last three days: they arrived after their window was judged
  budget_days: number; // mean number of days between false alarms
  summaries: WatchedSummary[];
}

/** The status of one summary and label set. */
export interface WatchedSummary {
  summary: string;
  labels: Record<string, string>; // empty for all traffic
  status: "ALERTING" | "LEARNING" | "NOT_WATCHED" | "NO_DATA" | "OK" | "PAUSED";
  reason: "coarse" | "drift" | "learning" | "no_agent" | "no_traffic" | "no_window_yet" | "nothing_to_judge" | "switched_off" | "too_few" | "unstable_baseline" | "version_gone" | "watched";
  sentence: string; // the reason in words
  phase: "ACTIVE" | "COARSE" | "LEARNING";
  window_seconds: number; // length of the windows over which it is judged
}

/** The default alerter of each entity, by name. */
export interface Watches {
  entities: Watch[];
}

/** WebSocket connections that ended in one window. */
export interface WebSockets {
  connections: number;
  ends: Record<string, number>;
  close_codes: Record<string, number>;
  duration_quantiles_seconds: Record<string, number>;
  messages_received: number;
  messages_sent: number;
  bytes_received: number;
  bytes_sent: number;
}

/** What may be read: the query parameters and the answer of each path. */
export interface Reads {
  /** List the monitored entities with their health. */
  "/api/v1/entities": {
    query: {
      limit?: number | undefined; // Largest number of entities in the answer.
      after?: string | undefined; // The `next` of the page before.
    };
    answer: Entities;
  };
  /** Read one monitored entity with its declaration. */
  "/api/v1/entity": {
    query: {
      entity: string; // Name of the monitored entity.
    };
    answer: DeclaredEntity;
  };
  /** List the summaries of an entity. */
  "/api/v1/summaries": {
    query: {
      entity: string; // Name of the monitored entity.
    };
    answer: Summaries;
  };
  /** Read one summary over time, merged over all matching samples, with its reference. */
  "/api/v1/samples": {
    query: {
      entity: string; // Name of the monitored entity.
      summary: string; // Name of the summary, such as input.amount.
      start?: number | undefined; // Unix seconds. Only windows that end after it.
      end?: number | undefined; // Unix seconds. Only windows that start before it.
      label?: readonly string[] | undefined; // Label as key:value. Values of the same key are alternatives; all keys must match.
      step?: number | undefined; // Merge shorter windows into aligned windows of this many seconds.
      reference?: string | undefined; // Name of the reference to compare with.
      comparator?: readonly ("psi" | "ks" | "wasserstein" | "jensen_shannon" | "hellinger" | "chi_square" | "g_test" | "cramer_von_mises" | "anderson_darling" | "energy" | "total_variation" | "l_infinity" | "l_infinity_robust" | "cosine" | "missing_change" | "null_like_change" | "non_finite_change" | "type_error_change" | "zero_change" | "outside_change" | "unseen_change" | "p01_change" | "p05_change" | "p50_change" | "p95_change" | "p99_change")[] | undefined; // Name of a comparator; by default psi and ks. Needs a reference.
    };
    answer: Samples;
  };
  /** Compare the whole time of one summary with another time, segment or entity. */
  "/api/v1/difference": {
    query: {
      entity: string; // Name of the monitored entity.
      summary: string; // Name of the summary, such as input.amount.
      start?: number | undefined; // Unix seconds. Only windows that end after it.
      end?: number | undefined; // Unix seconds. Only windows that start before it.
      label?: readonly string[] | undefined; // Label as key:value. Values of the same key are alternatives; all keys must match.
      other_entity?: string | undefined; // Entity to compare with.
      other_label?: readonly string[] | undefined; // Label as key:value of the side to compare with.
      other_earlier?: number | undefined; // Seconds by which the windows to compare with are earlier.
    };
    answer: Difference;
  };
  /** Read many series of an entity: any quantile, histogram and rate of each window, and distances from a reference or another side. */
  "/api/v1/query": {
    query: {
      entity: string; // Name of the monitored entity.
      summary: readonly string[]; // Name of a summary, or a pattern such as input.*. Several are alternatives.
      start?: number | undefined; // Unix seconds. Only windows that end after it.
      end?: number | undefined; // Unix seconds. Only windows that start before it.
      label?: readonly string[] | undefined; // Label as key:value. Values of the same key are alternatives; all keys must match.
      not_label?: readonly string[] | undefined; // Label as key:value that a label set must not have.
      has_label?: readonly string[] | undefined; // Key of a label that a label set must have.
      lacks_label?: readonly string[] | undefined; // Key of a label that a label set must not have.
      step?: number | undefined; // Merge into aligned windows of this many seconds; without it, into one of the whole time.
      by?: readonly string[] | undefined; // Key of a label. Each of its values is a series; other labels are merged.
      quantile?: readonly number[] | undefined; // Share, 0 to 1, whose value is returned.
      cdf?: readonly number[] | undefined; // Value for which the share of values up to it is returned.
      edge?: readonly number[] | undefined; // Edge of a histogram. A value equal to an edge is in the bin above it.
      top?: number | undefined; // Number of the most frequent categories to return.
      statistic?: readonly ("accuracy_ratio" | "broken_streams_ratio" | "chunk_gap_p99_seconds" | "count" | "error_ratio" | "first_byte_p50_seconds" | "first_byte_p99_seconds" | "first_token_p50_seconds" | "first_token_p99_seconds" | "in_flight_max" | "latency_p50_seconds" | "latency_p90_seconds" | "latency_p99_seconds" | "max" | "mean" | "min" | "missing_ratio" | "non_finite_ratio" | "null_like_ratio" | "outside_reference_ratio" | "p01" | "p05" | "p50" | "p95" | "p99" | "per_token_p50_seconds" | "per_token_p99_seconds" | "type_error_ratio" | "unseen_ratio" | "value" | "websocket_connections" | "websocket_duration_p50_seconds" | "websocket_error_ratio")[] | undefined; // Statistic to return, as alerters name them.
      show?: readonly ("coverage" | "moments" | "rates")[] | undefined; // moments: mean, deviation, skewness, kurtosis, extremes. rates: observations per second, and shares. coverage: what happened to the observations.
      reference?: string | undefined; // Name of the reference to compare with.
      other_entity?: string | undefined; // Entity to compare with.
      other_label?: readonly string[] | undefined; // Label as key:value of the side to compare with.
      other_not_label?: readonly string[] | undefined; // Label as key:value that it must not have.
      other_earlier?: number | undefined; // Seconds by which the windows to compare with are earlier.
      comparator?: readonly ("anderson_darling" | "chi_square" | "cosine" | "cramer_von_mises" | "energy" | "g_test" | "hellinger" | "jensen_shannon" | "ks" | "l_infinity" | "l_infinity_robust" | "missing_change" | "non_finite_change" | "null_like_change" | "outside_change" | "p01_change" | "p05_change" | "p50_change" | "p95_change" | "p99_change" | "psi" | "total_variation" | "type_error_change" | "unseen_change" | "wasserstein" | "zero_change")[] | undefined; // Distance to return. Without it, psi and ks.
      level?: "1d" | "1h" | "5m" | "shipped" | undefined; // Coarsest level to read. Without it, the coarsest that the points are made of.
      limit?: number | undefined; // Largest number of points in the answer.
      after?: string | undefined; // The `next` of the page before.
    };
    answer: SeriesPage;
  };
  /** Read the newest windows of many summaries, with their reference. */
  "/api/v1/newest": {
    query: {
      entity: string; // Name of the monitored entity.
      summary: readonly string[]; // Name of a summary, or a pattern such as input.*. Several are alternatives.
      windows?: number | undefined; // Number of windows of each summary.
      label?: readonly string[] | undefined; // Label as key:value. Values of the same key are alternatives; all keys must match.
      reference?: string | undefined; // Name of the reference to compare with.
      limit?: number | undefined; // Largest number of summaries in the answer.
      after?: string | undefined; // The `next` of the page before.
    };
    answer: Newest;
  };
  /** List the current references. */
  "/api/v1/references": {
    query: {
      entity?: string | undefined; // Name of the monitored entity. If it is left out, all entities.
    };
    answer: References;
  };
  /** List the alerters. */
  "/api/v1/alerters": {
    query: {
      entity?: string | undefined; // Name of the monitored entity. If it is left out, all entities.
    };
    answer: Alerters;
  };
  /** Compare a candidate with the stable side: pass, hold or fail. */
  "/api/v1/canary": {
    query: {
      entity: string; // Name of the monitored entity.
      candidate?: readonly string[] | undefined; // Label of the candidate as key:value, such as version:2.
      candidate_entity?: string | undefined; // Entity of the candidate, if it is not that of the stable side.
      newest?: string | undefined; // Key of a label. Without a candidate, it is the value of this label that was first seen last; by default that of version.
      stable?: readonly string[] | undefined; // Label of the stable side as key:value; by default everything but the candidate.
      summary?: string | undefined; // Pattern over summaries to compare, such as input.*; by default all.
      start?: number | undefined; // Unix seconds. Nothing before it is compared.
      windows?: number | undefined; // Fewest windows before a pass; by default 4.
    };
    answer: Canary;
  };
  /** List the comparators that alerters and queries may name. */
  "/api/v1/comparators": {
    query: Record<string, never>;
    answer: Comparators;
  };
  /** List episodes with their history, newest first. */
  "/api/v1/episodes": {
    query: {
      entity?: string | undefined; // Name of the monitored entity. If it is left out, all entities.
      open?: boolean | undefined; // true: only open episodes; false: only closed episodes.
    };
    answer: Episodes;
  };
  /** List the status of the default alerter with its reasons. */
  "/api/v1/watch": {
    query: {
      entity?: string | undefined; // Name of the monitored entity. If it is left out, all entities.
    };
    answer: Watches;
  };
  /** Read how many samples and roll-ups the store holds, and their size. */
  "/api/v1/storage": {
    query: Record<string, never>;
    answer: StoredLevels;
  };
  /** Check that the process responds. */
  "/healthz": {
    query: Record<string, never>;
    answer: Alive;
  };
  /** Check that the collector can store rows, and read its counters. */
  "/readyz": {
    query: Record<string, never>;
    answer: Ready;
  };
}
