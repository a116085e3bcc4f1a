import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { RunnerError, coerceError } from './errors.js';
import type { Emit } from './events.js';
import type { Delivery, Job, JobType, JobVerdict } from './job.js';
import type { LaneItem } from './lane.js';
import type { Claim, Queue } from './queue/queue.js';
import { Settler, type JobFacts } from './settler.js';
import type { QueueStats } from './stats.js';
import { Ticket, type TicketUnit } from './ticket.js';
import { traceJob, type JobTrace } from './tracing.js';

export interface IntakeOptions {
  readonly queue: Queue;
  readonly jobType: JobType;
  /** Claims held at a time. */
  readonly capacity: number;
  /** Claims are made as soon as so many places are free, so that some jobs are acknowledged while others run. */
  readonly claimTogether: number;
  readonly maxElementBytes: number;
  readonly onGone: 'bury' | 'ack';
  readonly emit: Emit;
  /** The units that a job's tasks stand for; none where it asks for nothing that this runner does. */
  readonly unitsOf: (job: Job) => readonly TicketUnit[];
  /** What one picture's tensors take, all models together. */
  readonly itemBytes: number;
  readonly submit: (items: readonly LaneItem[]) => void;
  readonly deliver: (delivery: Delivery) => Promise<void>;
  /** Resolves once the sink takes results; `witness` asks for one job all the same, see `Courier.whenClosed`. */
  readonly whenSinkOpen: (signal: AbortSignal) => Promise<'closed' | 'witness'>;
}

/** Claims jobs of one queue as long as there is room, and follows each to its end. */
export class Intake {
  readonly #options: IntakeOptions;
  readonly #settler: Settler;
  readonly #stopping = new AbortController();
  /** When each claim came, the oldest first. */
  readonly #held = new Map<Claim, number>();
  /** Those of them whose ack is on its way: a claim that is made now gets their places. */
  readonly #leaving = new Set<Claim>();
  #unfinished = 0;
  #onRoom: (() => void) | undefined;
  #loop: Promise<void> = Promise.resolve();

  constructor(options: IntakeOptions) {
    this.#options = options;
    this.#settler = new Settler({ queue: options.queue, emit: options.emit, onGone: options.onGone });
  }

  stats(): Pick<QueueStats, 'queue' | 'inFlight' | 'oldestMs'> {
    const [oldestAt] = this.#held.values();
    const oldestMs = oldestAt === undefined ? undefined : performance.now() - oldestAt;
    return { queue: this.#options.queue.name, inFlight: this.#inHand(), oldestMs };
  }

  /** Claims that will be given back: stopped on their way, or still held. */
  get unfinished(): number {
    return this.#unfinished + this.#held.size;
  }

  start(): void {
    this.#loop = this.#run();
  }

  /** Claims nothing more. Resolves when the claim loop has ended. */
  async stopClaiming(): Promise<void> {
    this.#stopping.abort();
    this.#onRoom?.();
    await this.#loop;
  }

  /** Resolves when no job is held any more. */
  async whenIdle(): Promise<void> {
    while (this.#held.size > 0) await this.#nextChange();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const { queue, whenSinkOpen, emit } = this.#options;
    const isStopping = (): boolean => signal.aborted;
    while (!isStopping()) {
      try {
        const go = await whenSinkOpen(signal);
        if (go === 'closed') await this.#whenRoom(signal);
        if (isStopping()) return;
        const claims = await queue.claim(go === 'closed' ? this.#room() : 1, signal);
        this.#accept(claims);
        // A queue that answers at once with nothing must not keep everything else from running.
        if (claims.length === 0) await turnOfTheLoop();
      } catch (thrown) {
        if (isStopping()) return;
        emit('queue:down', { queue: queue.name, error: coerceError(thrown, 'QUEUE_UNAVAILABLE') });
        await pause(1000, signal);
      }
    }
  }

  #room(): number {
    return this.#options.capacity - this.#inHand();
  }

  #inHand(): number {
    return this.#held.size - this.#leaving.size;
  }

  #share(): number {
    return Math.min(this.#options.claimTogether, this.#options.capacity);
  }

  async #whenRoom(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && this.#room() < this.#share()) await this.#nextChange();
  }

  #nextChange(): Promise<void> {
    return new Promise((resolve) => {
      const previous = this.#onRoom;
      this.#onRoom = () => {
        previous?.();
        resolve();
      };
    });
  }

  #accept(claims: readonly Claim[]): void {
    const items: LaneItem[] = [];
    for (const claim of claims) {
      const startedAt = performance.now();
      this.#held.set(claim, startedAt);
      const item = this.#open(claim, startedAt);
      if (item !== undefined) items.push(item);
    }
    if (items.length > 0) this.#options.submit(items);
  }

  /** Understands a claim; answers undefined where it is settled already. */
  #open(claim: Claim, startedAt: number): LaneItem | undefined {
    const { queue, emit, deliver } = this.#options;
    let job: Job;
    let units: readonly TicketUnit[];
    try {
      job = this.#parse(claim.raw);
      units = this.#options.unitsOf(job);
    } catch (thrown) {
      const unknown = { jobId: '', tasks: [], startedAt };
      void this.#finish(claim, unknown, { kind: 'failed', error: coerceError(thrown, 'JOB_INVALID') }, undefined);
      return undefined;
    }
    emit('job:claimed', { queue: queue.name, jobId: job.id, tasks: job.tasks, isSuspect: claim.isSuspect });
    const facts = { jobId: job.id, tasks: [...new Set(units.map(({ unit }) => unit.task))], startedAt };
    if (units.length === 0) {
      void this.#finish(claim, facts, { kind: 'done' }, undefined);
      return undefined;
    }
    const trace = traceJob({ queue: queue.name, jobId: job.id, tasks: facts.tasks, isSuspect: claim.isSuspect });
    const ticket = new Ticket(job, units, {
      deliver: trace === undefined ? deliver : (delivery) => trace.callback(delivery, () => deliver(delivery)),
      onWarning: (unit, message) => emit('job:warning', { queue: queue.name, jobId: job.id, unit, message }),
      onVerdict: (verdict) => void this.#finish(claim, facts, verdict, trace),
    });
    const tasks = units.map(({ unit }) => `${unit.task}/${unit.label}`);
    return {
      tasks,
      bytes: job.input.kind === 'image' ? this.#options.itemBytes : 0,
      threadItem: { input: job.input, isTrusted: false, tasks },
      isSuspect: claim.isSuspect,
      sinceMs: startedAt,
      trace,
      onOutcome: (task, unit, outcome) => ticket.settleUnit(task, unit, outcome),
      onEnd: (error) => ticket.endBatch(error),
    };
  }

  #parse(raw: Buffer): Job {
    const { jobType } = this.#options;
    const maxElementBytes = Math.max(jobType.maxElementBytes ?? 0, this.#options.maxElementBytes);
    if (raw.length > maxElementBytes) {
      throw new RunnerError(
        'JOB_TOO_LARGE',
        `Expected an element of at most ${maxElementBytes} bytes, but got ${raw.length}. Raise maxElementBytes if it is meant to be so long.`,
      );
    }
    return jobType.parse(decodeUtf8(raw));
  }

  async #finish(claim: Claim, job: JobFacts, verdict: JobVerdict, trace: JobTrace | undefined): Promise<void> {
    const error = verdict.kind === 'failed' ? verdict.error : undefined;
    if (error?.code === 'RUNNER_STOPPED') this.#unfinished += 1;
    await this.#settler.settle(claim, job, verdict, () => {
      this.#leaving.add(claim);
      this.#tellChange();
    });
    trace?.end(error);
    this.#held.delete(claim);
    this.#leaving.delete(claim);
    this.#tellChange();
  }

  #tellChange(): void {
    const wake = this.#onRoom;
    this.#onRoom = undefined;
    wake?.();
  }
}

/** A byte order mark is kept, so that the JSON parser refuses it as it refuses other stray characters. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decodeUtf8(raw: Buffer): string {
  try {
    return utf8.decode(raw);
  } catch (cause) {
    throw new RunnerError('JOB_INVALID', 'Expected JSON in UTF-8, but the element has bytes that are no UTF-8.', {
      cause,
    });
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
}
