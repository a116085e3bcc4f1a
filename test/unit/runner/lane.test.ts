import { describe, expect, it } from 'vitest';
import { RunnerError } from '../../../src/errors.js';
import type { Emit } from '../../../src/events.js';
import { Lane, type LaneItem } from '../../../src/lane.js';
import type { Pool } from '../../../src/pool/pool.js';
import type { ProcessMemory } from '../../../src/process-memory.js';
import type { ThreadItem, ThreadMessage } from '../../../src/pool/protocol.js';

interface Batch {
  readonly items: readonly ThreadItem[];
  /** An outcome of the unit `t/<label>` of an item. */
  say(item: number, label: string): void;
  end(error?: RunnerError): Promise<void>;
}

/** A pool in the hands of the test: batches end when they are told to. */
class HandPool implements Pool {
  readonly threads = 1;
  readonly hasOwnProcess = true;
  readonly batches: Batch[] = [];
  running = 0;
  isDown = false;
  onFree: () => void = () => undefined;
  cancelled = 0;
  memoryNow: ProcessMemory = { rssBytes: 0, limitBytes: 0 };

  idleThreads(): number {
    return this.isDown ? 0 : Math.max(0, 1 - this.running);
  }
  freeSlots(): number {
    return this.isDown ? 0 : 2 - this.running;
  }
  memory(): ProcessMemory {
    return this.memoryNow;
  }
  load(): Promise<never> {
    return Promise.reject(new Error('not asked for'));
  }
  run(items: readonly ThreadItem[], onMessage: (message: ThreadMessage) => void): Promise<void> {
    this.running += 1;
    return new Promise((resolve, reject) => {
      this.batches.push({
        items,
        say: (item, unit) => onMessage({ type: 'outcome', item, task: 't', unit, outcome: { ok: true, value: unit } }),
        end: async (error) => {
          this.running -= 1;
          if (error === undefined) resolve();
          else reject(error);
          await new Promise((turn) => setImmediate(turn));
          this.onFree();
        },
      });
    });
  }
  whenFree(callback: () => void): void {
    this.onFree = callback;
  }
  whenStuck(): void {
    // Never stuck.
  }
  cancel(): void {
    this.cancelled += 1;
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
  kill(): void {
    // Nothing runs.
  }
}

const died = (): RunnerError => new RunnerError('PROCESS_DIED', 'signal SIGABRT');

function setUp(maxBatch = 4) {
  const pool = new HandPool();
  const events: [name: string, event: unknown][] = [];
  const emit: Emit = (name, event) => void events.push([name, event]);
  const lane = new Lane('text', pool, { maxBatch, maxBatchBytes: 1e9, maxWaitMs: 0 }, emit);
  const ends = new Map<string, RunnerError | undefined>();
  const outcomes: string[] = [];
  const item = (name: string, isSuspect = false): LaneItem => ({
    tasks: ['t/a', 't/b'],
    bytes: 0,
    threadItem: { input: { kind: 'text', text: name }, isTrusted: false, tasks: ['t/a', 't/b'] },
    isSuspect,
    sinceMs: performance.now(),
    onOutcome: (_task, unit) => outcomes.push(`${name}:${unit}`),
    onEnd: (error) => ends.set(name, error),
  });
  const names = (batch: Batch | undefined): string[] =>
    batch?.items.map(({ input }) => (input.kind === 'text' ? input.text : '')) ?? [];
  return { pool, lane, ends, events, outcomes, item, names };
}

describe('Lane, when a process dies', () => {
  it('tries what it had in hand again alone, one after the other, before anything else', async () => {
    const { pool, lane, ends, item, names } = setUp(2);
    lane.submit(['a', 'b', 'c', 'd', 'e'].map((name) => item(name)));
    expect(pool.batches.map(names)).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
    // Both were in the process.
    pool.isDown = true;
    await Promise.all(pool.batches.map((batch) => batch.end(died())));
    expect(ends.size).toBe(0);
    pool.isDown = false;
    pool.onFree();
    for (const [index, name] of ['a', 'b', 'c', 'd'].entries()) {
      expect(pool.batches.slice(2).map(names)[index]).toEqual([name]);
      expect(pool.batches).toHaveLength(index + 3);
      pool.batches[index + 2]!.say(0, 'a');
      pool.batches[index + 2]!.say(0, 'b');
      await pool.batches[index + 2]!.end();
    }
    expect([...ends]).toEqual(['a', 'b', 'c', 'd'].map((name) => [name, undefined]));
    expect(names(pool.batches[6])).toEqual(['e']);
  });

  it('does not run again what has its outcome already', async () => {
    const { pool, lane, ends, outcomes, item } = setUp();
    lane.submit([item('done'), item('half'), item('none')]);
    const [first] = pool.batches;
    first!.say(0, 'a');
    first!.say(0, 'b');
    first!.say(1, 'a');
    await first!.end(died());
    expect([...ends]).toEqual([['done', undefined]]);
    expect(pool.batches[1]?.items).toMatchObject([{ input: { text: 'half' }, tasks: ['t/b'] }]);
    pool.batches[1]!.say(0, 'b');
    await pool.batches[1]!.end();
    expect(pool.batches[2]?.items).toMatchObject([{ input: { text: 'none' }, tasks: ['t/a', 't/b'] }]);
    expect(outcomes).toEqual(['done:a', 'done:b', 'half:a', 'half:b']);
  });

  it('takes what kills a third process for poison', async () => {
    const { pool, lane, ends, item } = setUp();
    lane.submit([item('bad')]);
    for (let kill = 1; kill <= 3; kill++) {
      expect(ends.size).toBe(0);
      await pool.batches[kill - 1]!.end(died());
    }
    expect(ends.get('bad')).toMatchObject({ code: 'JOB_POISON', kills: 3 });
    expect(pool.batches).toHaveLength(3);
  });

  it('gives back what is under suspicion when it is cancelled, without a verdict', async () => {
    const { pool, lane, ends, item } = setUp(1);
    lane.submit([item('a'), item('b'), item('c')]);
    pool.isDown = true;
    await pool.batches[0]!.end(died());
    lane.cancel();
    await pool.batches[1]!.end(died());
    expect([...ends].map(([name, error]) => [name, error?.code])).toEqual([
      ['c', 'RUNNER_STOPPED'],
      ['a', 'RUNNER_STOPPED'],
      ['b', 'RUNNER_STOPPED'],
    ]);
  });

  it('fails a batch for another reason as a whole, and suspects nobody', async () => {
    const { pool, lane, ends, item } = setUp();
    lane.submit([item('a'), item('b')]);
    await pool.batches[0]!.end(new RunnerError('THREAD_DIED', 'gone'));
    expect([...ends].map(([, error]) => error?.code)).toEqual(['THREAD_DIED', 'THREAD_DIED']);
    expect(pool.batches).toHaveLength(1);
  });
});

describe('Lane, with an item that an earlier runner died with', () => {
  it('runs it alone, when everything that is under way has ended, and then goes on', async () => {
    const { pool, lane, item, names } = setUp(2);
    lane.submit([item('a'), item('b')]);
    lane.submit([item('suspect', true), item('c'), item('d')]);
    expect(pool.batches.map(names)).toEqual([['a', 'b']]);
    await pool.batches[0]!.end();
    expect(pool.batches.map(names)).toEqual([['a', 'b'], ['suspect']]);
    await pool.batches[1]!.end();
    expect(pool.batches.map(names)).toEqual([['a', 'b'], ['suspect'], ['c', 'd']]);
  });
});

describe('Lane, while memory is short', () => {
  it('sends smaller batches, and tells it', async () => {
    const { pool, lane, events, item, names } = setUp(4);
    pool.memoryNow = { rssBytes: 90, limitBytes: 100 };
    lane.submit(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((name) => item(name)));
    expect(pool.batches.map(names)).toEqual([
      ['a', 'b', 'c', 'd'],
      ['e', 'f', 'g', 'h'],
    ]);
    lane.submit(['i', 'j', 'k', 'l'].map((name) => item(name)));
    await pool.batches[0]!.end();
    expect(names(pool.batches[2])).toEqual(['i', 'j']);
    const limited = events.filter(([name]) => name === 'batch:limited');
    expect(limited).toEqual([['batch:limited', { lane: 'text', maxBatch: 2, rssBytes: 90, limitBytes: 100 }]]);
  });
});
