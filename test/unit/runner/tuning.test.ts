import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os, { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RunnerModels } from '../../../src/model.js';
import { resolveRunnerOptions, withTuning, type RunnerOptions } from '../../../src/options.js';
import { subjectOf } from '../../../src/tune-options.js';
import { readTuning, tuningFile, tuningSubject, whyStale, writeTuning, type TuningEntry } from '../../../src/tuning.js';

let folder: string;
let models: RunnerModels;
const WHAT = { tasks: ['clip'], settings: ['fp32', 'cpu', 'fast'] };
const TUNING = { maxBatch: 3, threads: 1, intraOpThreads: 1, decodeConcurrency: 5 };

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'tuning-'));
  const visionFile = path.join(folder, 'vision.onnx');
  await writeFile(visionFile, 'a graph');
  models = { clipModels: [{ label: 'a', name: './a', folder, dtype: 'fp32', visionFile }] };
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const entryFor = (facts: TuningEntry['facts']): TuningEntry => ({
  ...{ facts, tuning: TUNING, perSecond: 2, untunedPerSecond: 1, at: '2026-01-01T00:00:00.000Z' },
});

describe('a kept tuning', () => {
  it('is found for its tasks, models and settings, and for no others', async () => {
    const subject = await tuningSubject(models, WHAT);
    await writeTuning(folder, subject, entryFor(subject.facts));
    expect((await readTuning(folder, subject))?.tuning).toEqual(TUNING);
    for (const other of [{ tasks: ['clip', 'face'] }, { settings: ['fp32', 'cuda', 'fast'] }])
      expect(await readTuning(folder, await tuningSubject(models, { ...WHAT, ...other }))).toBeUndefined();
  });

  it('is found again on the same machine by another name, as each container has one', async () => {
    const { name } = await tuningSubject(models, WHAT);
    expect(name).not.toContain(os.hostname());
    expect(name).toContain(os.cpus()[0]?.model.trim());
  });

  it('is for one way to do the work: the device and precision asked for, pixels, and those of faces where there are any', async () => {
    const nameOf = async (given: RunnerOptions, all = models): Promise<string> =>
      (await subjectOf(resolveRunnerOptions(given), all)).name;
    const changes: readonly RunnerOptions[] = [{ dtype: 'q8' }, { device: 'cpu' }, { resample: 'exact' }];
    for (const change of changes) expect(await nameOf(change)).not.toBe(await nameOf({}));
    const faceChanges: readonly RunnerOptions[] = [{ faceDecode: 'reduced' }, { faceSize: 320 }];
    const file = path.join(folder, 'vision.onnx');
    const model = { name: 'pack', folder, detectionFile: file, recognitionFile: file };
    const withFaces = { ...models, faces: { model } } as unknown as RunnerModels;
    for (const change of faceChanges) {
      expect(await nameOf(change, withFaces)).not.toBe(await nameOf({}, withFaces));
      expect(await nameOf(change)).toBe(await nameOf({}));
    }
  });

  it('leaves those of others where they are', async () => {
    const [one, other] = [
      await tuningSubject(models, WHAT),
      await tuningSubject(models, { ...WHAT, settings: ['q8'] }),
    ];
    await writeTuning(folder, one, entryFor(one.facts));
    await writeTuning(folder, other, entryFor(other.facts));
    expect(await readTuning(folder, one)).toBeDefined();
  });

  it('is stale when a file, the cores or the version have changed', async () => {
    const { facts } = await tuningSubject(models, WHAT);
    expect(whyStale(entryFor(facts), await tuningSubject(models, WHAT))).toBeUndefined();
    await writeFile(path.join(folder, 'vision.onnx'), 'A graph');
    expect(whyStale(entryFor(facts), await tuningSubject(models, WHAT))).toContain('file');
    await writeFile(path.join(folder, 'vision.onnx'), 'a graph');
    const now = await tuningSubject(models, WHAT);
    expect(whyStale(entryFor({ ...facts, cores: facts.cores + 1 }), now)).toContain('cores');
    expect(whyStale(entryFor({ ...facts, version: '0.0.0' }), now)).toContain('0.0.0');
  });

  it('is passed over where the file is none of ours', async () => {
    const subject = await tuningSubject(models, WHAT);
    const broken = [
      '',
      '[]',
      'null',
      JSON.stringify({ [subject.name]: { facts: subject.facts, tuning: { maxBatch: 0 } } }),
    ];
    for (const text of broken) {
      await writeFile(tuningFile(folder), text);
      expect(await readTuning(folder, subject)).toBeUndefined();
    }
  });
});

describe('withTuning', () => {
  it('takes what was not given, and what follows from it', () => {
    const options = withTuning({}, TUNING);
    expect(options).toMatchObject({ ...TUNING, inFlight: { atLeast: 12, atMost: 1024 } });
  });

  it('leaves what was given', () => {
    const options = withTuning({ maxBatch: 7, decodeConcurrency: 2 }, TUNING);
    expect(options).toMatchObject({ ...TUNING, maxBatch: 7, decodeConcurrency: 2 });
  });

  it('takes threads and cores per model together or not at all', () => {
    const before = resolveRunnerOptions({ threads: 1 });
    expect(withTuning({ threads: 1 }, TUNING).intraOpThreads).toBe(before.intraOpThreads);
  });
});
