/**
 * Requests and responses of the HTTP API. Generated from its OpenAPI document by `make web-api`.
 *
 * Times are Unix seconds, UTC. Windows are half-open. A number that does not exist is null. Errors
 * are RFC 9457 problem details. A query string may have at most 16384 bytes, and a body at most
 * 1048576 bytes.
 */

/** The status of an alerter on one summary and label set. */
export interface AlerterStatus {
  alerter: string;
  summary: string; // the alerter's pattern if it has judged no window
  labels: Record<string, string>;
  status: "ALERTING" | "LEARNING" | "NOT_WATCHED" | "NO_DATA" | "OK" | "PAUSED";
  reason: "breach" | "breach_too_short" | "coarse" | "drift" | "failed" | "immature" | "learning" | "maintenance" | "new_normal" | "no_agent" | "no_earlier_window" | "no_such_reference" | "no_such_summary" | "no_traffic" | "no_window" | "no_window_yet" | "not_yet_closed" | "nothing_to_judge" | "outside_schedule" | "reference_expired" | "switched_off" | "too_few" | "unreadable" | "unstable_baseline" | "version_gone" | "watched" | "within_limit";
  sentence: string; // reason in words
  judged: number | null; // end of the newest window that it judged, or could not judge
  value: number | null; // newest measured value
  measured: number | null; // end of the window in which it was measured
  openings: number; // episodes that the alerter has opened in the last 30 days, over all summaries
  measure: string; // comparator or statistic
  unit: string;
}

/** Statuses, ordered by alerter, summary and labels. */
export interface AlerterStatuses {
  statuses: AlerterStatus[];
}

/** An alerter as the API returns it; unused limits are 0. See nilometer.alert.Alerter. */
export interface Alerter {
  entity: string;
  name: string;
  summary: string;
  kind: "FIXED" | "RANGE" | "REFERENCE" | "PREVIOUS" | "BASELINE" | "OTHER" | "REPORTED";
  statistic: string;
  comparison: "" | ">" | ">=" | "<" | "<=";
  reference: string;
  comparator: "" | "psi" | "ks" | "wasserstein" | "jensen_shannon" | "hellinger" | "chi_square" | "g_test" | "cramer_von_mises" | "anderson_darling" | "energy" | "total_variation" | "l_infinity" | "l_infinity_robust" | "cosine" | "hotelling" | "frechet" | "missing_change" | "null_like_change" | "non_finite_change" | "type_error_change" | "zero_change" | "outside_change" | "unseen_change" | "p01_change" | "p05_change" | "p50_change" | "p95_change" | "p99_change";
  direction: "" | "up" | "down";
  parameters?: Record<string, string | number>;
  windows_to_open: number;
  windows_to_close: number;
  for_seconds: number;
  delay_seconds: number;
  severity: "info" | "warning" | "critical";
  critical?: Limit;
  closing?: Limit;
  time_zone: string;
  schedule: Hours[];
  maintenance: Maintenance[];
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

/** What a document or a rollback changed, or would change. */
export interface Applied {
  revision: number | null; // number of the revision; null if nothing was changed
  dry_run: boolean;
  based_on: number; // newest revision before it; 0 before the first and from older collectors
  changes: Change[];
  unchanged: number; // number of objects that are stored as they are given
  warnings: Warning[];
}

/** One attempt to send a message. */
export interface Attempt {
  at: number;
  outcome: "delivered" | "failed" | "refused";
  reason: string; // reason why it was not delivered; empty if it was
}

/** Entries of the audit log, newest first. */
export interface AuditPage {
  entries: Audit[];
  next: number | null; // value of `before` for older entries; null on the last page
}

/** One request, or equal requests of one hour that were not done. */
export interface Audit {
  at: number; // time of the newest of them
  principal: string; // empty for a caller without a known token
  author: string; // person that a trusted proxy names, else the principal
  workspace: string; // workspace of the principal; empty for none
  address: string; // where the request came from
  operation: string;
  entity: string;
  name: string; // object that it names; empty for none
  outcome: "done" | "failed" | "refused" | "started";
  status: number;
  times: number;
}

/** The replay of each alerter, most messages first. */
export interface Backtest {
  start: number;
  end: number;
  alerters: Replay[];
}

/** The mean of a prediction in each bin of a feature.

The bins are those of numbers, of categories, of missing and of unusable cells, and one for rows
whose bin was too small to be disclosed. */
export interface BinSums {
  value: string; // an output, or an output=class for the share of a class
  numbers: number; // bins of numbers, one more than the reference has edges
  categories: number; // bins of categories, one for each name and one for all others
  counts: number[]; // rows with a prediction in each bin
  means: (number | null)[]; // mean prediction in each bin; null without rows
  left_out: number; // rows whose prediction is missing, not finite or too large
  unmatched: number; // rows without a prediction of their own
}

/** The verdict on one summary. */
export interface CanarySummary {
  summary: string;
  verdict: "fail" | "hold" | "pass";
  reason: "alike" | "different" | "no_candidate_data" | "no_stable_data" | "no_window_yet" | "other_privacy" | "too_few" | "undecided";
  sentence: string; // reason in words
  counts: boolean; // whether the verdict depends on it; false if neither side has enough rows
  component: string; // component that differs, or is least certain; empty without a judged window
  effect: number | null; // candidate minus stable
  noise: number | null; // standard deviation of the effect
  tolerance: number | null; // largest difference that counts as none
  unit: string; // unit of effect, noise and tolerance
  windows: number; // number of judged windows
  window_seconds: number;
  candidate_rows: number;
  stable_rows: number;
  noise_learned: boolean; // whether the noise comes from a learned baseline
}

/** The verdict on a candidate. */
export interface Canary {
  entity: string;
  verdict: "fail" | "hold" | "pass";
  value: number; // 1 for pass, 0 for hold, -1 for fail
  reason: "alike" | "different" | "no_candidate_data" | "no_stable_data" | "no_window_yet" | "other_privacy" | "too_few" | "undecided";
  sentence: string; // reason in words
  start: number; // start of the compared time, which is the candidate's first window
  end: number; // end of the newest complete window
  candidate: string[]; // label sets as text: key=value,key=value
  stable: string[];
  summaries: CanarySummary[]; // failures first
}

/** One category with its share of the rows that are not missing. */
export interface Category {
  value: string;
  count: number;
  ratio: number;
}

/** A likely cause. */
export interface Cause {
  kind: "change" | "feature" | "segment" | "shift" | "stage";
  sentence: string;
  score: number; // lower bound of the effect in standard deviations, times weights; it ranks causes
  summary: string; // summary that it is about; may be empty
  labels: Record<string, string>; // segment that it is about; empty for all traffic
  entity: string; // entity that it is about, if it is another one; else empty
  at: number | null; // time of the change; null if unknown
  shares: Share[]; // bars of its picture; may be empty
  moments: Moment[]; // points of its timeline, oldest first; may be empty
}

/** The likely causes of an episode. */
export interface Causes {
  entity: string;
  episode: number;
  onset: number; // estimated start of the drift
  causes: Cause[]; // likeliest first
  untold: Untold[];
}

/** A change of one object. */
export interface Change {
  kind: string;
  entity: string; // entity of the object, or a pattern of entities
  name: string;
  action: "changed" | "created" | "removed";
  fields: Field[]; // empty for callers who may not read the entity
}

/** Changes of declared objects, newest first. */
export interface Changes {
  revisions: Revision[];
  next: number | null; // value of `before` for older changes; null on the last page
}

/** A channel as a user writes it.

Attributes:
    name: Name of the channel, unique in the collector. The channel of a workspace has the form
        `workspace/name`.
    kind: Kind of the receiver, such as `slack`.
    settings: Settings of the kind, as texts.
    secrets: Secrets of the kind, as texts. */
export interface ChannelDefinition {
  name: string;
  kind: "slack" | "teams" | "webhook" | "pagerduty" | "opsgenie" | "apprise" | "alertmanager" | "email";
  settings: Record<string, string>;
  secrets: Record<string, string>;
}

/** The outcome of a test message. */
export interface ChannelTest {
  delivered: boolean;
  reason: string; // reason why it was not delivered; empty if it was
}

/** Channels by name. In place of each secret is its public part. */
export interface Channels {
  channels: ChannelDefinition[];
}

/** A comparator with its unit, bounds and bias. */
export interface Comparator {
  name: string;
  about: string;
  unit: string; // unit of the distance; empty for shares and plain numbers
  highest: number | null; // largest possible distance; null if it has no bound
  bias: string; // formula of the distance without drift, for n and N values in k bins
  source: string;
  numbers_only: boolean;
  fewest_reference: number; // fewest values of the reference for a distance
  fewest_current: number; // fewest values of a window for a distance
}

/** All comparators; comparators of extensions come last. */
export interface Comparators {
  comparators: Comparator[];
}

/** A column of two references. */
export interface ComparedColumn {
  summary: string;
  in_reference: boolean;
  in_other: boolean;
  distances: Record<string, Distance>; // by comparator; empty if a reference lacks the column
}

/** The content of one sample, or a part of it. */
export interface Content {
}

/** seen = profiled + sampled_out + sum(dropped) + sum(undecodable).

lost_inputs and lost_outputs count profiled requests and responses with missing columns, by reason.
unnamed counts cells of columns whose names are not features, by type. lost_cells counts
cells of summaries that a profile could not hold, by reason; only `service` has it.
unread_times counts observations whose event time could not be read, so arrival time is used. */
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
  suppressed: number; // cells of summaries with a hidden name, on `service` (docs/privacy.md)
}

/** A decision of a person about an episode. */
export interface Decision {
  kind: "acknowledged" | "new_normal" | "silenced" | "unsilenced";
  author: string;
  reason: string;
  made: number;
  until: number | null; // end of the decision; null if it has no end
  summary: string; // summary of the part of a new normal; empty for other kinds
  labels: Record<string, string>;
  pending: boolean; // whether the default alerter has not yet acted on it
  lapsed: boolean; // whether the part closed before it acted, so that nothing was learned
}

/** A monitored entity with its declaration. */
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
  time_zone: string; // IANA name of the time zone
  attributes: Record<string, string>;
  columns: Record<string, Record<string, string>>; // by source: its summary by the entity's own summary
  updated: number | null; // last change of the declaration; null without one
  store: string; // name of the collector's store, which its backups keep
}

/** A declared object. */
export interface DeclaredObject {
  kind: string;
  entity: string;
  name: string;
  definition: Record<string, unknown>; // definition without defaults, as in a document
  warnings: string[]; // names in it that point nowhere
}

/** What users have declared about a summary. */
export interface DeclaredSummary {
  data_type: string; // empty if it is left open
  unit: string;
  description: string;
}

/** Deliveries, newest first; at most 1,000. */
export interface Deliveries {
  deliveries: Delivery[];
}

/** A notification of a channel. */
export interface Delivery {
  channel: string;
  entity: string;
  episode: number;
  status: string; // status of the episode that it tells, or ACKNOWLEDGED, or ACTION
  key: string; // idempotency key of the message; notifications of one message share it
  queued: number;
  outcome: "delivered" | "refused" | "waiting" | "withheld";
  settled: number | null; // time of the outcome; null while it waits
  tries: number;
  last_failure: string;
  attempts: Attempt[]; // attempts at the message, oldest first
}

/** The difference between two sides of a summary. */
export interface Difference {
  distance: number | null; // 0 for equal sides, 1 for sides with nothing in common
  why: string; // reason why the distance is null; else empty
  current: Logged | null; // null without data, or if `samples` shows the type in another form
  other: Logged | null;
  change: Logged | null; // current minus other
}

/** A distance from the reference, in its comparator's unit, or the reason why it is undefined. */
export interface Distance {
  value: number | null;
  noise: number | null; // expected distance without drift
  low: number | null; // low end of the 95 % confidence interval, if the comparator has one
  high: number | null;
  reason: string; // undefined, or too_few values on one side; empty with a value
  why: string; // reason in words
  rebinned: boolean; // whether the window was counted on other edges, and re-binned from its t-digest
}

/** A page of monitored entities, sorted by name. */
export interface Entities {
  entities: Entity[];
  next: string | null; // value of `after` for the next page; null on the last page
}

/** A monitored entity and its health. */
export interface Entity {
  name: string;
  health: "ALERTING" | "LEARNING" | "NOT_WATCHED" | "NO_DATA" | "OK" | "PAUSED"; // ALERTING while an episode is open; LEARNING with data but no alerter
  summaries: number;
  observations: number; // requests seen over all windows
  first_seen: number | null;
  last_seen: number | null; // end of the newest window; null without data
  open_episodes: number;
  references: string[];
  kind: "data" | "endpoint" | "model" | "pipeline";
  owner: string;
  description: string;
  reads_from: string[]; // names of the entities that it reads from, sorted
  read_by: string[]; // names of its readers that the caller may read, sorted
  version: number; // version of the declaration; 0 without one
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
  breached_since: number; // start of the first of the consecutive breaches
  opened: number; // end of the window that opened it
  closed: number | null;
  value: number; // newest measured value of an open episode; of a closed one, as it opened
  measured: number; // end of the window in which `value` was measured
  evidence: string; // sentence with `value`
  worst: number | null; // value furthest beyond the threshold; null for the default alerter
  worst_at: number | null; // end of the window in which it was measured; null if unknown
  reference: string;
  reference_digest: string;
  history: Transition[];
  parts: Part[]; // parts of an episode of the default alerter; else empty
  decisions: Decision[]; // decisions of people, oldest first
  runs: Run[]; // runs of actions, oldest first
  acknowledged_by: string | null; // author of the current acknowledgement
  silenced_until: number | null; // end of the current silence
  unread?: string;
}

/** Episodes, newest first; at most 1,000. */
export interface Episodes {
  episodes: Episode[];
}

/** Result of an erasure. */
export interface Erased {
  erased: number; // number of erased rows
}

/** A series of estimates, oldest window first. */
export interface ExpectedPerformance {
  entity: string;
  summary: string;
  ground_truth: string;
  positive: string; // name of the positive class
  reference_rows: number; // rows with ground truth in the reference
  caveat: string; // what an estimate cannot show; show it beside every estimate
  windows: ExpectedWindow[];
}

/** The expected performance of one window. */
export interface ExpectedWindow {
  window_start: number;
  window_end: number;
  count: number; // scores in the window
  metrics: Record<string, Metric>; // by name, the same names as in PerformanceView
  why: string; // reason why there is no estimate; else empty
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
  sums: BinSums[]; // of predictions, for inputs; empty if they are not kept
}

/** A field that a change sets, changes or removes. */
export interface Field {
  field: string;
  before: string | null; // JSON text; null if the field was not set
  after: string | null; // JSON text; null if the field is not set any more
}

/** An episode that the alerter would have opened. */
export interface Firing {
  summary: string;
  labels: Record<string, string>;
  since: number; // start of the first breach, or estimated start of the drift
  opened: number;
  closed: number | null; // null if it is open at the end of the tested time
  worst: number; // value furthest beyond the threshold
  severity: string;
  evidence: string;
  incidents: string[]; // names of the marked incidents that it overlaps
}

/** A marked incident that an episode overlaps. */
export interface Found {
  name: string;
  delay: number; // seconds from its start to the opening; 0 if an episode was open before
}

/** Counts of the bins: below the first edge, between the edges, and from the last edge on. */
export interface HistogramCounts {
  edges: number[];
  counts: number[]; // one more count than edges
  estimated: boolean; // whether counts are estimated from the t-digest; false on a reference's edges
}

/** Counts between edges, in the unit of the feature: `len(edges) == len(counts) + 1`. */
export interface Histogram {
  edges: (number | null)[]; // an infinite edge is null
  counts: number[];
}

/** Hours of some days, in local time. */
export interface Hours {
  days: ("fri" | "mon" | "sat" | "sun" | "thu" | "tue" | "wed")[]; // days on which they start; empty for all
  start: string;
  end: string;
}

/** A second limit of an alerter: `threshold`, or for RANGE `low` and `high`. */
export interface Limit {
  threshold?: number;
  low?: number;
  high?: number;
}

/** The result if every row is stored. */
export interface Log {
  stored: number;
  repeated: number; // number of rows that were stored before
}

/** The type of a summary that users log. All its samples have this type. */
export interface LoggedType {
  data_type: string; // data type, such as number or confusion_matrix
  aggregation: string; // sum, mean, min, max or last; empty if the type implies it
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
  overflow?: number; // merged y of a line's points over the limit, if any
}

/** A time in which nothing is judged. */
export interface Maintenance {
  start: number; // Unix seconds; of the first time if it repeats
  end: number; // Unix seconds
  repeat: "" | "daily" | "weekly"; // at the same local time; empty for once
}

/** How much ground truth has arrived, oldest window first. */
export interface Maturity {
  entity: string;
  step: number; // length of the windows in seconds
  lags: Record<string, number>; // quantiles over all windows
  value_unit: string;
  windows: MaturityWindow[];
}

/** The ground truth of one window. */
export interface MaturityWindow {
  start: number;
  end: number;
  predictions: number | null; // all predictions; null if no profile of the output is stored
  labelled: number; // predictions with ground truth
  share: number | null; // share of the predictions with ground truth
  age: number; // seconds since the end of the window
  usual: number | null; // share that earlier windows had at this age; null with too few of them
  mature: boolean; // whether enough ground truth has arrived to judge the window
  why: string; // reason why the window is not mature; empty if it is
  lags: Record<string, number>;
  score_distance: number | null; // of labelled from all scores, 0 to 1; null if not known
  value_per_row: Metric | null; // by the declared values; null without them
}

/** A metric with the interval that contains its true value with a probability of 95 %. */
export interface Metric {
  value: number | null;
  low: number | null; // null if the rows give no lower end
  high: number | null; // null if the rows give no upper end
  rows: number; // rows on which the value rests, such as the positive rows of a recall
}

/** One point of a timeline. */
export interface Moment {
  at: number;
  words: string;
  marked: boolean; // whether the sentence names it
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
  next: string | null; // value of `after` for the next page; null on the last page
}

/** Declared objects by kind, entity and name. */
export interface Objects {
  objects: DeclaredObject[];
}

/** A summary and label set that drifted in an episode of the default alerter. */
export interface Part {
  summary: string;
  labels: Record<string, string>; // empty for all traffic
  component: string; // component that moved, such as position or missing
  direction: "above" | "below"; // side of normal
  onset: number; // estimated start of the drift
  opened: number; // end of the window that opened the part
  closed: number | null;
  effect: number; // distance from normal since the onset, when the part opened
  bound: number; // lower bound of the effect, with 99 % confidence
  tolerance: number; // largest distance from normal that is not drift
  unit: string; // unit of effect, bound and tolerance
  severity: string;
  evidence: string;
  ended: "new_normal" | "no_data" | "recovered" | "replaced" | null; // how it closed; null while it is open
}

/** Predictions judged by their ground truth. Fields that its type does not have are absent. */
export interface Performance {
  type: string; // classification, regression, ranking or row_metrics
  count: number; // rows, or lists of a ranking, with a ground truth
  without_truth: number; // rows without one, or lists without a relevant item
  unusable: number; // rows with a ground truth whose scores or numbers cannot be used
  metrics: Record<string, Metric>; // by name
  positive?: string | null; // positive class of a binary classifier
  classes?: string[]; // of a classifier; "" is a missing prediction
  confusion?: number[][];
  errors?: Record<string, number | null>;
}

/** Observed requests between the two entities of an edge. */
export interface PipelineCall {
  caller: string;
  evidence: "header" | "traces";
  requests: number; // requests that name the caller, or sampled traces that show it
  share: number; // share of the called entity's requests, 0 to 1; an estimate for traces
  last_seen: number; // end of the newest window with such a request
}

/** An edge: one entity reads from another. */
export interface PipelineEdge {
  source: string;
  reader: string;
  declared: boolean; // whether a user declared it; else it is learned
  call: PipelineCall | null; // null if no request was observed
  columns: number; // columns that were compared
  compared_from: number | null; // start of the compared windows; null if nothing was compared
  compared_to: number | null;
  findings: PipelineFinding[];
  why: string; // reason why nothing was compared; else empty
}

/** A difference between what one entity sent and what the other received. */
export interface PipelineFinding {
  fault: "default" | "distribution" | "missing" | "rounded" | "type" | "unit";
  sent: string; // summary of the source
  received: string; // summary of the reader
  sentence: string;
}

/** An alarmed entity without an alarm upstream. */
export interface PipelineMover {
  entity: string;
  onset: number;
  followers: string[]; // alarmed entities downstream of it, by onset
  sentence: string;
}

/** An entity of the pipeline, with the health of its service and of its data. */
export interface PipelineNode {
  name: string;
  kind: "data" | "endpoint" | "model" | "pipeline";
  health: "ALERTING" | "LEARNING" | "NOT_WATCHED" | "NO_DATA" | "OK" | "PAUSED"; // as in the list of entities
  watched: "ALERTING" | "LEARNING" | "NOT_WATCHED" | "NO_DATA" | "OK" | "PAUSED" | null; // status of the default alerter; null before its first status
  sentence: string; // reason of that status in words; may be empty
  open_episodes: number;
  onset: number | null; // start of the earliest open drift or breach; null without one
  evidence: string; // evidence of that episode; empty without one
  requests: number; // in the newest 15 minutes with data, as the figures below
  requests_per_second: number | null; // null without requests
  error_ratio: number | null;
  latency_p99_seconds: number | null;
  profiled_ratio: number | null; // share of predictions that are in the profiles; null without any
  unknown_callers: number; // requests whose parent header names an entity that does not exist
  last_seen: number | null; // end of the newest window; null without data
}

/** The pipeline as it was a few seconds ago. */
export interface Pipeline {
  nodes: PipelineNode[];
  edges: PipelineEdge[];
  first_movers: PipelineMover[]; // earliest onset first
  cycles: string[][]; // groups of entities that read from each other, from learned edges
  nodes_left_out: number; // entities over the limit; 0 if the caller may not read all
  edges_left_out: number; // edges over the limit; 0 as above
  taken: number;
}

/** One window of a series. Fields that the request did not ask for are absent. */
export interface Point {
  window_start: number;
  window_end: number;
  level: string; // coarsest level of the merged samples: shipped, 5m, 1h or 1d
  samples: number; // number of merged samples
  count: number; // number of finite numbers and categories, or of requests
  quantiles?: Record<string, number | null>;
  cdf?: Record<string, number | null>; // share of values, by number
  histogram?: HistogramCounts;
  moments?: Moments | null;
  top?: Category[];
  rates?: Record<string, number | null>;
  statistics?: Record<string, number | null>;
  coverage?: Coverage;
  distances?: Record<string, number | null>; // to the reference
  other_distances?: Record<string, number | null>;
  other_count?: number; // number of values on the other side
  sample?: string;
}

/** One row of a logged prediction. */
export interface Prediction {
  prediction_id: string;
  row: number;
  time: number;
  labels: Record<string, string>;
  outputs: Record<string, number | number | string | boolean | null>;
  inputs: Record<string, number | number | string | boolean | null>;
  subject: string;
}

/** Logged predictions in the order of their arrival. */
export interface Predictions {
  entity: string;
  rows: number; // number of stored rows of the entity
  bytes: number; // their size, without indexes
  ambiguous: number; // rows whose id was used for different predictions; nothing joins them
  predictions: Prediction[];
  next: number | null; // `after` of the next page; null at the end
}

/** RFC 9457 problem details. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  field?: string;
  stored?: number; // number of stored rows if others are refused
  rows?: RowProblem[]; // refused rows
}

/** The stored alerter, with warnings of likely mistakes. */
export interface PutAlerter {
  entity: string;
  name: string;
  summary: string;
  kind: "FIXED" | "RANGE" | "REFERENCE" | "PREVIOUS" | "BASELINE" | "OTHER" | "REPORTED";
  statistic: string;
  comparison: "" | ">" | ">=" | "<" | "<=";
  reference: string;
  comparator: "" | "psi" | "ks" | "wasserstein" | "jensen_shannon" | "hellinger" | "chi_square" | "g_test" | "cramer_von_mises" | "anderson_darling" | "energy" | "total_variation" | "l_infinity" | "l_infinity_robust" | "cosine" | "hotelling" | "frechet" | "missing_change" | "null_like_change" | "non_finite_change" | "type_error_change" | "zero_change" | "outside_change" | "unseen_change" | "p01_change" | "p05_change" | "p50_change" | "p95_change" | "p99_change";
  direction: "" | "up" | "down";
  parameters?: Record<string, string | number>;
  windows_to_open: number;
  windows_to_close: number;
  for_seconds: number;
  delay_seconds: number;
  severity: "info" | "warning" | "critical";
  critical?: Limit;
  closing?: Limit;
  time_zone: string;
  schedule: Hours[];
  maintenance: Maintenance[];
  minimum_count: number;
  threshold: number;
  low: number;
  high: number;
  warnings: string[]; // its names that do not exist yet, each with the most similar known name
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
  columns: Record<string, Record<string, string>>;
  updated: number | null;
  store: string;
  warnings: string[]; // entities in `reads_from` that do not exist yet, with similar known names
}

/** The stored route, with warnings of likely mistakes. */
export interface PutRoute {
  name: string;
  channels: string[];
  entities?: string[];
  owners?: string[];
  severity: "critical" | "info" | "warning";
  labels: Record<string, string>;
  hours: string;
  days?: ("fri" | "mon" | "sat" | "sun" | "thu" | "tue" | "wed")[];
  time_zone: string;
  outside: "hold" | "skip";
  warnings: string[]; // its channels that do not exist yet
}

/** Readiness to store rows, and the collector's counters since its start; none in a workspace. */
export interface Ready {
  ready: boolean;
  counters: Record<string, number>;
}

/** A column of a reference. */
export interface ReferenceColumn {
  summary: string;
  count: number; // finite numbers and categories
}

/** The distances of one version of a reference from another. */
export interface ReferenceComparison {
  reference: Reference;
  other: Reference;
  columns: ComparedColumn[];
}

/** A version of a reference with its columns. */
export interface ReferenceVersion {
  reference: Reference;
  columns: ReferenceColumn[];
  warnings: string[]; // columns that are too small to judge with, and how large they should be
}

/** A reference, with its distribution if the request names a summary. */
export interface Reference {
  entity: string;
  name: string;
  digest: string;
  rows: number;
  source: string;
  created: number;
  current: boolean; // whether agents get this version; each name has at most one such version
  expires: number | null; // time from which no window is compared with it; null for never
  feature: Feature | null;
}

/** References by entity and name; several versions of one name are listed oldest first. */
export interface References {
  references: Reference[];
}

/** The replay of one alerter. */
export interface Replay {
  entity: string;
  alerter: string;
  kind: string;
  days: number; // tested days that have data
  window_seconds: number; // length of the judged windows; 0 if none was judged
  judged: number; // judged windows, over all summaries and label sets
  not_judged: number;
  episodes: number;
  messages: number; // notifications: one for each opening and one for each closing
  episodes_a_month: number; // episodes in 30 days
  messages_a_month: number;
  open_seconds: number; // time in which an episode is open
  score: Score | null; // null if no incident is marked for the entity
  notes: string[];
  firings: Firing[]; // oldest first, at most 200
}

/** The interval that was reported, and the status after each report. */
export interface Reports {
  end: number;
  statuses: ("ALERTING" | "LEARNING" | "NOT_WATCHED" | "NO_DATA" | "OK" | "PAUSED")[];
}

/** Changes that were made together. */
export interface Revision {
  revision: number;
  author: string;
  origin: "api" | "apply" | "rollback" | "settings" | "upload";
  made: number;
  reason: string; // why it was made; empty without a reason, and from older collectors
  changes: Change[];
}

/** A route as the API returns it. */
export interface Route {
  name: string;
  channels: string[];
  entities?: string[];
  owners?: string[];
  severity: "critical" | "info" | "warning";
  labels: Record<string, string>;
  hours: string;
  days?: ("fri" | "mon" | "sat" | "sun" | "thu" | "tue" | "wed")[];
  time_zone: string;
  outside: "hold" | "skip";
}

/** Routes by name. */
export interface Routes {
  routes: Route[];
}

/** The reason why one row of a body is refused. */
export interface RowProblem {
  row: number; // position in the body, from 0
  status: number; // 403, 409 or 422
  field: string; // place in the row; empty for the whole row
  detail: string;
}

/** A change of the state of a run. */
export interface RunTurn {
  state: "accepted" | "approved" | "awaiting_approval" | "cannot_tell" | "declined" | "did_not" | "dry_run" | "expired" | "failed" | "sending" | "sent" | "superseded" | "unread" | "waiting" | "worked";
  at: number;
  author: string; // person or program that caused it; empty for the collector
  reason: string;
}

/** A run of an action for an episode. */
export interface Run {
  run: number;
  key: string; // idempotency key, the same for each attempt
  entity: string;
  episode: number;
  action: string;
  cure: "ask_human" | "fall_back" | "retrain" | "rollback";
  target: string;
  state: "accepted" | "approved" | "awaiting_approval" | "cannot_tell" | "declined" | "did_not" | "dry_run" | "expired" | "failed" | "sending" | "sent" | "superseded" | "unread" | "waiting" | "worked";
  by_hand: boolean; // whether a person started it
  approvers: string[];
  expires: number | null; // end of the request for approval; null if it awaits none
  waits_for: string; // what it waits for, or why this version leaves it alone; else empty
  attempts: number;
  last_failure: string;
  turns: RunTurn[];
}

/** Runs of actions, newest first; at most 1,000. */
export interface Runs {
  runs: Run[];
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
  performance?: Performance;
  distances?: Record<string, Distance>; // distance by comparator
}

/** A series, oldest window first, with its reference. */
export interface Samples {
  entity: string;
  summary: string;
  samples: Sample[];
  reference: Reference | null;
}

/** The episodes compared with the marked incidents. */
export interface Score {
  found: Found[];
  missed: string[];
  outside: string[]; // incidents at times without data
  false_alarms: number; // episodes that overlap no incident
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

/** A page of series, sorted by summary and labels, with the cursor of the next page. */
export interface SeriesPage {
  entity: string;
  series: Series[];
  levels: Record<string, number>; // number of samples read from each level
  next: string | null; // value of `after` for the next page; null on the last page
}

/** The points of one summary and group, oldest first. */
export interface Series {
  summary: string;
  labels: Record<string, string>; // value of each label key in `by`
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

/** One bar of a picture: a share before the episode and since its onset.

Of the kind `shift`, it is a part of the change of the mean prediction, in the prediction's unit. */
export interface Share {
  name: string; // interval, category, segment or part
  before: number;
  now: number;
  marked: boolean; // whether the sentence names it
}

/** A level: samples as agents shipped them, or roll-ups of a length. */
export interface StoredLevel {
  level: "1d" | "1h" | "5m" | "shipped";
  rows: number;
  bytes: number; // size of the encoded samples, without indexes
  stale: number; // roll-ups of this level with new samples that are not merged yet
  held_from: number | null; // time of the oldest arrival that is held; null if nothing was removed
}

/** The levels of the store, finest first; empty if the caller may not read all entities. */
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
  logged: LoggedType | null; // type of a summary that users log; null for others
  declared: DeclaredSummary | null; // null if nobody has declared the summary
}

/** A target as a user writes it.

Attributes:
    name: Name of the target, unique in the collector. The target of a workspace has the form
        `workspace/name`; it is for entities of this workspace only.
    kind: Kind of the receiver, such as `github`.
    settings: Settings of the kind, as texts.
    secrets: Secrets of the kind, as texts.
    entities: Patterns of the entities whose actions may use it. */
export interface TargetDefinition {
  name: string;
  kind: "webhook" | "github" | "gitlab" | "jenkins" | "argo_workflows" | "argo_events" | "kserve" | "python";
  settings: Record<string, string>;
  secrets: Record<string, string>;
  entities?: string[];
}

/** Targets by name. In place of each secret is its public part. */
export interface Targets {
  targets: TargetDefinition[];
}

/** An opening or a closing of an episode. */
export interface Transition {
  at: number; // end of the window that caused it
  status: "ALERTING" | "LEARNING" | "NOT_WATCHED" | "NO_DATA" | "OK" | "PAUSED";
  value: number;
  evidence: string;
}

/** What became of a chunk. */
export interface TruthAnswer {
  rows: number;
  repeated: boolean; // whether the chunk had been joined before, so that nothing changed now
  counts: Record<string, number>; // number of rows by outcome
}

/** How far a source has been joined. */
export interface TruthSource {
  chunks: number; // number of its newest chunk; 0 without one
  position: number; // place in the source after that chunk
  counts: Record<string, number>; // number of its rows by outcome, when they arrived
}

/** What became of all ground truth of an entity. */
export interface TruthStatus {
  task: "binary" | "classes" | "multiclass" | "ranking" | "regression";
  step: number; // length of the windows of performance, in seconds
  counts: Record<string, number>; // number of rows by outcome, without those that wait
  waiting: number; // number of rows that wait for their predictions
  oldest_waiting: number | null; // arrival of the oldest waiting row, Unix seconds
  source: TruthSource | null; // progress of the source in the question
}

/** A stored alerter that this collector cannot read and does not send to agents. */
export interface UnreadAlerter {
  entity: string;
  name: string;
  summary: string;
  kind: string;
  reason: string; // reason why it cannot be read
}

/** A kind of cause that the stored figures do not tell. */
export interface Untold {
  kind: "change" | "feature" | "segment" | "shift" | "stage";
  sentence: string; // reason
}

/** A name in an object that points nowhere. */
export interface Warning {
  kind: string;
  entity: string;
  name: string;
  sentence: string;
}

/** The status of the default alerter of one entity. */
export interface Watch {
  entity: string;
  status: "ALERTING" | "LEARNING" | "NOT_WATCHED" | "NO_DATA" | "OK" | "PAUSED";
  reason: "breach" | "breach_too_short" | "coarse" | "drift" | "failed" | "immature" | "learning" | "maintenance" | "new_normal" | "no_agent" | "no_earlier_window" | "no_such_reference" | "no_such_summary" | "no_traffic" | "no_window" | "no_window_yet" | "not_yet_closed" | "nothing_to_judge" | "outside_schedule" | "reference_expired" | "switched_off" | "too_few" | "unreadable" | "unstable_baseline" | "version_gone" | "watched" | "within_limit";
  sentence: string; // reason in words
  phase: "ACTIVE" | "COARSE" | "LEARNING";
  next_phase: number | null; // expected start of the next phase; null if unknown or the last one
  frozen: boolean; // whether the baselines no longer change
  frozen_since: number | null; // time at which they were frozen, or are expected to be
  judged: number | null; // end of the newest window that was judged
  late_rows: number; // rows of the last three days that arrived after their window was judged
  budget_days: number; // mean number of days between false alarms
  summaries: WatchedSummary[];
}

/** The status of one summary and label set. */
export interface WatchedSummary {
  summary: string;
  labels: Record<string, string>; // empty for all traffic
  status: "ALERTING" | "LEARNING" | "NOT_WATCHED" | "NO_DATA" | "OK" | "PAUSED";
  reason: "breach" | "breach_too_short" | "coarse" | "drift" | "failed" | "immature" | "learning" | "maintenance" | "new_normal" | "no_agent" | "no_earlier_window" | "no_such_reference" | "no_such_summary" | "no_traffic" | "no_window" | "no_window_yet" | "not_yet_closed" | "nothing_to_judge" | "outside_schedule" | "reference_expired" | "switched_off" | "too_few" | "unreadable" | "unstable_baseline" | "version_gone" | "watched" | "within_limit";
  sentence: string; // reason in words
  phase: "ACTIVE" | "COARSE" | "LEARNING";
  window_seconds: number; // length of the windows over which it is judged
}

/** The default alerters of all entities, sorted by name. */
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

/** The reference of stored windows. */
export interface WindowsReference {
  dry_run: boolean;
  reference: Reference;
  columns: ReferenceColumn[];
  warnings: string[]; // columns that are too small to judge with, and summaries left out
}

/** What may be read: the query parameters and the answer of each path. */
export interface Reads {
  /** List the monitored entities with their health. */
  "/api/v1/entities": {
    query: {
      limit?: number | undefined; // Largest number of entities in the answer.
      after?: string | undefined; // Value of `next` from the page before.
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
      start?: number | undefined; // Unix seconds. Windows must end after this time.
      end?: number | undefined; // Unix seconds. Windows must start before this time.
      label?: readonly string[] | undefined; // Label as key:value. Values of the same key are alternatives; all keys must match.
      step?: number | undefined; // Merge shorter windows into aligned windows of this many seconds.
      reference?: string | undefined; // Name of the reference to compare with.
      comparator?: readonly ("psi" | "ks" | "wasserstein" | "jensen_shannon" | "hellinger" | "chi_square" | "g_test" | "cramer_von_mises" | "anderson_darling" | "energy" | "total_variation" | "l_infinity" | "l_infinity_robust" | "cosine" | "hotelling" | "frechet" | "missing_change" | "null_like_change" | "non_finite_change" | "type_error_change" | "zero_change" | "outside_change" | "unseen_change" | "p01_change" | "p05_change" | "p50_change" | "p95_change" | "p99_change")[] | undefined; // Name of a comparator; by default psi and ks. Needs a reference.
    };
    answer: Samples;
  };
  /** List logged predictions of an entity, in the order of their arrival. */
  "/api/v1/predictions": {
    query: {
      entity: string; // Name of the monitored entity.
      start?: number | undefined; // Unix time in seconds at which the events start; by default the oldest.
      end?: number | undefined; // Unix time in seconds before which the events end; by default the newest.
      after?: number | undefined; // Field `next` of the page before; without it, the first page.
      limit?: number | undefined; // Largest number of predictions in the page.
    };
    answer: Predictions;
  };
  /** Compare the whole time of one summary with another time, segment or entity. */
  "/api/v1/difference": {
    query: {
      entity: string; // Name of the monitored entity.
      summary: string; // Name of the summary, such as input.amount.
      start?: number | undefined; // Unix seconds. Windows must end after this time.
      end?: number | undefined; // Unix seconds. Windows must start before this time.
      label?: readonly string[] | undefined; // Label as key:value. Values of the same key are alternatives; all keys must match.
      other_entity?: string | undefined; // Entity to compare with.
      other_label?: readonly string[] | undefined; // Label as key:value of the side to compare with.
      other_earlier?: number | undefined; // Time shift of the other side into the past, in seconds.
    };
    answer: Difference;
  };
  /** Estimate the performance of a binary classifier without ground truth. */
  "/api/v1/expected-performance": {
    query: {
      entity: string; // Name of the monitored entity.
      summary: string; // Name of the summary with the scores of the positive class, such as output.p.scores.
      ground_truth: string; // Name of a summary of type classification, such as logged.quality.
      start?: number | undefined; // Unix seconds. Windows must end after this time.
      end?: number | undefined; // Unix seconds. Windows must start before this time.
      label?: readonly string[] | undefined; // Label as key:value. Values of the same key are alternatives; all keys must match.
      step?: number | undefined; // Merge shorter windows into aligned windows of this many seconds.
      reference_start?: number | undefined; // Unix seconds. The reference begins after this time.
      reference_end?: number | undefined; // Unix seconds. The reference ends before this time.
    };
    answer: ExpectedPerformance;
  };
  /** Read what became of the ground truth of an entity. */
  "/api/v1/ground-truth": {
    query: {
      entity: string; // Name of the monitored entity.
      source?: string | undefined; // Name of a source whose progress is shown.
    };
    answer: TruthStatus;
  };
  /** Read how much ground truth has arrived, by window of performance. */
  "/api/v1/maturity": {
    query: {
      entity: string; // Name of the monitored entity.
      start?: number | undefined; // Unix seconds. Windows must end after this time.
      end?: number | undefined; // Unix seconds. Windows must start before this time.
      label?: readonly string[] | undefined; // Label as key:value. Values of the same key are alternatives; all keys must match.
    };
    answer: Maturity;
  };
  /** Read many series of an entity: any quantile, histogram and rate of each window, and distances from a reference or another side. */
  "/api/v1/query": {
    query: {
      entity: string; // Name of the monitored entity.
      summary: readonly string[]; // Name of a summary, or a pattern such as input.*. May be repeated to add summaries.
      start?: number | undefined; // Unix seconds. Windows must end after this time.
      end?: number | undefined; // Unix seconds. Windows must start before this time.
      label?: readonly string[] | undefined; // Label as key:value. Values of the same key are alternatives; all keys must match.
      not_label?: readonly string[] | undefined; // Label as key:value that a label set must not have.
      has_label?: readonly string[] | undefined; // Key of a label that a label set must have.
      lacks_label?: readonly string[] | undefined; // Key of a label that a label set must not have.
      step?: number | undefined; // Length in seconds of the windows to merge into; by default one window.
      by?: readonly string[] | undefined; // Label key to group by. Each value is a series; other labels are merged.
      quantile?: readonly number[] | undefined; // Quantile to return, 0 to 1.
      cdf?: readonly number[] | undefined; // Number at which to return the share of values up to it.
      edge?: readonly number[] | undefined; // Edge of a histogram. A value equal to an edge is in the bin above it.
      top?: number | undefined; // Number of the most frequent categories to return.
      statistic?: readonly ("accuracy_ratio" | "average_precision" | "brier" | "broken_streams_ratio" | "calibration_error" | "chunk_gap_p99_seconds" | "count" | "error_ratio" | "f1" | "first_byte_p50_seconds" | "first_byte_p99_seconds" | "first_token_p50_seconds" | "first_token_p99_seconds" | "hit_ratio_at_1" | "hit_ratio_at_10" | "hit_ratio_at_3" | "hit_ratio_at_5" | "in_flight_max" | "latency_p50_seconds" | "latency_p90_seconds" | "latency_p99_seconds" | "log_loss_nats" | "mae" | "mape_ratio" | "max" | "mean" | "min" | "missing_ratio" | "mrr" | "ndcg_at_1" | "ndcg_at_10" | "ndcg_at_3" | "ndcg_at_5" | "non_finite_ratio" | "null_like_ratio" | "outside_reference_ratio" | "p01" | "p05" | "p50" | "p95" | "p99" | "per_token_p50_seconds" | "per_token_p99_seconds" | "precision_ratio" | "r_squared" | "recall_ratio" | "rmse" | "roc_auc" | "type_error_ratio" | "unseen_ratio" | "value" | "websocket_connections" | "websocket_duration_p50_seconds" | "websocket_error_ratio")[] | undefined; // Statistic to return, as alerters name them.
      show?: readonly ("coverage" | "moments" | "rates" | "sample")[] | undefined; // moments: mean, deviation, skewness, kurtosis, extremes. rates: observations per second, and shares. coverage: what happened to the observations. sample: the merged sample with its sketches, as protobuf; a page then has at most 500 points.
      reference?: string | undefined; // Name of the reference to compare with.
      other_entity?: string | undefined; // Entity to compare with.
      other_label?: readonly string[] | undefined; // Label as key:value of the side to compare with.
      other_not_label?: readonly string[] | undefined; // Label as key:value that the other side must lack.
      other_earlier?: number | undefined; // Time shift of the other side into the past, in seconds.
      comparator?: readonly ("anderson_darling" | "chi_square" | "cosine" | "cramer_von_mises" | "energy" | "frechet" | "g_test" | "hellinger" | "hotelling" | "jensen_shannon" | "ks" | "l_infinity" | "l_infinity_robust" | "missing_change" | "non_finite_change" | "null_like_change" | "outside_change" | "p01_change" | "p05_change" | "p50_change" | "p95_change" | "p99_change" | "psi" | "total_variation" | "type_error_change" | "unseen_change" | "wasserstein" | "zero_change")[] | undefined; // Distance to return; by default psi and ks.
      level?: "1d" | "1h" | "5m" | "shipped" | undefined; // Coarsest level to read; by default the coarsest that fits the step.
      limit?: number | undefined; // Largest number of points in the answer.
      after?: string | undefined; // Value of `next` from the page before.
    };
    answer: SeriesPage;
  };
  /** Read the newest windows of many summaries, with their reference. */
  "/api/v1/newest": {
    query: {
      entity: string; // Name of the monitored entity.
      summary: readonly string[]; // Name of a summary, or a pattern such as input.*. May be repeated to add summaries.
      windows?: number | undefined; // Number of windows of each summary.
      label?: readonly string[] | undefined; // Label as key:value. Values of the same key are alternatives; all keys must match.
      reference?: string | undefined; // Name of the reference to compare with.
      limit?: number | undefined; // Largest number of summaries in the answer.
      after?: string | undefined; // Value of `next` from the page before.
    };
    answer: Newest;
  };
  /** List the current references, or all their versions. */
  "/api/v1/references": {
    query: {
      entity?: string | undefined; // Name of the monitored entity; by default all entities.
      versions?: boolean | undefined; // Whether to list all versions; by default only the current ones.
    };
    answer: References;
  };
  /** Read one version of a reference: its columns, and warnings of those that are too small. */
  "/api/v1/references/version": {
    query: {
      entity: string; // Name of the monitored entity.
      reference: string; // Name of a current reference, or digest of a version.
      name?: string | undefined; // Name of the reference, because two may have versions with the same digest.
    };
    answer: ReferenceVersion;
  };
  /** Compare all columns of two versions of references of an entity. */
  "/api/v1/references/comparison": {
    query: {
      entity: string; // Name of the monitored entity.
      reference: string; // Name of a current reference, or digest of a version.
      other: string; // Name or digest of the version to compare with it.
      comparator?: readonly ("psi" | "ks" | "wasserstein" | "jensen_shannon" | "hellinger" | "chi_square" | "g_test" | "cramer_von_mises" | "anderson_darling" | "energy" | "total_variation" | "l_infinity" | "l_infinity_robust" | "cosine" | "hotelling" | "frechet" | "missing_change" | "null_like_change" | "non_finite_change" | "type_error_change" | "zero_change" | "outside_change" | "unseen_change" | "p01_change" | "p05_change" | "p50_change" | "p95_change" | "p99_change")[] | undefined; // Name of a comparator; by default psi and ks.
    };
    answer: ReferenceComparison;
  };
  /** List the alerters. */
  "/api/v1/alerters": {
    query: {
      entity?: string | undefined; // Name of the monitored entity; by default all entities.
    };
    answer: Alerters;
  };
  /** List the status of the alerters of an entity, each with its reason. */
  "/api/v1/alerters/statuses": {
    query: {
      entity: string; // Name of the monitored entity.
    };
    answer: AlerterStatuses;
  };
  /** List the declared objects, with names in them that point nowhere. */
  "/api/v1/objects": {
    query: {
      kind?: "action" | "alerter" | "channel" | "entity" | "performance" | "reference" | "route" | "set" | "silence" | "summary" | "target" | "watch" | undefined; // Kind of the objects; without it, all kinds that a document may have.
      entity?: string | undefined; // Entity of the objects, or their pattern of entities.
      name?: string | undefined; // Name of the object.
    };
    answer: Objects;
  };
  /** List who changed which declared objects, and when. */
  "/api/v1/changes": {
    query: {
      kind?: "action" | "alerter" | "channel" | "decision" | "entity" | "performance" | "reference" | "route" | "set" | "silence" | "summary" | "target" | "watch" | undefined; // Kind of what changed.
      entity?: string | undefined; // Entity of the objects, or their pattern of entities.
      name?: string | undefined; // Name of the object.
      before?: number | undefined; // Value of `next` from the page before.
      limit?: number | undefined; // Largest number of changes in the answer.
    };
    answer: Changes;
  };
  /** List who changed what, and who tried to without the right. */
  "/api/v1/audit": {
    query: {
      entity?: string | undefined; // Name of the monitored entity; by default all entities.
      refused?: boolean | undefined; // Whether to list only refused requests, or only others.
      before?: number | undefined; // Value of `next` from the page before.
      limit?: number | undefined; // Largest number of entries in the answer.
    };
    answer: AuditPage;
  };
  /** Compare a candidate with the stable side: pass, hold or fail. */
  "/api/v1/canary": {
    query: {
      entity: string; // Name of the monitored entity.
      candidate?: readonly string[] | undefined; // Label of the candidate as key:value, such as version:2.
      candidate_entity?: string | undefined; // Entity of the candidate; by default the entity of the stable side.
      newest?: string | undefined; // Label key whose newest value is the candidate, if the request names no candidate; by default version.
      stable?: readonly string[] | undefined; // Label of the stable side as key:value; by default everything except the candidate.
      summary?: string | undefined; // Pattern of the summaries to compare, such as input.*; by default all.
      start?: number | undefined; // Start of the time to compare, Unix seconds.
      windows?: number | undefined; // Fewest windows that a pass needs; by default 4.
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
      entity?: string | undefined; // Name of the monitored entity; by default all entities.
      open?: boolean | undefined; // true: only open episodes; false: only closed episodes.
      label?: readonly string[] | undefined; // Label as key:value. Values of the same key are alternatives; all keys must match.
    };
    answer: Episodes;
  };
  /** Return the likely causes of an episode, likeliest first, and what cannot be told. */
  "/api/v1/episodes/causes": {
    query: {
      entity: string; // Name of the monitored entity.
      episode: number; // Id of the episode.
    };
    answer: Causes;
  };
  /** List the channels, without their secrets. */
  "/api/v1/channels": {
    query: Record<string, never>;
    answer: Channels;
  };
  /** List the routes from episodes to channels. */
  "/api/v1/routes": {
    query: Record<string, never>;
    answer: Routes;
  };
  /** List the newest notifications of the channels, with every attempt. */
  "/api/v1/deliveries": {
    query: {
      channel?: string | undefined; // Only deliveries to this channel.
      entity?: string | undefined; // Name of the monitored entity; by default all entities.
    };
    answer: Deliveries;
  };
  /** List the targets of actions, without their secrets. */
  "/api/v1/targets": {
    query: Record<string, never>;
    answer: Targets;
  };
  /** List the runs of actions, with every change of their states. */
  "/api/v1/actions/runs": {
    query: {
      entity?: string | undefined; // Name of the monitored entity; by default all entities.
      episode?: number | undefined; // Only runs for this episode.
      run?: number | undefined; // Only the run with this id.
      open?: boolean | undefined; // Whether to list only runs that are not over, or only those that are.
    };
    answer: Runs;
  };
  /** List the status of the default alerter with its reasons. */
  "/api/v1/watch": {
    query: {
      entity?: string | undefined; // Name of the monitored entity; by default all entities.
    };
    answer: Watches;
  };
  /** Read the graph of all entities with their health, their edges, and who moved first. */
  "/api/v1/pipeline": {
    query: Record<string, never>;
    answer: Pipeline;
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
