import { beforeEach, describe, expect, it } from 'vitest';

import { RunnerError } from '../../../src/errors.js';
import { type MemoryQueue, memoryQueue } from '../../../src/queue/memory.js';
import { VirtualClock } from '../../support/virtual-clock.js';

const never = new AbortController().signal;

let queue: MemoryQueue;
let clock: VirtualClock;
beforeEach(async () => {
  clock = new VirtualClock();
  queue = memoryQueue({ clock, name: 'photos' });
  await queue.open();
});

/** Pushes a job for each photo and lets it die. */
async function die(code: 'IMAGE_DECODE' | 'FILE_NOT_FOUND', ...photoIds: readonly number[]): Promise<void> {
  for (const photoId of photoIds) queue.push(`{"photo_id": ${photoId}, "n": 9007199254740993}`);
  for (const claim of await queue.claim(photoIds.length, never))
    await queue.bury(claim, { error: new RunnerError(code, 'x') });
}

async function ids(filter = {}): Promise<readonly (string | undefined)[]> {
  const found = [];
  for await (const { photoId } of queue.deadLetters().entries(filter)) found.push(photoId);
  return found;
}

describe('the dead letters of a queue in memory', () => {
  it('tell the photo, the reason and the error of each, the first to die first', async () => {
    await die('IMAGE_DECODE', 1, 2);
    await die('FILE_NOT_FOUND', 3);
    expect(await ids()).toEqual(['1', '2', '3']);
    expect(await ids({ reason: 'decode' })).toEqual(['1', '2']);
    const [first] = queue.dead();
    const { id } = (JSON.parse(first!.entry.toString()) as { _runner: { id: string } })._runner;
    expect(await queue.deadLetters().get(id)).toMatchObject({
      photoId: '1',
      reason: 'decode',
      error: { code: 'IMAGE_DECODE' },
    });
    expect(await queue.deadLetters().get('none')).toBeUndefined();
  });

  it('go back into the queue byte for byte, as the newest, those that match alone', async () => {
    await die('IMAGE_DECODE', 1, 2, 3);
    queue.push('{"photo_id":9}');
    expect(await queue.deadLetters().redrive({ photoId: '2' })).toBe(1);
    expect(queue.waiting().map(String)).toEqual(['{"photo_id":9}', '{"photo_id": 2, "n": 9007199254740993}']);
    expect(await ids()).toEqual(['1', '3']);
    expect(await queue.deadLetters().redrive({}, { limit: 1 })).toBe(1);
    expect(await ids()).toEqual(['3']);
  });

  it('drop the note of an earlier death, however often they die', async () => {
    const element = '{"photo_id":1}';
    queue.push(element);
    for (let death = 0; death < 3; death++) {
      const [claim] = await queue.claim(1, never);
      expect(claim!.raw.toString()).toBe(element);
      await queue.bury(claim!, { error: new RunnerError('IMAGE_DECODE', 'x') });
      await queue.deadLetters().redrive();
    }
    expect(queue.waiting().map(String)).toEqual([element]);
  });

  it('are gone for good when purged', async () => {
    await die('IMAGE_DECODE', 1, 2);
    expect(await queue.deadLetters().purge({ photoId: '1' })).toBe(1);
    expect(await ids()).toEqual(['2']);
    expect(queue.waiting()).toEqual([]);
  });

  it('go back no faster than asked for, and no further once it is called off', async () => {
    await die('IMAGE_DECODE', 1, 2, 3);
    const stop = new AbortController();
    const redriven = queue.deadLetters().redrive({}, { perSecond: 10, signal: stop.signal });
    await clock.advance(99);
    expect(queue.waiting()).toHaveLength(1);
    await clock.advance(1);
    expect(queue.waiting()).toHaveLength(2);
    stop.abort();
    expect(await redriven).toBe(2);
    expect(await ids()).toEqual(['3']);
  });

  it('refuse options that make no sense', async () => {
    await expect(queue.deadLetters().redrive({}, { limit: 0 })).rejects.toMatchObject({ code: 'OPTIONS_INVALID' });
  });
});
