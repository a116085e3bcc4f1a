import { describe, expect, it } from 'vitest';
import { Room } from '../../../src/cli/people/room.js';

/** Whether there is room without waiting for anything but what is settled. */
async function isFree(room: Room): Promise<boolean> {
  return Promise.race([
    room.whenFree().then(() => true),
    new Promise<false>((resolve) => setImmediate(resolve, false)),
  ]);
}

describe('room', () => {
  it.each([
    ['by number', 1, 2],
    ['by bytes', 60, 99],
  ])('is bounded %s, and free again when work ends, however it does', async (_, bytes, most) => {
    const room = new Room(most === 2 ? 2 : 99, most === 2 ? 99 : most);
    let end: (error: Error) => void = () => undefined;
    room.hold(bytes, new Promise((__, reject) => (end = reject)));
    expect(await isFree(room)).toBe(true);
    room.hold(bytes, new Promise(() => undefined));
    expect(await isFree(room)).toBe(false);
    const waiting = room.whenFree();
    end(new Error('failed'));
    await waiting;
    expect(await isFree(room)).toBe(true);
  });
});
