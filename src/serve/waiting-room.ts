import type { Vectors } from './engine.js';

export interface RoomOptions<Input> {
  readonly embed: (inputs: readonly Input[], label: string) => Promise<Vectors>;
  /** Inputs that may be with the engine at a time. */
  readonly capacity: number;
  /** Inputs that may wait here. */
  readonly maxWaiting: number;
  /** Inputs of one visit that go to the engine together. */
  readonly maxBatch: number;
}

/** What can be seen of a room. */
export type RoomState = Pick<WaitingRoom<never>, 'waiting' | 'running' | 'stalledMs'>;

/** The inputs of one request, on their way. */
interface Visit<Input> {
  readonly inputs: readonly Input[];
  readonly label: string;
  readonly values: Vectors[number][];
  /** Inputs that went to the engine. */
  sent: number;
  /** Inputs without a value. */
  open: number;
  readonly resolve: (values: Vectors) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Where inputs wait until the engine has room. The engine gets no more than it can batch, so a request whose client has
 * gone leaves from here without costing anything. Visits take turns: one with many texts doesn't keep the others.
 */
export class WaitingRoom<Input> {
  readonly #options: RoomOptions<Input>;
  readonly #visits: Visit<Input>[] = [];
  #waiting = 0;
  #running = 0;
  #movedAt = 0;

  constructor(options: RoomOptions<Input>) {
    this.#options = options;
  }

  /** Inputs that wait. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Inputs that are with the engine. */
  get running(): number {
    return this.#running;
  }

  hasPlaceFor(count: number): boolean {
    return this.#waiting + count <= this.#options.maxWaiting;
  }

  /** Milliseconds without any result while the engine has work; 0 while it has none. */
  stalledMs(): number {
    return this.#running === 0 ? 0 : performance.now() - this.#movedAt;
  }

  /** The values of the inputs, in order. Rejects with the signal's reason if it aborts first; what waits is then dropped. */
  embed(inputs: readonly Input[], label: string, signal: AbortSignal): Promise<Vectors> {
    if (inputs.length === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      const visit: Visit<Input> = { inputs, label, values: [], sent: 0, open: inputs.length, resolve, reject };
      signal.addEventListener('abort', () => this.#dismiss(visit, signal.reason), { once: true });
      this.#visits.push(visit);
      this.#waiting += inputs.length;
      this.#pump();
    });
  }

  #pump(): void {
    const { capacity, maxBatch } = this.#options;
    while (this.#running < capacity) {
      const visit = this.#visits.shift();
      if (visit === undefined) return;
      const from = visit.sent;
      const count = Math.min(maxBatch, capacity - this.#running, visit.inputs.length - from);
      visit.sent += count;
      if (visit.sent < visit.inputs.length) this.#visits.push(visit);
      void this.#run(visit, from, count);
    }
  }

  async #run(visit: Visit<Input>, from: number, count: number): Promise<void> {
    if (this.#running === 0) this.#movedAt = performance.now();
    this.#waiting -= count;
    this.#running += count;
    try {
      const values = await this.#options.embed(visit.inputs.slice(from, from + count), visit.label);
      values.forEach((value, index) => (visit.values[from + index] = value));
      visit.open -= count;
      if (visit.open === 0) visit.resolve(visit.values);
    } catch (thrown) {
      this.#dismiss(visit, thrown);
    }
    this.#running -= count;
    this.#movedAt = performance.now();
    this.#pump();
  }

  #dismiss(visit: Visit<Input>, reason: unknown): void {
    if (visit.open === 0) return;
    const place = this.#visits.indexOf(visit);
    if (place !== -1) {
      this.#visits.splice(place, 1);
      this.#waiting -= visit.inputs.length - visit.sent;
    }
    visit.reject(reason);
  }
}
