import type { TicketUnit } from './ticket.js';

/** What a runner does for a job. Jobs that ask for the same share it, and so do the items that cross to the threads. */
export interface WorkPlan {
  readonly units: readonly TicketUnit[];
  /** The units as the threads know them: `clip/clip-ViT-L-14`. */
  readonly unitNames: readonly string[];
  /** Names of the units' tasks, each once. */
  readonly taskNames: readonly string[];
}

export function makePlan(units: readonly TicketUnit[]): WorkPlan {
  return {
    units,
    unitNames: Object.freeze(units.map(({ unit }) => `${unit.task}/${unit.label}`)),
    taskNames: Object.freeze([...new Set(units.map(({ unit }) => unit.task))]),
  };
}
