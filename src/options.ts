import { availableParallelism } from 'node:os';
import { resolveOptions } from './check.js';
import type { ClaimBounds } from './claim-capacity.js';
import { RunnerError } from './errors.js';
import { parseModels } from './model-names.js';
import type { ModelName } from './model.js';
import type { HubOptions } from './models/hub-options.js';
import type { Queue } from './queue/queue.js';
import type { Sink } from './sink/sink.js';
import type { Task } from './tasks/task.js';
import { layOutThreads, type ThreadLayout } from './thread-layout.js';
import type { Tuning } from './tuning.js';
import { TUNABLE_CHECKS, TUNABLE_DEFAULTS, type TunableOptions } from './tunable-options.js';

/** Everything that `createRunner()` can be told. */
export interface RunnerOptions extends Partial<TunableOptions> {
  /** Where jobs come from: `redisQueue()`, `memoryQueue()`, one's own, or several. Without one only direct calls work. */
  readonly queue?: Queue | readonly Queue[];
  /** Where results go: `httpSink()`, `memorySink()` or one's own. Needed where there is a queue. */
  readonly sink?: Sink;
  /** CLIP models: a list, or `label=name[,label=name…]`; a name is a hub repository or a local folder. */
  readonly models?: string | readonly ModelName[];
  /** Names of built-in tasks (`clip`, `caption`, `face`, `ocr`, `text`), and tasks of one's own. @default ['clip'] */
  readonly tasks?: readonly (string | Task)[];
  /** How models are found on a hub, and where they are kept. */
  readonly hub?: HubOptions;
}

/** Of jobs that are over so soon that four batches a thread last for less than the way to the queue and back. */
const MOST_IN_FLIGHT = 1024;

/** Options with every default filled in. */
export interface ResolvedOptions extends Omit<TunableOptions, keyof ThreadLayout | 'maxInFlight'>, ThreadLayout {
  /** Claimed jobs held at a time. */
  readonly inFlight: ClaimBounds;
  readonly queues: readonly Queue[];
  readonly sink: Sink | undefined;
  readonly models: readonly ModelName[];
  readonly tasks: readonly (string | Task)[];
  readonly hub: HubOptions;
}

/**
 * Options with those of a tuning that were not given. Threads and cores per model belong together: where one is given both are
 * as they were.
 */
export function withTuning(given: RunnerOptions, tuning: Tuning): ResolvedOptions {
  const fixed = givenTunings(given);
  const names = Object.keys(tuning) as readonly (keyof Tuning)[];
  const taken = Object.fromEntries(names.filter((name) => !fixed.has(name)).map((name) => [name, tuning[name]]));
  return resolveRunnerOptions({ ...given, ...taken });
}

/** What a tuning must leave as it is. */
export function givenTunings(given: RunnerOptions): ReadonlySet<keyof Tuning> {
  // 0 leaves cores and decodings open.
  const isGiven = (name: keyof Tuning): boolean => (given[name] ?? 0) !== 0;
  const hasThreads = isGiven('threads') || isGiven('intraOpThreads');
  return new Set([
    ...(['maxBatch', 'decodeConcurrency'] as const).filter(isGiven),
    ...(hasThreads ? (['threads', 'intraOpThreads'] as const) : []),
  ]);
}

/** @throws RunnerError `OPTIONS_INVALID` naming the option, what was expected and what came. */
export function resolveRunnerOptions(options: RunnerOptions): ResolvedOptions {
  const { queue, sink, models = [], tasks = ['clip'], hub = {}, ...tunable } = options;
  const { maxInFlight, ...resolved } = resolveOptions('createRunner', tunable, TUNABLE_DEFAULTS, TUNABLE_CHECKS);
  const queues: readonly Queue[] = queue === undefined ? [] : isList(queue) ? queue : [queue];
  if (queues.length > 0 && sink === undefined)
    throw invalid('createRunner: a queue needs a sink for its results, e.g. sink: httpSink().');
  const cores = availableParallelism();
  const layout = layOutThreads({ ...resolved, tasks }, cores);
  const { threads, intraOpThreads } = layout;
  if (threads * intraOpThreads > cores) {
    const came = `${threads} x ${intraOpThreads}`;
    throw invalid(`createRunner: threads x intraOpThreads must not exceed the ${cores} cores, but got ${came}.`);
  }
  return {
    ...resolved,
    ...layout,
    inFlight: inFlightOf(maxInFlight, layout.maxBatch * threads * 4),
    queues,
    sink,
    models: parseModels(models),
    tasks,
    hub,
  };
}

function inFlightOf(given: number, batches: number): ClaimBounds {
  if (given > 0) return { atLeast: given, atMost: given };
  return { atLeast: batches, atMost: Math.max(batches, MOST_IN_FLIGHT) };
}

function isList(queue: Queue | readonly Queue[]): queue is readonly Queue[] {
  return Array.isArray(queue);
}

function invalid(message: string): RunnerError {
  return new RunnerError('OPTIONS_INVALID', message);
}
