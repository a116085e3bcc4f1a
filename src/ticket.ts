import { RunnerError, coerceError, type ErrorCode } from './errors.js';
import type { Delivery, Job, JobVerdict } from './job.js';
import type { ThreadOutcome } from './pool/protocol.js';
import type { Task, UnitInfo } from './tasks/task.js';

/** One unit of work that a job waits for. */
export interface TicketUnit {
  readonly task: Task;
  readonly unit: UnitInfo;
}

export interface TicketPorts {
  /** Resolves when the receiver has it; rejects with the delivery's final error. */
  deliver(delivery: Delivery): Promise<void>;
  /** Something about a unit's value that belongs in the log. */
  onWarning(unit: string, message: string): void;
  /** Called once, when every unit has its outcome and every delivery its end. */
  onVerdict(verdict: JobVerdict): void;
}

/**
 * A claimed job on its way: collects one outcome per unit, sends each result off as soon as it is known, and gives one
 * verdict when all have ended. A failure of one unit does not hold back the callbacks of the others.
 */
export class Ticket {
  readonly job: Job;
  readonly #ports: TicketPorts;
  readonly #waiting: TicketUnit[];
  readonly #errors: RunnerError[] = [];
  #sending = 0;
  #isClosed = false;

  constructor(job: Job, units: readonly TicketUnit[], ports: TicketPorts) {
    this.job = job;
    this.#ports = ports;
    this.#waiting = [...units];
  }

  settleUnit(task: string, label: string, outcome: ThreadOutcome): void {
    const place = this.#waiting.findIndex(({ unit }) => unit.label === label && unit.task === task);
    const [entry] = place === -1 ? [] : this.#waiting.splice(place, 1);
    if (entry === undefined) return;
    if (outcome.ok) this.#sendAll(entry, outcome.value);
    else this.#errors.push(RunnerError.fromEnvelope(outcome.error));
    this.#closeIfDone();
  }

  /** The batch is over; units without an outcome have failed with its error. */
  endBatch(error: RunnerError | undefined): void {
    if (this.#waiting.splice(0).length > 0) this.#errors.push(error ?? withoutOutcome());
    this.#closeIfDone();
  }

  #sendAll({ task, unit }: TicketUnit, value: unknown): void {
    let deliveries: readonly Delivery[];
    try {
      deliveries = checkDeliveries(task.deliver(value, this.job, unit), task.name);
      const warning = task.warningOf?.(value);
      if (warning !== undefined) this.#ports.onWarning(`${unit.task}/${unit.label}`, warning);
    } catch (thrown) {
      this.#errors.push(coerceError(thrown, 'TASK_FAILED'));
      return;
    }
    for (const delivery of deliveries) void this.#send(delivery);
  }

  async #send(delivery: Delivery): Promise<void> {
    this.#sending += 1;
    try {
      await this.#ports.deliver(delivery);
    } catch (thrown) {
      this.#errors.push(coerceError(thrown));
    }
    this.#sending -= 1;
    this.#closeIfDone();
  }

  #closeIfDone(): void {
    if (this.#isClosed || this.#waiting.length > 0 || this.#sending > 0) return;
    this.#isClosed = true;
    const error = decisiveError(this.#errors);
    this.#ports.onVerdict(error === undefined ? { kind: 'done' } : { kind: 'failed', error });
  }
}

function withoutOutcome(): RunnerError {
  return new RunnerError('INTERNAL', 'A batch ended without an outcome for this item.');
}

function checkDeliveries(deliveries: unknown, task: string): readonly Delivery[] {
  if (Array.isArray(deliveries)) return deliveries as readonly Delivery[];
  const got = deliveries instanceof Promise ? 'a promise' : typeof deliveries;
  throw new RunnerError(
    'TASK_FAILED',
    `deliver() of the task "${task}" must return a list of deliveries, but returned ${got}.`,
  );
}

/**
 * The error that decides on a job with several. Stopping comes first (the job goes back as it was); then poison, which
 * must not run again; then what another attempt may mend, so that it gets its attempt; another permanent error decides
 * only when it is all that is left.
 */
export function decisiveError(errors: readonly RunnerError[]): RunnerError | undefined {
  const first = (wanted: ErrorCode): RunnerError | undefined => errors.find(({ code }) => code === wanted);
  return first('RUNNER_STOPPED') ?? first('JOB_POISON') ?? errors.find(({ retryable }) => retryable) ?? errors[0];
}
