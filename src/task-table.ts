import { show } from './check.js';
import { RunnerError } from './errors.js';
import type { InputKind, Job } from './job.js';
import type { TaskRef, ThreadUnit } from './pool/protocol.js';
import { BUILT_IN_TASKS } from './tasks/index.js';
import type { Task } from './tasks/task.js';
import type { TicketUnit } from './ticket.js';
import { makePlan, type WorkPlan } from './work-plan.js';

/** What a job asks for, and the plan that it got. */
interface Planned {
  readonly tasks: readonly string[];
  readonly model: string | null | undefined;
  readonly plan: WorkPlan;
}

/** The tasks of one runner, and the units that its threads opened for them. */
export class TaskTable {
  readonly #tasks: readonly Task[];
  readonly #byName = new Map<string, Task>();
  readonly #units = new Map<Task, TicketUnit[]>();
  /** The last one of each kind of input: jobs of a queue mostly ask for the same. */
  readonly #planned = new Map<InputKind, Planned>();

  /** @throws RunnerError `OPTIONS_INVALID` for an unknown name, a name that stands twice, or a task without its module. */
  constructor(entries: readonly (string | Task)[]) {
    this.#tasks = entries.map((entry) => (typeof entry === 'string' ? builtIn(entry) : checkOwn(entry)));
    for (const task of this.#tasks) {
      for (const name of [task.name, ...(task.aliases ?? [])]) {
        if (this.#byName.has(name)) throw invalid(`tasks: the name "${name}" stands twice.`);
        this.#byName.set(name, task);
      }
    }
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  /** The kinds of input that the tasks read, each once. */
  kinds(): readonly InputKind[] {
    return [...new Set(this.#tasks.map(({ input }) => input))];
  }

  /** What the threads of a kind of input need to open the same tasks. */
  refs(kind: InputKind): readonly TaskRef[] {
    return this.#tasks
      .filter(({ input }) => input === kind)
      .map(({ name, module }) => (module === undefined ? { name } : { name, module }));
  }

  setUnits(units: readonly ThreadUnit[]): void {
    this.#units.clear();
    this.#planned.clear();
    for (const unit of units) {
      const task = this.#byName.get(unit.task);
      if (task === undefined) continue;
      const entries = this.#units.get(task) ?? [];
      this.#units.set(task, entries);
      entries.push({ task, unit });
    }
  }

  /**
   * The units that a job's tasks stand for, each once; those of one model where the job asks for one.
   * @throws RunnerError `JOB_INVALID` for a model that a task does not have.
   */
  planOf(job: Job): WorkPlan {
    const { tasks, model, input } = job;
    const last = this.#planned.get(input.kind);
    if (last !== undefined && last.model === model && isSame(last.tasks, tasks)) return last.plan;
    const plan = makePlan(this.#unitsOf(job));
    this.#planned.set(input.kind, { tasks: [...tasks], model, plan });
    return plan;
  }

  /** The names in a job's tasks that this runner does not do. */
  unknownOf(job: Job): readonly string[] {
    return job.tasks.filter((name) => !this.#byName.has(name));
  }

  #unitsOf(job: Job): readonly TicketUnit[] {
    const isAsked = ({ name, aliases = [], impliedBy = [] }: Task): boolean =>
      [name, ...aliases, ...impliedBy].some((candidate) => job.tasks.includes(candidate));
    return this.#tasks.filter(isAsked).flatMap((task) => {
      const units = task.input === job.input.kind ? (this.#units.get(task) ?? []) : [];
      return job.model === undefined || units.length === 0 ? units : [pickUnit(units, job.model)];
    });
  }
}

function isSame(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((name, index) => name === others[index]);
}

/** Labels first: a label may be the name of another model. */
function pickUnit(units: readonly TicketUnit[], model: string | null): TicketUnit {
  const found =
    model === null
      ? units[0]
      : (units.find(({ unit }) => unit.label === model) ?? units.find(({ unit }) => unit.modelName === model));
  if (found !== undefined) return found;
  const known = units.map(({ unit }) => unit.label).join(', ');
  throw new RunnerError('JOB_INVALID', `There is no model ${show(model)} here. The labels are: ${known}.`);
}

function builtIn(name: string): Task {
  const task = BUILT_IN_TASKS.find((candidate) => candidate.name === name || candidate.aliases?.includes(name));
  if (task !== undefined) return task;
  const known = BUILT_IN_TASKS.map((candidate) => candidate.name).join(', ');
  throw invalid(
    `tasks: there is no built-in task "${name}". Built in: ${known}. A task of your own is given as an object.`,
  );
}

function checkOwn(task: Task): Task {
  if (BUILT_IN_TASKS.includes(task)) return task;
  if (typeof task.module === 'string' && /^(file|node|data):/.test(task.module)) return task;
  throw invalid(`tasks: the task "${task.name}" needs module: import.meta.url, so that the threads can import it.`);
}

function invalid(message: string): RunnerError {
  return new RunnerError('OPTIONS_INVALID', message);
}
