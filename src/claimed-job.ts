import type { RunnerError } from './errors.js';
import type { Delivery, Job, JobVerdict } from './job.js';
import type { LaneItem } from './lane.js';
import type { ThreadItem, ThreadOutcome } from './pool/protocol.js';
import type { Claim } from './queue/queue.js';
import { Ticket, type TicketPorts } from './ticket.js';
import type { JobTrace } from './tracing.js';
import type { WorkPlan } from './work-plan.js';

/** A claim from its coming to its settlement, and what is told of its job. */
export interface HeldClaim {
  readonly claim: Claim;
  /** Empty where the element could not be understood. */
  readonly jobId: string;
  /** Names of the tasks that this runner does for it. */
  readonly taskNames: readonly string[];
  /** When it was claimed, by `performance.now()`. */
  readonly sinceMs: number;
  /** Where somebody traces it. */
  readonly trace?: JobTrace | undefined;
}

/** Where claimed jobs tell what becomes of them: one for all jobs of a queue. */
export interface ClaimedJobPorts {
  readonly deliver: (delivery: Delivery) => Promise<void>;
  readonly onWarning: (held: HeldClaim, unit: string, message: string) => void;
  /** Called once. */
  readonly onVerdict: (held: HeldClaim, verdict: JobVerdict) => void;
}

/** What is known of a claim beside its job. */
export interface ClaimFacts {
  readonly claim: Claim;
  readonly sinceMs: number;
  readonly trace: JobTrace | undefined;
  /** What the tensors of its input take. */
  readonly bytes: number;
}

/** A claim that was understood: an item of a lane, and the way of its outcomes to its ticket and of the ticket's verdict. */
export class ClaimedJob implements HeldClaim, LaneItem, TicketPorts {
  readonly claim: Claim;
  readonly jobId: string;
  readonly taskNames: readonly string[];
  readonly tasks: readonly string[];
  readonly bytes: number;
  readonly threadItem: ThreadItem;
  readonly isSuspect: boolean;
  readonly sinceMs: number;
  readonly trace: JobTrace | undefined;
  readonly #ports: ClaimedJobPorts;
  readonly #ticket: Ticket;

  constructor(job: Job, plan: WorkPlan, { claim, sinceMs, trace, bytes }: ClaimFacts, ports: ClaimedJobPorts) {
    this.claim = claim;
    this.jobId = job.id;
    this.taskNames = plan.taskNames;
    this.tasks = plan.unitNames;
    this.bytes = bytes;
    this.threadItem = { input: job.input, isTrusted: false, tasks: plan.unitNames };
    this.isSuspect = claim.isSuspect;
    this.sinceMs = sinceMs;
    this.trace = trace;
    this.#ports = ports;
    this.#ticket = new Ticket(job, plan.units, this);
  }

  onOutcome(task: string, unit: string, outcome: ThreadOutcome): void {
    this.#ticket.settleUnit(task, unit, outcome);
  }

  onEnd(error: RunnerError | undefined): void {
    this.#ticket.endBatch(error);
  }

  deliver(delivery: Delivery): Promise<void> {
    const { deliver } = this.#ports;
    return this.trace === undefined ? deliver(delivery) : this.trace.callback(delivery, () => deliver(delivery));
  }

  onWarning(unit: string, message: string): void {
    this.#ports.onWarning(this, unit, message);
  }

  onVerdict(verdict: JobVerdict): void {
    this.#ports.onVerdict(this, verdict);
  }
}
