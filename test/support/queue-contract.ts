import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { RunnerError } from '../../src/errors.js';
import type { CommonQueueOptions } from '../../src/queue/queue-options.js';
import type { Claim, Queue } from '../../src/queue/queue.js';
import { until } from './until.js';

/** What a kind of queue has to offer to be held against the contract. Each test gets a new one, and empty. */
export interface QueueHarness {
  /** A queue that isn't open yet. */
  create(options: CommonQueueOptions): Queue;
  /** As a producer does. */
  push(...elements: readonly Buffer[]): Promise<void>;
  /** What waits, the next to be taken first. */
  waiting(): Promise<readonly Buffer[]>;
  /** The entries of the dead letters, the first to die first. */
  dead(): Promise<readonly Buffer[]>;
  dispose(): Promise<void>;
}

const never = new AbortController().signal;
const FAST = { backoffBaseMs: 1, backoffMaxMs: 2, claimTimeoutMs: 300 };

/** Every queue passes these. */
export function describeQueueContract(makeHarness: () => Promise<QueueHarness>): void {
  let harness: QueueHarness;
  let queue: Queue;

  const open = async (options: CommonQueueOptions = {}): Promise<Queue> => {
    queue = harness.create({ ...FAST, ...options });
    await queue.open();
    return queue;
  };
  const elements = (...texts: readonly string[]): Buffer[] => texts.map((text) => Buffer.from(text));
  const texts = (claims: readonly Claim[]): string[] => claims.map(({ raw }) => raw.toString());
  const claimOne = async (): Promise<Claim> => {
    let claim: Claim | undefined;
    await until('an element can be claimed', async () => {
      [claim] = await queue.claim(1, never);
      return claim !== undefined;
    });
    return claim!;
  };
  const noteOf = (entry: Buffer): Record<string, unknown> =>
    (JSON.parse(entry.toString()) as { _runner: Record<string, unknown> })._runner;

  beforeEach(async () => {
    harness = await makeHarness();
  });
  afterEach(async () => {
    await queue.close();
    await harness.dispose();
  });

  it('hands out the oldest elements first, as many as asked for', async () => {
    await open();
    await harness.push(...elements('1', '2', '3'));
    expect(texts(await queue.claim(2, never))).toEqual(['1', '2']);
    expect(texts(await queue.claim(2, never))).toEqual(['3']);
  });

  it('hands out each element once, however many claims it takes at a time', async () => {
    await open();
    const names = Array.from({ length: 60 }, (_, i) => String(i));
    await harness.push(...elements(...names));
    const seen: string[] = [];
    const claimOn = async (): Promise<void> => {
      while (seen.length < names.length) {
        const claims = await queue.claim(3, never);
        seen.push(...texts(claims));
        await queue.ack(claims);
      }
    };
    await Promise.all(Array.from({ length: queue.claimsAtOnce ?? 1 }, claimOn));
    expect(seen).toHaveLength(60);
    expect(new Set(seen)).toEqual(new Set(names));
    expect(await queue.giveBack()).toBe(0);
  });

  it('tells how long it is before it is opened, and can still be opened', async () => {
    queue = harness.create(FAST);
    await harness.push(...elements('1', '2'));
    expect(await queue.depth()).toEqual({ waiting: 2, inFlight: 0, retry: 0, suspects: 0, dead: 0 });
    await queue.open();
    expect(texts(await queue.claim(2, never))).toEqual(['1', '2']);
  });

  it('takes what comes while it waits', async () => {
    await open({ claimTimeoutMs: 5000 });
    const claims = queue.claim(4, never);
    await harness.push(...elements('late'));
    expect(texts(await claims)).toEqual(['late']);
  });

  it('answers with nothing when its time is up', async () => {
    await open({ claimTimeoutMs: 30 });
    expect(await queue.claim(1, never)).toEqual([]);
  });

  it('answers with nothing when the signal aborts, and leaves what comes later alone', async () => {
    await open({ claimTimeoutMs: 10_000 });
    const controller = new AbortController();
    const claims = queue.claim(1, controller.signal);
    controller.abort();
    expect(await claims).toEqual([]);
    await harness.push(...elements('later'));
    expect(texts(await queue.claim(1, never))).toEqual(['later']);
  });

  it('forgets what was acknowledged', async () => {
    await open();
    await harness.push(...elements('a', 'b'));
    await queue.ack(await queue.claim(2, never));
    expect(await queue.depth()).toEqual({ waiting: 0, inFlight: 0, retry: 0, suspects: 0, dead: 0 });
    expect(await queue.giveBack()).toBe(0);
  });

  it('treats identical elements as two jobs', async () => {
    await open();
    await harness.push(...elements('twin', 'twin'));
    const [first, second] = await queue.claim(2, never);
    expect(first!.id).not.toBe(second!.id);
    await queue.ack([first!]);
    expect((await queue.depth()).inFlight).toBe(1);
    await queue.bury(second!, { error: new RunnerError('JOB_INVALID', 'no') });
    expect(await harness.dead()).toHaveLength(1);
  });

  it('counts a claim once, however often it is acknowledged', async () => {
    await open();
    await harness.push(...elements('twin', 'twin'));
    const [first] = await queue.claim(2, never);
    await queue.ack([first!]);
    await queue.ack([first!, first!]);
    expect((await queue.depth()).inFlight).toBe(1);
  });

  it('keeps every byte of an element: binary, invalid UTF-8, numbers beyond 2^53', async () => {
    await open();
    const strange = [
      Buffer.from([0, 255, 254, 10, 13, 0]),
      Buffer.from([0xc3, 0x28, 0xa0, 0xa1]),
      Buffer.from('{"photo_id":9007199254740993,"x":1.0e0}'),
      Buffer.from(''),
      Buffer.from('\uFEFF{"photo_id": 1}'),
    ];
    await harness.push(...strange);
    const claims = await queue.claim(10, never);
    expect(claims.map(({ raw }) => raw)).toEqual(strange);
    await queue.giveBack();
    expect(await harness.waiting()).toEqual(strange);
  });

  it('tries a failed job again after a while', async () => {
    await open();
    await harness.push(...elements('{"photo_id":1}'));
    const outcome = await queue.retry(await claimOne(), { error: new RunnerError('FILE_IO', 'disk') });
    expect(outcome).toEqual({ kind: 'scheduled', attempts: 1, delayMs: 1 });
    expect((await claimOne()).raw.toString()).toBe('{"photo_id":1}');
  });

  it('holds a retry back for as long as the failure asks', async () => {
    await open();
    await harness.push(...elements('{"photo_id":1}'));
    const failure = { error: new RunnerError('HTTP_RATE_LIMITED', 'slow down'), minDelayMs: 60_000 };
    expect(await queue.retry(await claimOne(), failure)).toEqual({ kind: 'scheduled', attempts: 1, delayMs: 60_000 });
    expect(await queue.depth()).toMatchObject({ waiting: 0, retry: 1, inFlight: 0 });
  });

  it('buries a job as exhausted once its attempts are spent', async () => {
    await open({ maxAttempts: 3 });
    await harness.push(...elements('{"photo_id":1}'));
    const failure = { error: new RunnerError('RUN_FAILED', 'bad luck') };
    expect(await queue.retry(await claimOne(), failure)).toMatchObject({ kind: 'scheduled', attempts: 1 });
    expect(await queue.retry(await claimOne(), failure)).toMatchObject({ kind: 'scheduled', attempts: 2 });
    expect(await queue.retry(await claimOne(), failure)).toEqual({ kind: 'buried', attempts: 3 });
    const [entry] = await harness.dead();
    expect(noteOf(entry!)).toMatchObject({ reason: 'exhausted', attempts: 3, error: { code: 'RUN_FAILED' } });
  });

  it('buries a job under its own reason where its error is worth fewer attempts', async () => {
    await open({ maxAttempts: 5 });
    await harness.push(...elements('{"photo_id":1}'));
    const failure = { error: new RunnerError('FILE_NOT_FOUND', 'gone') };
    await queue.retry(await claimOne(), failure);
    expect(await queue.retry(await claimOne(), failure)).toEqual({ kind: 'buried', attempts: 2 });
    expect(noteOf((await harness.dead())[0]!)).toMatchObject({ reason: 'not_found', attempts: 2 });
  });

  it('forgets the failures of a job that succeeded', async () => {
    await open({ maxAttempts: 2 });
    const failure = { error: new RunnerError('FILE_IO', 'disk') };
    await harness.push(...elements('{"photo_id":1}'));
    await queue.retry(await claimOne(), failure);
    await queue.ack([await claimOne()]);
    await harness.push(...elements('{"photo_id":1}'));
    expect(await queue.retry(await claimOne(), failure)).toMatchObject({ kind: 'scheduled', attempts: 1 });
  });

  it('buries with a note that leaves the job as it was', async () => {
    await open();
    await harness.push(...elements('{"photo_id":9007199254740993,"tasks":["clip"]}'));
    await queue.bury(await claimOne(), { error: new RunnerError('IMAGE_DECODE', 'broken\u0007') });
    const [entry] = await harness.dead();
    expect(entry!.toString()).toMatch(/^\{"photo_id":9007199254740993,"tasks":\["clip"\],"_runner":\{.*\}\}$/);
    expect(noteOf(entry!)).toMatchObject({
      v: 1,
      reason: 'decode',
      attempts: 1,
      kills: 0,
      error: { name: 'RunnerError', code: 'IMAGE_DECODE', message: 'broken\\u0007' },
    });
    expect((await queue.depth()).dead).toBe(1);
  });

  it('keeps an element that is too large as it is', async () => {
    await open({ maxElementBytes: 10 });
    await harness.push(...elements('{"photo_id":12345}'));
    await queue.bury(await claimOne(), { error: new RunnerError('JOB_TOO_LARGE', 'too long') });
    expect(await harness.dead()).toEqual(elements('{"photo_id":12345}'));
  });

  it('gives back what is not settled, in its order, and counts no attempt', async () => {
    await open({ maxAttempts: 2 });
    await harness.push(...elements('1', '2', '3', '4', '5'));
    const claims = await queue.claim(4, never);
    await queue.ack([claims[1]!]);
    expect(await queue.giveBack()).toBe(3);
    expect((await harness.waiting()).map(String)).toEqual(['1', '3', '4', '5']);
    expect(await queue.retry(await claimOne(), { error: new RunnerError('FILE_IO', 'x') })).toMatchObject({
      attempts: 1,
    });
  });

  it('does not touch a job that was given back, whatever its former holder says', async () => {
    await open();
    await harness.push(...elements('a'));
    const [claim] = await queue.claim(1, never);
    await queue.giveBack();
    const [again] = await queue.claim(1, never);
    await queue.ack([claim!]);
    await queue.bury(claim!, { error: new RunnerError('JOB_INVALID', 'no') });
    expect(await queue.depth()).toMatchObject({ inFlight: 1, dead: 0 });
    await queue.ack([again!]);
    expect(await queue.depth()).toMatchObject({ inFlight: 0, waiting: 0 });
  });

  it('counts what lies where', async () => {
    await open();
    await harness.push(...elements('1', '2', '3', '4', '5'));
    const claims = await queue.claim(3, never);
    await queue.bury(claims[0]!, { error: new RunnerError('JOB_INVALID', 'no') });
    await queue.retry(claims[1]!, { error: new RunnerError('FILE_IO', 'x'), minDelayMs: 60_000 });
    expect(await queue.depth()).toEqual({ waiting: 2, inFlight: 1, retry: 1, suspects: 0, dead: 1 });
  });

  it('gives back when it closes, as often as it is closed', async () => {
    await open();
    await harness.push(...elements('1', '2'));
    await queue.claim(2, never);
    await Promise.all([queue.close(), queue.close()]);
    await queue.close();
    expect((await harness.waiting()).map(String)).toEqual(['1', '2']);
    await expect(queue.claim(1, never)).rejects.toMatchObject({ code: 'QUEUE_CLOSED' });
  });

  it('ends a waiting claim when it closes', async () => {
    await open({ claimTimeoutMs: 10_000 });
    const claims = queue.claim(1, never);
    await queue.close();
    expect(await claims).toEqual([]);
  });

  it('can be closed without having been opened', async () => {
    queue = harness.create(FAST);
    await queue.close();
    await expect(queue.claim(1, never)).rejects.toMatchObject({ code: 'QUEUE_CLOSED' });
  });

  describe('options', () => {
    it.each([
      ['name', ''],
      ['jobs', 7],
      ['maxAttempts', 0],
      ['backoffBaseMs', 1.5],
      ['claimTimeoutMs', '5'],
      ['maxElementBytes', -1],
      ['random', 0.5],
    ])('says what was expected of "%s" and what came', async (option, value) => {
      await open();
      const create = (): unknown => harness.create({ [option]: value });
      expect(create).toThrow(expect.objectContaining({ code: 'OPTIONS_INVALID' }) as Error);
      expect(create).toThrow(new RegExp(`"${option}" must be .+, but got `));
    });
  });
}
