import { RunnerError, coerceError, type ErrorCode } from '../errors.js';
import type { Device } from '../model.js';
import { runInChunks } from './bisect.js';
import { ByteBudget } from './byte-budget.js';
import { Limiter } from './limiter.js';
import { RunPace } from './pace.js';
import { SaidTogether } from './said-together.js';
import {
  SHARED,
  type SharedState,
  type StageName,
  type ThreadItem,
  type ThreadMessage,
  type ThreadRequest,
  type ThreadSaid,
  type ThreadUnit,
} from './protocol.js';

/** A unit of work as the thread sees it; the tasks' own units have this shape. */
export interface OpenUnit extends ThreadUnit {
  /** How much of `maxBatch` an input takes; 1 where it is left out. */
  weigh?(prepared: unknown): number;
  prepare(input: unknown): unknown;
  run(
    inputs: readonly unknown[],
    control: { throwIfStopped(): void },
  ): Promise<readonly unknown[]> | readonly unknown[];
  /** Its runs can be stopped between their steps, so they need not be short. @default false */
  readonly heedsControl?: boolean;
  /** Nothing of an input is in use once it is prepared. @default false */
  readonly releasesInput?: boolean;
  /** A run takes as long whatever it has, up to this. */
  readonly fixedBatch?: number;
}

/** What the thread's conductor brings: how models are opened and how an item's input is read. */
export interface ThreadWork<Unit extends OpenUnit> {
  open(onTask: (task: string) => void): Promise<readonly Unit[]>;
  /** Reads and decodes one input for all of its units at once. */
  read(item: ThreadItem, units: readonly Unit[], ports: ReadPorts): Promise<unknown>;
  /** Frees an input that nobody uses any more. */
  release?(input: unknown): void;
  readonly readConcurrency: number;
  /** What decoded inputs may take at a time. */
  readonly decodedBytes: number;
  /**
   * The units' `run` only waits for another thread, which does one after the other: a batch is handed on while the one before
   * it runs, so that the device has it at once. @default false
   */
  readonly runsAhead?: boolean;
}

export interface ReadPorts {
  readonly measure: Measure;
  /** Resolves when there is room for so many bytes of pixels, which are held until the input is prepared. At most once. */
  readonly admit: (bytes: number) => Promise<void>;
}

/** What one request's thread says, in order. */
type Voice = SaidTogether<ThreadMessage>;

type Measure = <T>(stage: StageName, work: () => Promise<T>) => Promise<T>;

interface Prepared {
  readonly item: number;
  readonly value: unknown;
}

/**
 * One worker thread: loads once, then reads, prepares and runs batches. Two requests overlap: while one blocks the
 * thread in the model, the decoders of the other work on in libuv's threads. Runs go one batch after the other, here or in
 * the thread that they are handed to, so that the first batch's results leave first.
 */
export class ThreadServer<Unit extends OpenUnit> {
  readonly #work: ThreadWork<Unit>;
  readonly #shared: SharedState;
  readonly #threads: number;
  #units: Promise<readonly Unit[]> | undefined;
  readonly #paces = new Map<Unit, RunPace>();
  /** For both batches together: a decoded photo may take a hundred megabytes. */
  readonly #reading: Limiter;
  readonly #decoded: ByteBudget;
  readonly #control = {
    throwIfStopped: (): void => {
      if (this.#isCancelled()) throw stopped();
    },
  };
  #lastRun: Promise<void> = Promise.resolve();
  #lastRunEndedAt = 0;

  constructor(work: ThreadWork<Unit>, shared: SharedState, threads: number) {
    this.#work = work;
    this.#reading = new Limiter(work.readConcurrency);
    this.#decoded = new ByteBudget(work.decodedBytes);
    this.#shared = shared;
    this.#threads = threads;
  }

  /** Serves one request. Never throws: what can't be said in an outcome is said in `end`. */
  async handle(request: ThreadRequest, post: (said: ThreadSaid) => void): Promise<void> {
    const { exchange } = request;
    const voice: Voice = new SaidTogether((messages) => post({ exchange, messages }), failedInstead);
    try {
      if (request.type === 'load') await this.#load(voice);
      else await this.#runBatch(request.items, voice);
      voice.say({ type: 'end' });
    } catch (thrown) {
      voice.say({ type: 'end', error: coerceError(thrown).toEnvelope() });
    }
    voice.flush();
  }

  /** The units, opened by the first who asks; a thread that replaces a dead one loads with its first batch. */
  #open(voice: Voice): Promise<readonly Unit[]> {
    this.#units ??= this.#work
      .open((task) => voice.say({ type: 'loading', task }))
      .then((units) => {
        Atomics.add(this.#shared, SHARED.loadedThreads, 1);
        return units;
      })
      .catch((thrown: unknown) => {
        // The next request tries anew.
        this.#units = undefined;
        throw thrown;
      });
    return this.#units;
  }

  async #load(voice: Voice): Promise<void> {
    const startedAt = performance.now();
    const units = await this.#open(voice);
    voice.say({
      type: 'loaded',
      units: units.map(({ task, label, device, refusals, maxBatch, modelName, dimension }) => ({
        task,
        label,
        device,
        ...(refusals === undefined ? {} : { refusals }),
        maxBatch,
        ...(modelName === undefined ? {} : { modelName }),
        ...(dimension === undefined ? {} : { dimension }),
      })),
      loadMs: performance.now() - startedAt,
      rssBytes: process.memoryUsage.rss(),
    });
    while (Atomics.load(this.#shared, SHARED.loadedThreads) < this.#threads && !this.#isCancelled()) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async #runBatch(items: readonly ThreadItem[], voice: Voice): Promise<void> {
    const units = await this.#open(voice).catch((thrown: unknown) => {
      // No job is to blame for a model that a replacement thread can't load: this must not be their permanent failure.
      const message = `A new thread could not load its models: ${coerceError(thrown).message}`;
      throw new RunnerError('THREAD_DIED', message, { cause: thrown });
    });
    const wanted = items.map((item) => units.filter((unit) => isWanted(unit, item.tasks)));
    const prepared = await this.#prepareAll(items, wanted, voice);
    const previous = this.#work.runsAhead === true ? Promise.resolve() : this.#lastRun;
    const run = previous.then(() => this.#runUnits(units, prepared, voice));
    this.#lastRun = run.catch(() => undefined);
    await run;
  }

  async #prepareAll(
    items: readonly ThreadItem[],
    wanted: readonly (readonly Unit[])[],
    voice: Voice,
  ): Promise<Map<Unit, Prepared[]>> {
    const prepared = new Map<Unit, Prepared[]>();
    const prepareOne = async (item: ThreadItem, index: number, admit: ReadPorts['admit']): Promise<void> => {
      const units = wanted[index] ?? [];
      const measure = measurer(voice, index);
      let input: unknown;
      try {
        if (this.#isCancelled()) throw stopped();
        input = await this.#work.read(item, units, { measure, admit });
      } catch (thrown) {
        for (const unit of units) voice.say(failure(index, unit, thrown, 'INTERNAL'));
        return;
      }
      for (const unit of units) {
        try {
          const value = await measure('prepare', async () => await unit.prepare(input));
          const entries = prepared.get(unit) ?? [];
          prepared.set(unit, entries);
          entries.push({ item: index, value });
        } catch (thrown) {
          voice.say(failure(index, unit, thrown, 'TASK_FAILED'));
        }
      }
      if (units.every(({ releasesInput }) => releasesInput === true)) this.#work.release?.(input);
    };
    const prepareWithRoom = async (item: ThreadItem, index: number): Promise<void> => {
      let giveBack: () => void = () => undefined;
      try {
        await prepareOne(item, index, async (bytes) => void (giveBack = await this.#decoded.take(bytes)));
      } finally {
        giveBack();
      }
    };
    await Promise.all(items.map((item, index) => this.#reading.run(() => prepareWithRoom(item, index))));
    for (const entries of prepared.values()) entries.sort((a, b) => a.item - b.item);
    return prepared;
  }

  async #runUnits(units: readonly Unit[], prepared: Map<Unit, Prepared[]>, voice: Voice): Promise<void> {
    for (const unit of units) {
      const entries = prepared.get(unit) ?? [];
      const pace = this.#paceOf(unit);
      const weigh = ({ value }: Prepared): number => unit.weigh?.(value) ?? 1;
      const runChunk = async (chunk: readonly Prepared[]): Promise<readonly unknown[]> => {
        if (this.#isCancelled()) return chunk.map(stopped);
        voice.flush();
        const startedAt = performance.now();
        const values = await unit.run(
          chunk.map(({ value }) => value),
          this.#control,
        );
        const ms = this.#endRun(startedAt);
        const weight = chunk.reduce((sum, entry) => sum + weigh(entry), 0);
        if (weight > 0) pace.record(weight, ms);
        voice.say({
          type: 'stage',
          stage: 'run',
          ms,
          items: chunk.map(({ item }) => item),
          unit: `${unit.task}/${unit.label}`,
        });
        return values;
      };
      const limit = (): number =>
        unit.fixedBatch ?? (unit.heedsControl === true ? unit.maxBatch : pace.limit(unit.maxBatch));
      await runInChunks(entries, { limit, weigh }, runChunk, (index, value) => {
        const item = entries[index]?.item ?? 0;
        if (value instanceof RunnerError) voice.say(failure(item, unit, value, 'TASK_FAILED'));
        else voice.say({ type: 'outcome', item, task: unit.task, unit: unit.label, outcome: { ok: true, value } });
      });
      prepared.delete(unit);
    }
  }

  /** What a run has taken, without its wait for the one before it. */
  #endRun(startedAt: number): number {
    const now = performance.now();
    const ms = now - Math.max(startedAt, this.#lastRunEndedAt);
    this.#lastRunEndedAt = now;
    return ms;
  }

  #paceOf(unit: Unit): RunPace {
    const pace = this.#paces.get(unit) ?? new RunPace();
    this.#paces.set(unit, pace);
    return pace;
  }

  #isCancelled(): boolean {
    return Atomics.load(this.#shared, SHARED.isCancelled) === 1;
  }
}

function isWanted({ task, label }: UnitName, wanted: readonly string[]): boolean {
  return wanted.includes(task) || wanted.includes(`${task}/${label}`);
}

interface UnitName {
  readonly task: string;
  readonly label: string;
  readonly device?: Device;
}

function failure(item: number, unit: UnitName, thrown: unknown, code: ErrorCode): ThreadMessage {
  const error = coerceError(thrown, code).toEnvelope();
  return { type: 'outcome', item, task: unit.task, unit: unit.label, outcome: { ok: false, error } };
}

/** For a value that can't be cloned. */
function failedInstead(message: ThreadMessage, thrown: unknown): ThreadMessage {
  if (message.type !== 'outcome') throw thrown;
  return failure(message.item, { task: message.task, label: message.unit }, thrown, 'TASK_FAILED');
}

function stopped(): RunnerError {
  return new RunnerError('RUNNER_STOPPED', 'The runner is stopping; this work was not done.');
}

function measurer(voice: Voice, item: number): Measure {
  return async (stage, work) => {
    const startedAt = performance.now();
    const value = await work();
    voice.say({ type: 'stage', stage, ms: performance.now() - startedAt, items: [item] });
    return value;
  };
}
