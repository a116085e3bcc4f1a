import { describe, expect, it } from 'vitest';
import type { Vectors } from '../../../src/serve/engine.js';
import { WaitingRoom } from '../../../src/serve/waiting-room.js';

/** An engine whose calls end when the test says so. */
class Calls {
  readonly inputs: string[][] = [];
  readonly #resolve: ((vectors: Vectors) => void)[] = [];
  readonly #reject: ((reason: unknown) => void)[] = [];

  readonly embed = (inputs: readonly string[]): Promise<Vectors> => {
    this.inputs.push([...inputs]);
    return new Promise((resolve, reject) => {
      this.#resolve.push(resolve);
      this.#reject.push(reject);
    });
  };

  async finish(call: number): Promise<void> {
    this.#resolve[call]?.((this.inputs[call] ?? []).map((text) => Float32Array.of(Number(text))));
    await new Promise(setImmediate);
  }

  async fail(call: number, reason: unknown): Promise<void> {
    this.#reject[call]?.(reason);
    await new Promise(setImmediate);
  }
}

const never = new AbortController().signal;
const roomOf = (calls: Calls, maxWaiting = 100): WaitingRoom<string> =>
  new WaitingRoom({ embed: calls.embed, capacity: 4, maxBatch: 3, maxWaiting });
const numbers = async (values: Promise<Vectors>): Promise<number[]> =>
  (await values).map((value) => (value instanceof Float32Array ? value[0]! : NaN));

describe('a waiting room', () => {
  it('gives the engine no more than it has room for, and every visit its values in order', async () => {
    const calls = new Calls();
    const room = roomOf(calls);
    const first = numbers(room.embed(['1', '2', '3', '4', '5', '6'], 'x', never));
    expect(calls.inputs).toEqual([['1', '2', '3'], ['4']]);
    expect([room.running, room.waiting]).toEqual([4, 2]);
    await calls.finish(1);
    expect(calls.inputs[2]).toEqual(['5']);
    await calls.finish(0);
    expect(calls.inputs[3]).toEqual(['6']);
    await calls.finish(3);
    await calls.finish(2);
    expect(await first).toEqual([1, 2, 3, 4, 5, 6]);
    expect([room.running, room.waiting]).toEqual([0, 0]);
  });

  it('lets visits take turns, so that a long one does not keep a short one', async () => {
    const calls = new Calls();
    const room = roomOf(calls);
    void room.embed(['1', '2', '3', '4', '5', '6', '7', '8', '9'], 'x', never);
    const short = numbers(room.embed(['70'], 'x', never));
    await calls.finish(0);
    expect(calls.inputs.slice(2)).toEqual([['5', '6', '7']]);
    await calls.finish(1);
    expect(calls.inputs.slice(3)).toEqual([['70']]);
    await calls.finish(3);
    expect(await short).toEqual([70]);
  });

  it('forgets what waits of a visit that is called off, and counts what runs until it is over', async () => {
    const calls = new Calls();
    const room = roomOf(calls);
    const gone = new AbortController();
    const visit = room.embed(['1', '2', '3', '4', '5', '6'], 'x', gone.signal);
    const next = numbers(room.embed(['7'], 'x', never));
    gone.abort(new Error('hung up'));
    await expect(visit).rejects.toThrow('hung up');
    expect([room.running, room.waiting]).toEqual([4, 1]);
    await calls.finish(0);
    expect(calls.inputs.slice(2)).toEqual([['7']]);
    await calls.finish(2);
    expect(await next).toEqual([7]);
  });

  it('ends a visit at once when the engine fails one of its calls', async () => {
    const calls = new Calls();
    const room = roomOf(calls);
    const visit = room.embed(['1', '2', '3', '4', '5', '6'], 'x', never);
    const failure = expect(visit).rejects.toThrow('broken');
    await calls.fail(0, new Error('broken'));
    await failure;
    expect([room.running, room.waiting]).toEqual([1, 0]);
  });

  it('knows how much may wait, and for how long nothing has come', async () => {
    const calls = new Calls();
    const room = roomOf(calls, 3);
    expect(room.hasPlaceFor(4)).toBe(false);
    expect(room.stalledMs()).toBe(0);
    void room.embed(['1', '2', '3', '4', '5', '6'], 'x', never);
    expect(room.hasPlaceFor(1)).toBe(true);
    expect(room.hasPlaceFor(2)).toBe(false);
    await new Promise((resolve) => setTimeout(resolve, 200));
    const stalled = room.stalledMs();
    expect(stalled).toBeGreaterThan(10);
    await calls.finish(1);
    expect(room.stalledMs()).toBeLessThan(stalled);
  });
});
