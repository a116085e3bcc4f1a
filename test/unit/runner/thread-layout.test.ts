import { describe, expect, it } from 'vitest';
import { resolveRunnerOptions } from '../../../src/options.js';
import type { Task } from '../../../src/tasks/task.js';
import { layOutThreads, type AskedLayout } from '../../../src/thread-layout.js';

const OPEN = {
  ...{ threads: undefined, intraOpThreads: 0, maxBatch: undefined },
  ...{ decodeConcurrency: 0, maxDecodedBytes: undefined },
};
const CPU = { ...OPEN, device: 'cpu', dtype: 'fp32', tasks: ['face'] } as const;
const MIB = 1024 ** 2;

describe('layOutThreads', () => {
  it('shares the cores of a processor between two threads, with faces', () => {
    const shape = { threads: 2, maxBatch: 4 };
    expect(layOutThreads(CPU, 2)).toEqual({
      ...shape,
      ...{ intraOpThreads: 1, decodeConcurrency: 2, maxDecodedBytes: 128 * MIB },
    });
    expect(layOutThreads(CPU, 5)).toMatchObject({ ...shape, intraOpThreads: 2, decodeConcurrency: 2 });
    expect(layOutThreads(CPU, 32)).toMatchObject({ ...shape, intraOpThreads: 16, decodeConcurrency: 4 });
  });

  it('has one thread where there is one core', () => {
    expect(layOutThreads(CPU, 1)).toEqual({
      ...{ threads: 1, intraOpThreads: 1, maxBatch: 8, decodeConcurrency: 2, maxDecodedBytes: 64 * MIB },
    });
  });

  it('decodes one photo more than a thread has cores where it is the only one', () => {
    const decodings = (threads: number | undefined, cores: number): number =>
      layOutThreads({ ...CPU, tasks: ['clip'], threads }, cores).decodeConcurrency;
    expect([1, 2, 3, 4, 32].map((cores) => decodings(undefined, cores))).toEqual([2, 3, 4, 4, 4]);
    expect([2, 4, 6, 32].map((cores) => decodings(2, cores))).toEqual([2, 2, 3, 4]);
  });

  it('has one thread for another device, and where the cores of a model are given', () => {
    expect(layOutThreads({ ...CPU, device: 'webgpu' }, 8)).toMatchObject({
      threads: 1,
      intraOpThreads: 8,
      maxBatch: 8,
    });
    expect(layOutThreads({ ...CPU, intraOpThreads: 3 }, 8)).toMatchObject({ threads: 1, intraOpThreads: 3 });
  });

  it('has two threads for faces and for q8, where there is nothing else to do', () => {
    const threadsFor = (dtype: 'fp32' | 'fp16' | 'q8', ...tasks: AskedLayout['tasks']): number =>
      layOutThreads({ ...CPU, dtype, tasks }, 8).threads;
    expect(threadsFor('fp32', 'clip', 'face')).toBe(2);
    expect(threadsFor('fp32', 'faces')).toBe(2);
    expect(threadsFor('q8', 'clip')).toBe(2);
    expect(threadsFor('q8', 'clip', 'text')).toBe(2);
    expect(threadsFor('fp32', 'clip')).toBe(1);
    expect(threadsFor('fp16', 'clip')).toBe(1);
    expect(threadsFor('q8', 'clip', 'caption')).toBe(1);
    expect(threadsFor('fp32', 'face', 'ocr')).toBe(1);
    expect(threadsFor('fp32', 'face', { name: 'own' } as Task)).toBe(1);
    expect(resolveRunnerOptions({ tasks: ['clip', 'face'], device: 'cpu' }).threads).toBe(2);
    expect(resolveRunnerOptions({ tasks: ['clip'], device: 'cpu' })).toMatchObject({ threads: 1, maxBatch: 8 });
  });

  it('takes any number of threads that is given', () => {
    expect(layOutThreads({ ...CPU, tasks: ['caption'], threads: 2 }, 8)).toMatchObject({ threads: 2, maxBatch: 4 });
  });

  it('leaves what is given as it is', () => {
    const given = { threads: 3, intraOpThreads: 2, maxBatch: 5, decodeConcurrency: 7, maxDecodedBytes: 9 };
    expect(layOutThreads({ ...CPU, ...given }, 8)).toEqual(given);
  });

  it('shares the cores out evenly among threads that are given', () => {
    expect(layOutThreads({ ...CPU, threads: 1 }, 8)).toMatchObject({ intraOpThreads: 8, maxBatch: 8 });
    expect(layOutThreads({ ...CPU, threads: 3 }, 8)).toMatchObject({ intraOpThreads: 2, maxBatch: 4 });
  });
});
