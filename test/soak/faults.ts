import { startFaultProxy, type FaultProxy } from '../support/fault-proxy.js';
import type { Post } from './fleet.js';
import type { Dice } from './random.js';
import type { SoakRedis } from './redis-store.js';

/** A runner and the only way that it has to Redis. */
export interface Target {
  readonly post: Post;
  readonly proxy: FaultProxy;
}

const FAULTS = [
  'SIGKILL',
  'SIGTERM',
  'SIGSTOP',
  'latency',
  'half-open',
  'replies lost',
  'reset',
  'refused',
  'power cut',
] as const;

type Fault = (typeof FAULTS)[number];

/** Makes trouble, one after the other for each runner, until it is told to stop. */
export class Trouble {
  readonly counts: Record<Fault, number> = Object.fromEntries(FAULTS.map((fault) => [fault, 0])) as Record<
    Fault,
    number
  >;
  readonly #dice: Dice;
  readonly #targets: readonly Target[];
  readonly #redis: SoakRedis;
  readonly #busy = new Set<unknown>();
  readonly #underWay = new Set<Promise<void>>();
  #first: Fault[] = ['SIGKILL', 'SIGSTOP'];

  constructor(dice: Dice, targets: readonly Target[], redis: SoakRedis) {
    this.#dice = dice;
    this.#targets = targets;
    this.#redis = redis;
  }

  /** Does something to something that is well. The same seed makes the same plan, not the same moments. */
  next(): void {
    const fault = this.#first.shift() ?? this.#dice.pick(FAULTS);
    const target = this.#dice.pick(this.#targets);
    const subject = fault === 'power cut' ? this.#redis : target;
    if (this.#busy.has(subject)) return;
    this.#busy.add(subject);
    this.counts[fault] += 1;
    const work = this.#make(fault, target).finally(() => {
      this.#busy.delete(subject);
      this.#underWay.delete(work);
    });
    this.#underWay.add(work);
  }

  /** Resolves when everything is well again. */
  async over(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  async #make(fault: Fault, { post, proxy }: Target): Promise<void> {
    const dice = this.#dice;
    switch (fault) {
      case 'SIGKILL':
        await post.kill();
        return post.start();
      case 'SIGTERM':
        await post.stop();
        return post.start();
      case 'SIGSTOP':
        // Sometimes for longer than a heartbeat lasts.
        return post.freeze(dice.between(200, 6000));
      case 'latency':
        proxy.setLatencyMs(dice.between(2, 60));
        await pause(dice.between(500, 3000));
        proxy.setLatencyMs(0);
        return;
      case 'half-open':
        proxy.setBlackHole(true);
        // Sometimes for longer than a command may take.
        await pause(dice.between(500, 11_000));
        proxy.setBlackHole(false);
        proxy.reset();
        return;
      case 'replies lost':
        proxy.swallowReplies(true);
        await pause(dice.between(100, 2000));
        proxy.swallowReplies(false);
        proxy.reset();
        return;
      case 'reset':
        proxy.reset();
        return;
      case 'refused':
        proxy.refuse(true);
        proxy.reset();
        await pause(dice.between(200, 3000));
        proxy.refuse(false);
        return;
      case 'power cut':
        return this.#redis.losePower(dice);
    }
  }
}

export async function makeTargets(
  count: number,
  redisPort: number,
  makePost: (name: string, redisUrl: string) => Post,
): Promise<readonly Target[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const proxy = await startFaultProxy(redisPort);
      return { proxy, post: makePost(`runner ${index + 1}`, `redis://127.0.0.1:${proxy.port}/0`) };
    }),
  );
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
