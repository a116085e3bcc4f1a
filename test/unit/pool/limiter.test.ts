import { describe, expect, it } from 'vitest';
import { Limiter } from '../../../src/pool/limiter.js';

/** Work that says when it has begun, and ends when it is told to. */
function heldWork(name: string, begun: string[]) {
  let end: (failure?: Error) => void = () => undefined;
  const held = new Promise<string>((resolve, reject) => {
    end = (failure) => (failure === undefined ? resolve(name) : reject(failure));
  });
  const work = (): Promise<string> => {
    begun.push(name);
    return held;
  };
  return { work, end };
}

describe('Limiter', () => {
  it('lets so many pieces of work go on at a time, and the others in their order', async () => {
    const begun: string[] = [];
    const pieces = ['a', 'b', 'c', 'd'].map((name) => heldWork(name, begun));
    const limiter = new Limiter(2);
    const results = pieces.map(({ work }) => limiter.run(work));
    expect(begun).toEqual(['a', 'b']);
    pieces[1]?.end();
    expect(await results[1]).toBe('b');
    expect(begun).toEqual(['a', 'b', 'c']);
    for (const { end } of pieces) end();
    expect(await Promise.all(results)).toEqual(['a', 'b', 'c', 'd']);
    const later = heldWork('e', begun);
    void limiter.run(later.work);
    expect(begun.at(-1)).toBe('e');
  });

  it('makes room after a failure, too', async () => {
    const begun: string[] = [];
    const [bad, next] = [heldWork('bad', begun), heldWork('next', begun)];
    const limiter = new Limiter(1);
    const failing = limiter.run(bad.work);
    const waiting = limiter.run(next.work);
    bad.end(new Error('broken'));
    await expect(failing).rejects.toThrow('broken');
    next.end();
    expect(await waiting).toBe('next');
  });
});
