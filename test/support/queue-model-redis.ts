import { randomUUID } from 'node:crypto';

import type { Redis } from 'ioredis';

import { type RedisKeys, redisKeys } from '../../src/queue/redis-keys.js';
import { BURY, RETRY, runScript } from '../../src/queue/redis-scripts.js';
import { promoteDue, reapDead } from '../../src/queue/redis-upkeep.js';
import { redisQueue } from '../../src/queue/redis.js';
import { type CommandProxy, startCommandProxy } from './command-proxy.js';
import { readDeadLetter } from '../../src/queue/dead-letter.js';
import {
  MODEL_MAX_KILLS,
  MODEL_OPTIONS,
  type ModelConsumer,
  type ModelHazards,
  type ModelWorld,
} from './queue-model.js';
import { readQueue } from './queue-snapshot.js';

/** Nothing happens by itself: time passes, and the dead are looked for, when the model says so. */
const STILL = { heartbeatTtlMs: 600_000, beatMs: 200_000, reapEveryMs: 200_000, promoteEveryMs: 200_000 };
/** Longer than the server needs to answer, where a command is sent at all. */
const UNANSWERED_MS = 15;

/** A queue of its own on a real server, each consumer with a way of its own to it. */
export function redisModelWorld(server: { readonly port: number }, client: Redis): ModelWorld {
  const name = `model-${randomUUID()}`;
  const keys = redisKeys(name, `${name}_dlq`);
  const ways = new Map<ModelConsumer, CommandProxy>();
  const way = (consumer: ModelConsumer): CommandProxy =>
    ways.get(consumer) ?? [...ways].find(([{ id }]) => id === consumer.id)![1];
  return {
    hazards: redisHazards(client, keys, way),
    open: async () => {
      const before = await client.smembers(keys.consumers);
      const proxy = await startCommandProxy(server.port);
      const queue = redisQueue({
        ...STILL,
        ...MODEL_OPTIONS,
        maxKills: MODEL_MAX_KILLS,
        random: () => 0,
        name,
        url: proxy.url,
      });
      await queue.open();
      const id = (await client.smembers(keys.consumers)).find((consumer) => !before.includes(consumer))!;
      const consumer = { queue, id };
      ways.set(consumer, proxy);
      return consumer;
    },
    push: async (element) => {
      await client.lpush(name, element);
    },
    read: () => readQueue(client, keys),
    passTime: async () => {
      await dueNow(client, keys);
      await promoteDue(client, keys);
    },
    dispose: async () => {
      await Promise.all([...ways.values()].map((proxy) => proxy.cut()));
      await Promise.all([...ways.keys()].map(({ queue }) => queue.close({ deadlineMs: 0 })));
      await Promise.all([...ways.values()].map((proxy) => proxy.stop()));
      const left = await readQueue(client, keys);
      await client.unlink(name, keys.deadLetters, ...left.keys);
    },
  };
}

function redisHazards(client: Redis, keys: RedisKeys, way: (consumer: ModelConsumer) => CommandProxy): ModelHazards {
  return {
    crash: async (consumer) => {
      await way(consumer).cut();
      await consumer.queue.close({ deadlineMs: 0 });
    },
    freeze: async ({ id }) => {
      await client.del(keys.heartbeat(id));
    },
    reconnect: async (consumer) => {
      await way(consumer).cut();
      way(consumer).mend();
    },
    loseReplies: async (consumer, work) => {
      const proxy = way(consumer);
      proxy.swallowReplies();
      const result = work();
      result.catch(() => undefined);
      const until = performance.now() + UNANSWERED_MS;
      while (proxy.swallowed === 0 && performance.now() < until) await new Promise(setImmediate);
      await proxy.cut();
      proxy.mend();
      return result;
    },
    reap: async (living) => {
      const { keys: own } = await readQueue(client, keys);
      const beating = new Set(living.map(({ id }) => keys.heartbeat(id)));
      const silent = own.filter((key) => key.startsWith(keys.heartbeat('')) && !beating.has(key));
      if (silent.length > 0) await client.del(...silent);
      await reapDead(client, keys, '');
    },
    repeatScript: (pick) => repeatScript(client, keys, pick),
    redrive: async (pick) => {
      const entries = await client.lrangeBuffer(keys.deadLetters, 0, -1);
      const entry = entries[pick % Math.max(1, entries.length)];
      if (!entry) return false;
      const { original } = readDeadLetter(entry);
      await client.multi().lpush(keys.queue, original).lrem(keys.deadLetters, 1, entry).exec();
      return true;
    },
    checkpoint: async () => {
      const { keys: own } = await readQueue(client, keys);
      const names = [...own, keys.queue, keys.deadLetters];
      const dumps = await Promise.all(names.map((key) => client.dumpBuffer(key)));
      return async () => {
        const { keys: now } = await readQueue(client, keys);
        const transaction = client.multi().unlink(...now, ...names);
        names.forEach((key, place) => {
          const dump = dumps[place] as Buffer | null;
          if (dump) transaction.restore(key, 0, dump);
        });
        await transaction.exec();
      };
    },
  };
}

async function dueNow(client: Redis, keys: RedisKeys): Promise<void> {
  const members = await client.zrangebyscoreBuffer(keys.retry, '-inf', '+inf');
  if (members.length > 0) await client.zadd(keys.retry, ...members.flatMap((member) => [1, member]));
}

/** One that some consumer has carried out, with the same nonce, on the list of one that may hold identical elements. */
async function repeatScript(client: Redis, keys: RedisKeys, pick: number): Promise<string | undefined> {
  const { held } = await readQueue(client, keys);
  const list = keys.processing([...held.keys()][pick % Math.max(1, held.size)] ?? 'nobody');
  const retries = await client.zrangebyscoreBuffer(keys.retry, '-inf', '+inf');
  const entries = await client.lrangeBuffer(keys.deadLetters, 0, -1);
  const retry = retries[pick % Math.max(1, retries.length)];
  if (retry) {
    const bar = retry.indexOf('|');
    const args = [retry.subarray(bar + 1), retry.toString('latin1', 0, bar), 60_000, 60_000];
    const [said] = (await runScript(client, RETRY, [list, keys.retry, keys.tries], args)) as unknown[];
    return String(said);
  }
  const entry = entries[pick % Math.max(1, entries.length)];
  if (!entry) return undefined;
  const { original, note } = readDeadLetter(entry);
  const scriptKeys = [list, keys.deadLetters, keys.tries, keys.deadLetterNotes];
  return String(await runScript(client, BURY, scriptKeys, [original, entry, String(note?.['id'])]));
}
