/** What a metric is: `docs/observability.md` and the dashboard are compared with these tables by tests. */
export interface MetricFacts {
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly name: string;
  readonly help: string;
  /** Each takes its values from a fixed set: names in the options, or words of the code. */
  readonly labels: readonly string[];
  readonly buckets?: readonly number[];
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const JOB_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800];
const ITEMS = [1, 2, 4, 8, 16, 32, 64];

/** Metrics of a runner. */
export const RUNNER_METRICS = {
  info: gauge('clip_runner_info', 'The version that runs; always 1.', 'version'),
  ready: gauge('clip_runner_ready', '1 while jobs and calls are taken: models are loaded and no stop has begun.'),
  models: gauge('clip_runner_model_info', 'A model that passed its self-test, and its device; always 1.', [
    'task',
    'label',
    'device',
  ]),
  jobs: counter('clip_runner_jobs_total', 'Jobs by what became of them: claimed, done, retried, buried.', [
    'queue',
    'state',
  ]),
  jobTasks: counter('clip_runner_job_tasks_total', 'Tasks of jobs by how their job ended: done, retried, buried.', [
    'queue',
    'task',
    'state',
  ]),
  jobErrors: counter('clip_runner_job_errors_total', 'Failed attempts of jobs by error code, the last ones too.', [
    'queue',
    'code',
  ]),
  deadLetters: counter('clip_runner_dead_letters_total', 'Jobs that became dead letters, by reason.', [
    'queue',
    'reason',
  ]),
  jobSeconds: histogram(
    'clip_runner_job_seconds',
    'From the claim of a job to its acknowledgement.',
    JOB_SECONDS,
    'queue',
  ),
  jobsInFlight: gauge('clip_runner_jobs_in_flight', 'Jobs in hand.', 'queue'),
  oldestJob: gauge('clip_runner_oldest_job_seconds', 'How long the oldest job has been in hand; 0: none is.', 'queue'),
  stageSeconds: histogram(
    'clip_runner_stage_seconds',
    'wait: for a batch; read, decode, prepare: of one input; run: of a batch by a unit; callback: with its waits.',
    SECONDS,
    ['stage', 'unit'],
  ),
  batchItems: histogram('clip_runner_batch_items', 'Inputs per batch; the sum is what was run.', ITEMS, 'lane'),
  batchSeconds: histogram('clip_runner_batch_seconds', 'Time of a batch in the threads.', SECONDS, 'lane'),
  batchErrors: counter('clip_runner_batch_errors_total', 'Batches that failed as a whole, by error code.', [
    'lane',
    'code',
  ]),
  laneWaiting: gauge('clip_runner_lane_waiting_items', 'Inputs that wait for a batch.', 'lane'),
  laneRunning: gauge('clip_runner_lane_running_batches', 'Batches in the threads.', 'lane'),
  callbacks: counter(
    'clip_runner_callbacks_total',
    'Callbacks: delivered, failed; held: tries that the server could not take.',
    ['unit', 'outcome'],
  ),
  callbacksWaiting: gauge('clip_runner_callbacks_waiting', 'Callbacks that wait for a try.'),
  breakerOpen: gauge('clip_runner_breaker_open', '1 while the server is down and nothing is claimed.'),
  breakerOpenings: counter('clip_runner_breaker_openings_total', 'How often the circuit breaker opened.'),
  queueDepth: gauge(
    'clip_runner_queue_depth',
    'Jobs in the queue, over all runners: waiting, in_flight, retry, suspects, dead.',
    ['queue', 'place'],
  ),
  queueUp: gauge('clip_runner_queue_up', '0 while something keeps the queue from working.', 'queue'),
  queueOutages: counter('clip_runner_queue_outages_total', 'Troubles with a queue.', 'queue'),
  queueRecovered: counter(
    'clip_runner_queue_recovered_total',
    'Jobs by unusual ways: adopted, lease_lost, reaped, promoted; see the events of queues.',
    ['queue', 'way'],
  ),
  childStarts: counter('clip_runner_child_starts_total', 'Child processes by reason: start, restart, recycle.', [
    'lane',
    'reason',
  ]),
  childDeaths: counter('clip_runner_child_deaths_total', 'Child processes that died, by signal; none: they ended.', [
    'lane',
    'signal',
  ]),
  childRecycles: counter('clip_runner_child_recycles_total', 'Child processes replaced for memory, jobs or age.', [
    'lane',
    'reason',
  ]),
  memory: gauge('clip_runner_memory_bytes', 'Resident memory of this process (main) and of its children.', 'process'),
  memoryLimit: gauge(
    'clip_runner_memory_limit_bytes',
    'Where batches shrink and a child is replaced; 0: no limit.',
    'process',
  ),
} as const satisfies Record<string, MetricFacts>;

/** Metrics of the embed service. */
export const SERVICE_METRICS = {
  requests: counter('clip_runner_http_requests_total', 'Requests by route and status; 499: the client hung up.', [
    'route',
    'status',
  ]),
  requestSeconds: histogram(
    'clip_runner_http_request_seconds',
    'Time from the head of a request to the end of its answer.',
    SECONDS,
    'route',
  ),
  inputs: gauge('clip_runner_inputs', 'Texts or pictures of requests: waiting, or running (with the models).', [
    'lane',
    'state',
  ]),
} as const satisfies Record<string, MetricFacts>;

function counter(name: string, help: string, labels: string | readonly string[] = []) {
  return { kind: 'counter', name, help, labels: [labels].flat() } as const;
}

function gauge(name: string, help: string, labels: string | readonly string[] = []) {
  return { kind: 'gauge', name, help, labels: [labels].flat() } as const;
}

function histogram(name: string, help: string, buckets: readonly number[], labels: string | readonly string[]) {
  return { kind: 'histogram', name, help, buckets, labels: [labels].flat() } as const;
}
