import { describe, expect, it } from 'vitest';
import { resolveRunnerOptions } from '../../../src/options.js';
import { layOutThreads, type ThreadLayout } from '../../../src/thread-layout.js';

const OPEN = { threads: 0, intraOpThreads: 0, maxBatch: 0, decodeConcurrency: 0, maxDecodedBytes: 0 };
const CPU = { ...OPEN, device: 'cpu' } as const;
const MIB = 1024 ** 2;

const layOut = (asked: Parameters<typeof layOutThreads>[0], cores: number): ThreadLayout =>
  layOutThreads(asked, { cores, hasCaptions: false });

describe('layOutThreads', () => {
  it('shares the cores of a processor between two threads', () => {
    const shape = { threads: 2, maxBatch: 4 };
    expect(layOut(CPU, 2)).toEqual({
      ...shape,
      ...{ intraOpThreads: 1, decodeConcurrency: 2, maxDecodedBytes: 128 * MIB },
    });
    expect(layOut(CPU, 5)).toMatchObject({ ...shape, intraOpThreads: 2, decodeConcurrency: 2 });
    expect(layOut(CPU, 32)).toMatchObject({ ...shape, intraOpThreads: 16, decodeConcurrency: 4 });
  });

  it('has one thread where there is one core', () => {
    expect(layOut(CPU, 1)).toEqual({
      ...{ threads: 1, intraOpThreads: 1, maxBatch: 8, decodeConcurrency: 2, maxDecodedBytes: 64 * MIB },
    });
  });

  it('has one thread for another device, and where the cores of a model are given', () => {
    expect(layOut({ ...OPEN, device: 'webgpu' }, 8)).toMatchObject({
      threads: 1,
      intraOpThreads: 8,
      maxBatch: 8,
    });
    expect(layOut({ ...CPU, intraOpThreads: 3 }, 8)).toMatchObject({ threads: 1, intraOpThreads: 3 });
  });

  it('has one thread for captions, where no other number is given', () => {
    expect(layOutThreads(CPU, { cores: 8, hasCaptions: true })).toMatchObject({ threads: 1, intraOpThreads: 8 });
    expect(layOutThreads({ ...CPU, threads: 2 }, { cores: 8, hasCaptions: true })).toMatchObject({ threads: 2 });
    expect(resolveRunnerOptions({ tasks: ['clip', 'caption'], device: 'cpu' }).threads).toBe(1);
  });

  it('leaves what is given as it is', () => {
    const given = { threads: 3, intraOpThreads: 2, maxBatch: 5, decodeConcurrency: 7, maxDecodedBytes: 9 };
    expect(layOut({ ...given, device: 'cpu' }, 8)).toEqual(given);
  });

  it('shares the cores out evenly among threads that are given', () => {
    expect(layOut({ ...CPU, threads: 1 }, 8)).toMatchObject({ intraOpThreads: 8, maxBatch: 8 });
    expect(layOut({ ...CPU, threads: 3 }, 8)).toMatchObject({ intraOpThreads: 2, maxBatch: 4 });
  });
});
