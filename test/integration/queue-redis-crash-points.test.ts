/**
 * Every command of every step is a point at which a consumer may die, or lose its connections: right before the server
 * has the command, and right after it has carried it out. Each step is carried out once undisturbed, to count its commands,
 * and then once for each of these points. Identical elements are always among those concerned.
 */
import { randomUUID } from 'node:crypto';

import { Redis } from 'ioredis';
import { beforeAll, describe, expect, it } from 'vitest';

import { RunnerError } from '../../src/errors.js';
import { sha1Hex } from '../../src/queue/dead-letter.js';
import type { Claim, Queue } from '../../src/queue/queue.js';
import { type RedisKeys, redisKeys } from '../../src/queue/redis-keys.js';
import { ACKNOWLEDGE, BURY, GIVE_BACK_SUSPECT, PROMOTE, REAP, RETRY, TAKE } from '../../src/queue/redis-scripts.js';
import { promoteDue, reapDead } from '../../src/queue/redis-upkeep.js';
import { redisQueue } from '../../src/queue/redis.js';
import { type CommandProxy, type Moment, startCommandProxy } from '../support/command-proxy.js';
import { multisetDifference, type QueueSnapshot, readQueue, residents } from '../support/queue-snapshot.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';
import { until } from '../support/until.js';

const never = new AbortController().signal;
const ELEMENTS = ['{"photo_id":1}', 'twin', 'twin', '{"photo_id":2}'];
const failure = { error: new RunnerError('RUN_FAILED', 'x') };
const fatal = { error: new RunnerError('IMAGE_DECODE', 'x') };

/** Nothing happens by itself: upkeep is a step like the others. */
const STILL = {
  heartbeatTtlMs: 600_000,
  beatMs: 200_000,
  reapEveryMs: 200_000,
  promoteEveryMs: 200_000,
  claimTimeoutMs: 60,
  maxAttempts: 2,
  maxKills: 3,
};

/** More than a busy machine needs to push something, or for a new connection. */
const PATIENT_MS = 400;

/** One consumer on its way to Redis, and what a test knows of the queue. */
interface Scene {
  readonly client: Redis;
  readonly keys: RedisKeys;
  readonly proxy: CommandProxy;
  readonly victim: Queue;
  /** A plain client by the same way, for steps of the upkeep. */
  readonly upkeep: Redis;
  /** What the victim holds. */
  claims: readonly Claim[];
  /** What it was about to acknowledge, or has acknowledged. */
  readonly acked: string[];
  /** How long a close may try; one that is cut off tries for all of it. */
  readonly closeMs: number;
  push(...elements: readonly string[]): Promise<void>;
  kills(element: string, count: number): Promise<void>;
}

interface Step {
  readonly name: string;
  /** Comes before the step and is not disturbed. The victim is open already, unless `isOpening`. */
  readonly prepare?: (scene: Scene) => Promise<unknown>;
  readonly act: (scene: Scene) => Promise<unknown>;
  readonly isOpening?: boolean;
  /** The victim does nothing more after it. */
  readonly isLast?: boolean;
  /** Its claim waits for something; others find what is there. */
  readonly isWaiting?: boolean;
}

const claimAll = async (scene: Scene): Promise<void> => {
  scene.claims = await scene.victim.claim(8, never);
};
const pushAndClaim = async (scene: Scene): Promise<void> => {
  await scene.push(...ELEMENTS);
  await claimAll(scene);
  expect(scene.claims).toHaveLength(ELEMENTS.length);
};
const oneTwin = (scene: Scene): Claim => scene.claims.find(({ raw }) => String(raw) === 'twin')!;
const acknowledge = async (scene: Scene, claims: readonly Claim[]): Promise<void> => {
  scene.acked.push(...claims.map(({ raw }) => String(raw)));
  scene.claims = scene.claims.filter((claim) => !claims.includes(claim));
  await scene.victim.ack(claims);
};
const settleTwin = async (scene: Scene, how: (claim: Claim) => Promise<unknown>): Promise<void> => {
  const claim = oneTwin(scene);
  scene.claims = scene.claims.filter((other) => other !== claim);
  await how(claim);
};
const suspect = async (scene: Scene, kills: number): Promise<void> => {
  await scene.push(...ELEMENTS);
  await scene.client.lpush(scene.keys.suspects, 'twin');
  await scene.kills('twin', kills);
};
const deadTwin = ({ client, keys, proxy }: Scene): Promise<void> =>
  until('the twin is dead', async () => proxy.isCut || (await client.llen(keys.deadLetters)) === 1);

const STEPS: readonly Step[] = [
  { name: 'register', isOpening: true, act: ({ victim }) => victim.open() },
  { name: 'claim', prepare: (scene) => scene.push(...ELEMENTS), act: claimAll },
  {
    name: 'claim by waiting',
    isWaiting: true,
    act: async (scene) => {
      const claimed = claimAll(scene);
      // Pushed once the claim waits on the server, or will never get there.
      const isWaiting = until('it waits', () => scene.proxy.seen.includes('BLMOVE')).catch(() => undefined);
      await Promise.race([isWaiting, scene.proxy.whenCut()]);
      await scene.push(...ELEMENTS);
      await claimed;
    },
  },
  {
    name: 'acknowledge',
    prepare: async (scene) => {
      await pushAndClaim(scene);
      // With a past, which is to be forgotten.
      await scene.kills(ELEMENTS[0]!, 1);
    },
    act: (scene) => acknowledge(scene, [scene.claims[0]!, oneTwin(scene)]),
  },
  {
    name: 'retry',
    prepare: pushAndClaim,
    act: (scene) => settleTwin(scene, (claim) => scene.victim.retry(claim, failure)),
  },
  {
    name: 'retry by a script that the server has forgotten',
    prepare: async (scene) => {
      await pushAndClaim(scene);
      await scene.client.script('FLUSH');
    },
    act: (scene) => settleTwin(scene, (claim) => scene.victim.retry(claim, failure)),
  },
  {
    name: 'bury when the attempts are spent',
    prepare: async (scene) => {
      await pushAndClaim(scene);
      await scene.client.hset(scene.keys.tries, sha1Hex(Buffer.from('twin')), 1);
    },
    act: (scene) => settleTwin(scene, (claim) => scene.victim.retry(claim, failure)),
  },
  {
    name: 'bury',
    prepare: pushAndClaim,
    act: (scene) => settleTwin(scene, (claim) => scene.victim.bury(claim, fatal)),
  },
  {
    name: 'promote',
    prepare: async (scene) => {
      await scene.push('twin');
      for (const member of ['1|twin', '2|twin', '3|{"photo_id":1}'])
        await scene.client.zadd(scene.keys.retry, 1, member);
    },
    act: ({ upkeep, keys }) => promoteDue(upkeep, keys),
  },
  {
    name: 'reap',
    prepare: async ({ client, keys }) => {
      await client.lpush(keys.processing('dead'), ...ELEMENTS);
      await client.lpush(keys.processing('dead, too'), 'twin');
      await client.sadd(keys.consumers, 'dead', 'dead, too');
    },
    act: ({ upkeep, keys }) => reapDead(upkeep, keys, ''),
  },
  { name: 'claim a suspect', prepare: (scene) => suspect(scene, 1), act: claimAll },
  {
    name: 'bury what has killed three',
    prepare: (scene) => suspect(scene, 3),
    act: (scene) => claimAll(scene).then(() => deadTwin(scene)),
  },
  {
    name: 'adopt what nobody knows of',
    isWaiting: true,
    prepare: async (scene) => {
      await pushAndClaim(scene);
      const [consumer = ''] = await scene.client.smembers(scene.keys.consumers);
      await scene.client.lpush(scene.keys.processing(consumer), 'twin');
      // Made anew: a new connection is a reason to compare.
      await scene.proxy.cut();
      scene.proxy.mend();
    },
    act: async (scene) => {
      const adopted = await scene.victim.claim(8, never);
      scene.claims = [...scene.claims, ...adopted];
    },
  },
  {
    name: 'give back',
    prepare: async (scene) => {
      await suspect(scene, 1);
      await claimAll(scene);
      scene.claims = [...scene.claims, ...(await scene.victim.claim(2, never))];
      expect(scene.claims).toHaveLength(3);
    },
    act: async (scene) => {
      await scene.victim.giveBack();
      // Where it fails they are still held.
      scene.claims = [];
    },
  },
  {
    name: 'close',
    isLast: true,
    prepare: pushAndClaim,
    act: async (scene) => {
      scene.claims = [];
      await scene.victim.close({ deadlineMs: scene.closeMs });
    },
  },
];

describe('a consumer that is cut off at any command of', () => {
  let server: RedisServer;
  let client: Redis;

  beforeAll(async () => {
    server = await startRedis();
    client = server.client();
    return () => server.stop();
  });

  const loadScripts = async (): Promise<void> => {
    const scripts = [TAKE, ACKNOWLEDGE, RETRY, BURY, GIVE_BACK_SUSPECT, PROMOTE, REAP];
    for (const { lua } of scripts) await client.script('LOAD', lua);
  };

  const withScene = async <T>(
    step: Step,
    use: (scene: Scene, pushed: () => string[]) => Promise<T>,
    closeMs = 1000,
  ): Promise<T> => {
    await client.flushall();
    await loadScripts();
    const name = `crash-${randomUUID()}`;
    const keys = redisKeys(name, `${name}_dlq`);
    const proxy = await startCommandProxy(server.port);
    const patience = step.isWaiting ? { claimTimeoutMs: PATIENT_MS } : {};
    const victim = redisQueue({ ...STILL, ...patience, name, url: proxy.url });
    const upkeep = new Redis(proxy.url, { lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0 });
    upkeep.on('error', () => undefined);
    const scene: Scene = {
      ...{ client, keys, proxy, victim, upkeep, closeMs, claims: [], acked: [] },
      push: async (...elements) => {
        await client.lpush(name, ...elements);
      },
      kills: async (element, count) => {
        await client.hset(keys.tries, `${sha1Hex(Buffer.from(element))}:k`, count);
      },
    };
    try {
      if (!step.isOpening) await victim.open();
      await upkeep.connect();
      await step.prepare?.(scene);
      const before = residents(await readQueue(client, keys));
      // A step that pushes by itself pushes these.
      const pushed = (): string[] => (before.length > 0 || step.isOpening ? before : ELEMENTS);
      proxy.forget();
      return await use(scene, pushed);
    } finally {
      upkeep.disconnect();
      await proxy.cut();
      await victim.close({ deadlineMs: 0 });
      await proxy.stop();
    }
  };

  describe.each(STEPS.map((step) => [step.name, step] as const))('%s', (_, step) => {
    const ways = step.act.toString().includes('upkeep') ? (['dies'] as const) : (['dies', 'goes on'] as const);
    it.each(ways)('and %s: nothing is lost, nothing multiplied', async (way) => {
      const carryOut = async (scene: Scene): Promise<string[]> => {
        await step.act(scene);
        return [...scene.proxy.seen];
      };
      const commands = await withScene(step, carryOut, 10_000);
      let reached = 0;
      const places = placesIn(commands);
      for (const place of places) {
        for (const moment of ['before', 'after'] as const) {
          const where = `${moment} command ${place}, ${commands[place] ?? ''}, of ${commands.join(' ')}`;
          const point = { place, moment, way, where };
          if (await withScene(step, (scene, pushed) => cutAndRecover(step, scene, pushed, point))) reached += 1;
        }
      }
      expect(reached).toBeGreaterThan(1.8 * places.length - 1);
    });
  });

  interface Point {
    readonly place: number;
    readonly moment: Moment;
    readonly way: 'dies' | 'goes on';
    readonly where: string;
  }

  async function cutAndRecover(step: Step, scene: Scene, pushed: () => string[], point: Point): Promise<boolean> {
    const { proxy, victim, keys } = scene;
    proxy.cutAt(point.place, point.moment);
    const acting = step.act(scene).catch(() => undefined);
    await Promise.race([proxy.whenCut(), acting]);
    const isReached = proxy.isCut;
    // A look more or less at the clock, and a step has one command less: it is cut off after its end then.
    await proxy.cut();
    if (point.way === 'dies') {
      await victim.close({ deadlineMs: 0 });
      await acting;
      checkPlaces(await readQueue(client, keys), pushed(), scene, point);
      await recover(scene, pushed(), point);
      return isReached;
    }
    checkPlaces(await readQueue(client, keys), pushed(), scene, point);
    proxy.mend();
    if (step.isLast) {
      await acting;
      await recover(scene, pushed(), point);
      return isReached;
    }
    await finishByItself(scene, acting, point);
    checkEnd(await readQueue(client, keys), pushed(), scene, point);
    return isReached;
  }

  /** Where everything is right after the cut: no copy more than were pushed, none less than were not acknowledged. */
  function checkPlaces(now: QueueSnapshot, pushed: readonly string[], scene: Scene, { where }: Point): void {
    const there = residents(now);
    expect(multisetDifference(there, pushed), `multiplied ${where}`).toEqual([]);
    const gone = multisetDifference(pushed, there);
    expect(multisetDifference(gone, scene.acked), `lost ${where}`).toEqual([]);
  }

  /** Another consumer finds what the dead one held, and does everything. */
  async function recover(scene: Scene, pushed: readonly string[], point: Point): Promise<void> {
    const { keys } = scene;
    const left = await readQueue(client, keys);
    // Its time runs out.
    for (const key of left.keys) if (key.startsWith(keys.heartbeat(''))) await client.del(key);
    const there = residents(left);
    const acked: string[] = [];
    const other = redisQueue({ ...STILL, name: keys.queue, url: server.url });
    await other.open();
    await drain(other, keys, acked, point);
    await other.close();
    const end = await readQueue(client, keys);
    const ends = [...acked, ...end.dead.map(({ raw }) => raw)];
    expect(multisetDifference(there, ends), `not done ${point.where}`).toEqual([]);
    expect(multisetDifference(ends, there), `done twice ${point.where}`).toEqual([]);
    scene.acked.push(...acked);
    checkEnd(end, pushed, scene, point);
    expect(end.keys, `left behind ${point.where}`).toEqual([]);
  }

  async function finishByItself(scene: Scene, acting: Promise<unknown>, point: Point): Promise<void> {
    const state = { isOver: false };
    const ended = acting.then(() => (state.isOver = true));
    // What a claim loop does: a settlement without an answer is made good by the next claim.
    while (!state.isOver) {
      const claims = await scene.victim.claim(1, never).catch(() => []);
      await acknowledge(scene, claims);
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 5))]);
    }
    await acknowledge(scene, scene.claims);
    await drain(scene.victim, scene.keys, scene.acked, point);
  }

  function checkEnd(end: QueueSnapshot, pushed: readonly string[], scene: Scene, { where }: Point): void {
    const dead = end.dead.map(({ raw }) => raw);
    expect(multisetDifference(pushed, [...scene.acked, ...dead]), `lost ${where}`).toEqual([]);
    expect(residents(end), `not done ${where}`).toEqual(dead);
    expect([...end.tries.keys()], `counters left ${where}`).toEqual([]);
  }

  /** Does everything that there is, as fast as time can pass. */
  async function drain(queue: Queue, keys: RedisKeys, acked: string[], { where }: Point): Promise<void> {
    await until(`everything is done, cut off ${where}`, async () => {
      await reapDead(client, keys, '');
      for (const member of await client.zrangebyscore(keys.retry, '-inf', '+inf'))
        await client.zadd(keys.retry, 1, member);
      await promoteDue(client, keys);
      const claims = await queue.claim(8, never);
      await queue.ack(claims);
      acked.push(...claims.map(({ raw }) => String(raw)));
      const now = await readQueue(client, keys);
      return residents(now).length === now.dead.length;
    });
  }
});

/** Giving back asks for more than there is: of a long run of the same command its begin and its end. */
function placesIn(commands: readonly string[]): readonly number[] {
  const isSame = (place: number, other: number): boolean => commands[place] === commands[other];
  return commands
    .map((_, place) => place)
    .filter((place) => {
      const isInside = [-6, -5, -4, -3, -2, -1, 1].every((distance) => isSame(place, place + distance));
      return !isInside;
    });
}
