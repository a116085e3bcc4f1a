import { ClaimCapacity, type ClaimBounds } from './claim-capacity.js';
import { ClaimLoop } from './claim-loop.js';
import { ClaimedJob, type ClaimedJobPorts, type HeldClaim } from './claimed-job.js';
import { RunnerError, coerceError } from './errors.js';
import type { Emit } from './events.js';
import type { Delivery, Job, JobType, JobVerdict } from './job.js';
import type { LaneItem } from './lane.js';
import type { Claim, Queue } from './queue/queue.js';
import { Settler } from './settler.js';
import type { QueueStats } from './stats.js';
import { traceJob } from './tracing.js';
import type { WorkPlan } from './work-plan.js';

export interface IntakeOptions {
  readonly queue: Queue;
  readonly jobType: JobType;
  /** Claims held at a time. */
  readonly capacity: ClaimBounds;
  /** Jobs that make a batch: fewer are not claimed where there is room for more. */
  readonly batch: number;
  readonly maxElementBytes: number;
  readonly onGone: 'bury' | 'ack';
  readonly emit: Emit;
  /** What is to be done for a job; no units where it asks for nothing that this runner does. */
  readonly planOf: (job: Job) => WorkPlan;
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
  readonly #capacity: ClaimCapacity;
  readonly #settler: Settler;
  readonly #claims: ClaimLoop;
  readonly #ports: ClaimedJobPorts;
  /** The oldest first. */
  readonly #held = new Set<HeldClaim>();
  /** Those of them whose ack is on its way: a claim that is made now gets their places. */
  readonly #leaving = new Set<HeldClaim>();
  #unfinished = 0;
  #onRoom: (() => void) | undefined;

  constructor(options: IntakeOptions) {
    const { queue, emit, onGone, deliver, whenSinkOpen } = options;
    this.#options = options;
    this.#capacity = new ClaimCapacity(options.capacity);
    this.#settler = new Settler({
      ...{ queue, emit, onGone },
      onSent: (held) => this.#leave(held),
      onSettled: (held, error) => this.#forget(held, error),
    });
    this.#claims = new ClaimLoop({
      ...{ queue, emit, whenSinkOpen },
      whenRoom: (signal) => this.#whenRoom(signal),
      room: () => this.#room(),
      accept: (claims) => this.#accept(claims),
      onRoom: () => this.#tellChange(),
    });
    this.#ports = {
      deliver,
      onWarning: ({ jobId }, unit, message) => emit('job:warning', { queue: queue.name, jobId, unit, message }),
      onVerdict: (held, verdict) => {
        if (verdict.kind === 'done') this.#capacity.countDone(performance.now());
        this.#finish(held, verdict);
      },
    };
  }

  stats(): Pick<QueueStats, 'queue' | 'inFlight' | 'oldestMs'> {
    const [oldest] = this.#held;
    const oldestMs = oldest === undefined ? undefined : performance.now() - oldest.sinceMs;
    return { queue: this.#options.queue.name, inFlight: this.#inHand(), oldestMs };
  }

  /** Claims that will be given back: stopped on their way, or still held. */
  get unfinished(): number {
    return this.#unfinished + this.#held.size;
  }

  start(): void {
    this.#claims.start();
  }

  /** Claims nothing more. Resolves when no claim is on its way. */
  stopClaiming(): Promise<void> {
    return this.#claims.stop();
  }

  /** Resolves when no job is held any more. */
  async whenIdle(): Promise<void> {
    while (this.#held.size > 0) await this.#nextChange();
  }

  #room(): number {
    return this.#capacityNow() - this.#inHand() - this.#claims.asked;
  }

  #capacityNow(): number {
    return this.#capacity.at(performance.now());
  }

  #inHand(): number {
    return this.#held.size - this.#leaving.size;
  }

  /** What is claimed at a time: half of what may be in hand, so that some jobs are acknowledged while others run. */
  #share(): number {
    const capacity = this.#capacityNow();
    return Math.min(Math.max(this.#options.batch, Math.floor(capacity / 2)), capacity);
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
    const sinceMs = performance.now();
    const items: ClaimedJob[] = [];
    for (const claim of claims) {
      const item = this.#open(claim, sinceMs);
      if (item !== undefined) items.push(item);
    }
    if (items.length > 0) this.#options.submit(items);
  }

  /** Understands a claim; answers undefined where it is settled already. */
  #open(claim: Claim, sinceMs: number): ClaimedJob | undefined {
    const { queue, emit, itemBytes } = this.#options;
    let job: Job;
    let plan: WorkPlan;
    try {
      job = this.#parse(claim.raw);
      plan = this.#options.planOf(job);
    } catch (thrown) {
      const error = coerceError(thrown, 'JOB_INVALID');
      this.#settleAtOnce({ claim, jobId: '', taskNames: [], sinceMs }, { kind: 'failed', error });
      return undefined;
    }
    emit('job:claimed', { queue: queue.name, jobId: job.id, tasks: job.tasks, isSuspect: claim.isSuspect });
    const { units, taskNames } = plan;
    if (units.length === 0) {
      this.#settleAtOnce({ claim, jobId: job.id, taskNames, sinceMs }, { kind: 'done' });
      return undefined;
    }
    const trace = traceJob({ queue: queue.name, jobId: job.id, tasks: taskNames, isSuspect: claim.isSuspect });
    const bytes = job.input.kind === 'image' ? itemBytes : 0;
    const item = new ClaimedJob(job, plan, { claim, sinceMs, trace, bytes }, this.#ports);
    this.#held.add(item);
    return item;
  }

  #settleAtOnce(held: HeldClaim, verdict: JobVerdict): void {
    this.#held.add(held);
    this.#finish(held, verdict);
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

  #finish(held: HeldClaim, verdict: JobVerdict): void {
    if (verdict.kind === 'failed' && verdict.error.code === 'RUNNER_STOPPED') this.#unfinished += 1;
    this.#settler.settle(held, verdict);
  }

  #leave(held: HeldClaim): void {
    this.#leaving.add(held);
    this.#tellChange();
  }

  #forget(held: HeldClaim, error: RunnerError | undefined): void {
    held.trace?.end(error);
    this.#held.delete(held);
    this.#leaving.delete(held);
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
