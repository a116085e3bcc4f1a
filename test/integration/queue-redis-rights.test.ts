import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { RunnerError } from '../../src/errors.js';
import { sha1Hex } from '../../src/queue/dead-letter.js';
import { deadLetters } from '../../src/queue/dead-letters.js';
import { QueueWatch } from '../../src/queue/queue-watch.js';
import type { Claim, Queue, QueueEvent } from '../../src/queue/queue.js';
import { redisQueue } from '../../src/queue/redis.js';
import { findForgotten, pruneTries } from '../../src/queue/redis-upkeep.js';
import { documentedAcl, documentedRights, documentedToolRights } from '../support/documented-acl.js';
import { makeLab, never, QUICK, type RedisLab, startLabServer } from '../support/redis-lab.js';
import { until } from '../support/until.js';

const PASSWORD = 'pw';

let base: Awaited<ReturnType<typeof startLabServer>>;
let lab: RedisLab;
const opened: Queue[] = [];
let connection: { host: string; port: number; username: string; password: string };

beforeAll(async () => {
  base = await startLabServer();
  return () => base.server.stop();
});
beforeEach(async () => {
  lab = makeLab(base);
  connection = { host: '127.0.0.1', port: lab.server.port, username: 'runner', password: PASSWORD };
  const names = { user: 'runner', password: PASSWORD, queue: lab.name, deadLetters: lab.keys.deadLetters };
  await lab.client.call('ACL', ...documentedAcl(names));
  await lab.client.call('ACL', 'LOG', 'RESET');
  // What the server has cached needs no EVAL.
  await lab.client.script('FLUSH');
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((queue) => queue.close({ deadlineMs: 1000 })));
  await lab.client.call('ACL', 'DELUSER', 'runner');
  await lab.client.flushall();
});

/** What the server refused, the command's name first. */
async function refused(): Promise<readonly string[]> {
  const log = (await lab.client.call('ACL', 'LOG', '100')) as string[][];
  return log.map((entry) => entry[entry.indexOf('object') + 1] ?? '');
}

/** Does with each job what its text says, as far as the server lets us; answers when `isOver` does. */
async function doEverything(one: OpenQueue, report: (error: unknown) => void, isOver: () => boolean): Promise<void> {
  const { queue } = one;
  let retried = one.count('promoted') > 0;
  const steps: Record<string, (claim: Claim) => Promise<unknown>> = {
    buried: (claim) => queue.bury(claim, { error: new RunnerError('JOB_INVALID', 'x') }),
    retried: (claim) => {
      const isSecond = retried;
      retried = true;
      return isSecond ? queue.ack([claim]) : queue.retry(claim, { error: new RunnerError('FILE_IO', 'x') });
    },
    kept: () => Promise.resolve(),
  };
  await until('everything was done', async () => {
    for (const claim of await queue.claim(10, never)) {
      const step = steps[claim.raw.toString()] ?? ((done: Claim) => queue.ack([done]));
      // What is refused is owed until it is granted: waiting for it here would be waiting for ever.
      step(claim).catch(report);
    }
    await queue.depth().catch(report);
    return isOver();
  });
}

interface OpenQueue {
  readonly queue: Queue;
  readonly events: readonly QueueEvent[];
  count(type: QueueEvent['type']): number;
}

async function open(): Promise<OpenQueue> {
  const queue = redisQueue({ ...QUICK, name: lab.name, connection });
  opened.push(queue);
  const events: QueueEvent[] = [];
  await queue.open((event) => events.push(event));
  return { queue, events, count: (type) => events.filter((event) => event.type === type).length };
}

async function prepare(): Promise<void> {
  await lab.leaveBehind('dead', 'suspect', 'kept');
  await lab.push('done', 'retried', 'buried');
}

describe('security 11: a user with the documented rights and no others', () => {
  it('can do everything that a queue does', async () => {
    await prepare();
    const one = await open();
    const isOver = (): boolean => one.count('reaped') > 0 && one.count('promoted') > 0;
    await doEverything(one, (error) => expect(error).toBeUndefined(), isOver);
    await until('all that can be is settled', async () => {
      const { waiting, inFlight, retry, suspects, dead } = await one.queue.depth();
      if (suspects > 0 || waiting > 0)
        await doEverything(
          one,
          () => undefined,
          () => true,
        );
      return waiting + retry + suspects === 0 && inFlight <= 1 && dead === 1;
    });
    const user = await userClient();
    await pruneTries(user, lab.keys);
    await findForgotten(user, lab.keys);
    await one.queue.close();
    expect(await lab.client.lrange(lab.keys.suspects, 0, -1)).toEqual(['kept']);
    expect(one.events.filter(({ type }) => type === 'down' || type === 'warning')).toEqual([]);
    expect(await refused()).toEqual([]);
  });

  /** Without them something is missed, but nothing fails. */
  const harmless = ['+client|setname'];
  /** What only the hourly tidying does. */
  const hourly = ['+scan', '+hscan'];
  const needed = documentedRights().filter((right) => ![...harmless, ...hourly].includes(right));

  it.each(needed)('is told what is missing without %s', async (right) => {
    await lab.client.call('ACL', 'SETUSER', 'runner', right.replace('+', '-'));
    await prepare();
    const reports: string[] = [];
    const report = (error: unknown): void => void reports.push((error as Error).message);
    const one = await open();
    const told = (): readonly string[] => [
      ...reports,
      ...one.events.flatMap((event) =>
        event.type === 'down' ? [event.error.message] : event.type === 'warning' ? [event.message] : [],
      ),
    ];
    const isTold = (): boolean => told().some((message) => message.includes('Grant its user the commands'));
    // Some are needed only to leave.
    const isAtTheEnd = right === '+unlink';
    await doEverything(one, report, () => isTold() || (isAtTheEnd && one.count('reaped') > 0));
    if (isAtTheEnd) await one.queue.close({ deadlineMs: 1500 });
    expect(isTold(), told().join('\n')).toBe(true);
    expect(await refused()).toContain(right.slice(1));
    expect(told().join('\n')).not.toContain(PASSWORD);
  });

  it.each(hourly)('cannot tidy up without %s', async (right) => {
    await lab.client.call('ACL', 'SETUSER', 'runner', right.replace('+', '-'));
    const user = await userClient();
    const tidy = async (): Promise<void> => {
      await pruneTries(user, lab.keys);
      await findForgotten(user, lab.keys);
    };
    await expect(tidy()).rejects.toThrow(/NOPERM/);
  });

  it('goes on as soon as a right is granted', async () => {
    await lab.client.call('ACL', 'SETUSER', 'runner', '-blmove', '-lmove');
    const one = await open();
    await lab.push('a');
    expect(await one.queue.claim(1, never)).toEqual([]);
    expect(one.events[0]).toMatchObject({ type: 'down', error: { code: 'QUEUE_UNAVAILABLE' } });
    await lab.client.call('ACL', 'SETUSER', 'runner', '+blmove', '+lmove');
    expect(await claimOne(one.queue)).toBe('a');
    expect(one.events.map(({ type }) => type)).toEqual(['down', 'up']);
  });

  describe('with those for the tools', () => {
    const letter = '{"photo_id":1,"_runner":{"id":"01JD3Q6Z7W8X9Y0Z1A2B3C4D5E","reason":"decode"}}';
    const tools = async (): Promise<void> => {
      const letters = deadLetters({ connection, name: lab.name });
      const watch = new QueueWatch({ connection, name: lab.name });
      try {
        await lab.client.lpush(lab.keys.deadLetters, letter, letter, 'bare');
        await lab.client.hset(lab.keys.deadLetterNotes, 'id', `{"id":"id","sha1":"${sha1Hex(Buffer.from('bare'))}"}`);
        await lab.leaveBehind('gone', 'x');
        expect((await watch.look()).dead).toBe(3);
        expect(await letters.redrive({}, { limit: 2 })).toBe(2);
        expect(await letters.purge()).toBe(1);
      } finally {
        await letters.close();
        await watch.close();
      }
    };

    it('looks at the queue, puts dead letters back and removes them', async () => {
      await lab.client.call('ACL', 'SETUSER', 'runner', ...documentedToolRights());
      await tools();
      expect(await refused()).toEqual([]);
    });

    it.each(documentedToolRights())('needs %s', async (right) => {
      await lab.client.call('ACL', 'SETUSER', 'runner', ...documentedToolRights(), right.replace('+', '-'));
      await expect(tools()).rejects.toMatchObject({ message: expect.stringContaining('Grant its user') as string });
      expect(await refused()).toContain(right.slice(1));
    });
  });

  it('sees nothing of other queues', async () => {
    const user = await userClient();
    await expect(user.llen('another')).rejects.toThrow(/NOPERM/);
    await expect(user.eval("return redis.call('LLEN', 'another')", 1, lab.name)).rejects.toThrow(/can't|NOPERM/);
    await expect(user.flushall()).rejects.toThrow(/NOPERM/);
    await expect(user.config('GET', '*')).rejects.toThrow(/NOPERM/);
  });
});

async function claimOne(queue: Queue): Promise<string> {
  let claims: readonly Claim[] = [];
  await until('something can be claimed', async () => (claims = await queue.claim(1, never)).length > 0);
  return claims[0]!.raw.toString();
}

async function userClient(): Promise<RedisLab['client']> {
  const user = lab.server.client();
  await user.auth('runner', PASSWORD);
  return user;
}
