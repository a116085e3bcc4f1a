import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { systemClock } from './clock.js';
import { coerceError } from './errors.js';
import type { Emit } from './events.js';
import type { Claim, Queue } from './queue/queue.js';
import { pause } from './queue/waiting.js';

export interface ClaimLoopPorts {
  readonly queue: Queue;
  readonly emit: Emit;
  /** Resolves once the sink takes results; `witness` asks for one job all the same, see `Courier.whenClosed`. */
  readonly whenSinkOpen: (signal: AbortSignal) => Promise<'closed' | 'witness'>;
  /** Resolves once `room()` is worth a claim, or the signal has aborted. */
  readonly whenRoom: (signal: AbortSignal) => Promise<void>;
  /** Places that are free, those that claims on their way have asked for not counted. */
  readonly room: () => number;
  readonly accept: (claims: readonly Claim[]) => void;
  /** Places that were asked for are free again. */
  readonly onRoom: () => void;
}

/**
 * Claims from one queue for as long as there is room: one claim after the other, or, while the queue has plenty, as many at a
 * time as it allows (`Queue.claimsAtOnce`).
 */
export class ClaimLoop {
  readonly #ports: ClaimLoopPorts;
  readonly #stopping = new AbortController();
  readonly #out = new Set<Promise<void>>();
  /** The last claim that came back had got all that it asked for. */
  #hasPlenty = false;
  #asked = 0;
  #ended: Promise<void> = Promise.resolve();

  constructor(ports: ClaimLoopPorts) {
    this.#ports = ports;
  }

  /** Places that claims on their way may fill. */
  get asked(): number {
    return this.#asked;
  }

  start(): void {
    this.#ended = this.#run();
  }

  /** Claims nothing more. Resolves when no claim is on its way. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#ports.onRoom();
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const { queue, whenSinkOpen, whenRoom, room } = this.#ports;
    const isStopping = (): boolean => signal.aborted;
    while (!isStopping()) {
      const go = await whenSinkOpen(signal);
      if (go === 'closed') await whenRoom(signal);
      if (isStopping()) break;
      const claim = this.#claim(go === 'closed' ? room() : 1);
      if (go === 'witness' || !this.#hasPlenty) await claim;
      else if (this.#out.size >= (queue.claimsAtOnce ?? 1)) await Promise.race(this.#out);
    }
    await Promise.all(this.#out);
  }

  #claim(max: number): Promise<void> {
    this.#asked += max;
    const claim = this.#ask(max).finally(() => this.#out.delete(claim));
    this.#out.add(claim);
    return claim;
  }

  async #ask(max: number): Promise<void> {
    const { signal } = this.#stopping;
    const { queue, emit, accept, onRoom } = this.#ports;
    try {
      const claims = await queue.claim(max, signal);
      this.#hasPlenty = claims.length === max;
      accept(claims);
      // A queue that answers at once with nothing must not keep everything else from running.
      if (claims.length === 0) await turnOfTheLoop();
    } catch (thrown) {
      this.#hasPlenty = false;
      if (signal.aborted) return;
      emit('queue:down', { queue: queue.name, error: coerceError(thrown, 'QUEUE_UNAVAILABLE') });
      await pause(1000, signal, systemClock);
    } finally {
      this.#asked -= max;
      onRoom();
    }
  }
}
