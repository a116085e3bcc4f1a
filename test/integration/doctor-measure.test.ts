import { getEventListeners } from 'node:events';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { makePhotos, measureRunner, type MadePhotos } from '../../src/cli/doctor/measure.js';
import { examineModels } from '../../src/cli/doctor/models.js';
import { tune, tuningFinding } from '../../src/cli/doctor/tune.js';
import { RunnerError } from '../../src/errors.js';
import type { RunnerOptions } from '../../src/options.js';
import { tuningFile, tuningSubject, writeTuning, type TuningEntry } from '../../src/tuning.js';
import greedy from '../fixtures/tasks/greedy.js';

const MODEL = fileURLToPath(new URL('../fixtures/models/clip-tiny', import.meta.url));
const MODELS = {
  clipModels: [
    {
      ...{ label: 'tiny', name: MODEL, folder: MODEL, dtype: 'fp32' as const },
      visionFile: path.join(MODEL, 'onnx', 'vision_model.onnx'),
    },
  ],
};
/** Smaller than those that are made, so that tests are quick. */
const photos: MadePhotos = {
  folder: fileURLToPath(new URL('../fixtures/images', import.meta.url)),
  names: ['small_150x100.png', 'odd_225x223.png'],
  remove: () => Promise.resolve(),
};
const SECONDS = 0.1;
const stop = (): RunnerError => new RunnerError('RUNNER_STOPPED', 'Enough.');

/** Temporary files of this process and of its children lie there until the test is over. */
function inFolder(folder: string): void {
  vi.stubEnv('TMPDIR', folder);
  onTestFinished(() => void vi.unstubAllEnvs());
}

let home: string;
let options: RunnerOptions;

beforeAll(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'measure-'));
  options = {
    models: `tiny=${MODEL}`,
    device: 'cpu',
    hub: { cacheDir: home },
    tuning: 'off',
    tasks: ['clip'],
    maxBatch: 2,
  };
});
afterAll(async () => {
  await rm(home, { recursive: true, force: true });
});

describe('measureRunner', () => {
  it('leaves nothing on the signal, however often it measures', async () => {
    const { signal } = new AbortController();
    const { perSecond } = await measureRunner(options, photos, { seconds: SECONDS, signal });
    expect(perSecond).toBeGreaterThan(0);
    await expect(
      measureRunner({ ...options, models: 'x=./nothing' }, photos, { seconds: SECONDS, signal }),
    ).rejects.toBeInstanceOf(RunnerError);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('does not begin where it was stopped before', async () => {
    const signal = AbortSignal.abort(stop());
    await expect(measureRunner(options, photos, { seconds: SECONDS, signal })).rejects.toThrow('Enough.');
  });

  it('ends soon where it is stopped', async () => {
    const controller = new AbortController();
    const measuring = measureRunner(options, photos, { seconds: 3600, signal: controller.signal });
    setTimeout(() => controller.abort(stop()), 100);
    await expect(measuring).rejects.toMatchObject({ code: 'RUNNER_STOPPED' });
  });

  it('holds as many photos ready as a kept tuning wants', async () => {
    const { signal } = new AbortController();
    const { facts, name } = await tuningSubject(MODELS, { tasks: ['clip'], settings: ['fp32', 'cpu', 'fast'] });
    const tuning = { maxBatch: 100, threads: 1, intraOpThreads: 1, decodeConcurrency: 2 };
    const entry = { facts, tuning, perSecond: 2, untunedPerSecond: 1, at: new Date().toISOString() };
    await writeTuning(home, { facts, name }, entry);
    const tuned = { models: `tiny=${MODEL}`, device: 'cpu', hub: { cacheDir: home } } as const;
    const { meanBatch } = await measureRunner(tuned, photos, { seconds: SECONDS, signal });
    expect(meanBatch).toBeGreaterThan(60);
  });

  it('counts a child that was replaced for its memory as above the limit, though the next one is small', async () => {
    inFolder(home);
    const { signal } = new AbortController();
    const maxMemoryBytes = 200e6;
    const { memoryBytes } = await measureRunner({ ...options, tasks: [greedy], maxMemoryBytes }, photos, {
      ...{ seconds: 4, signal },
    });
    expect(memoryBytes).toBeGreaterThan(maxMemoryBytes);
  });
});

describe('tune', () => {
  it('passes over what ends the child process, says so, and keeps what it has found', async () => {
    inFolder(home);
    await writeFile(path.join(home, 'greedy-was-here'), '');
    const findings = await tune(
      { hub: { cacheDir: home }, tasks: [greedy], threads: 1, decodeConcurrency: 1 },
      photos,
      {
        ...{ signal: new AbortController().signal, seconds: SECONDS, onReading: () => undefined },
      },
    );
    const failed = findings.filter(({ status }) => status === 'note');
    expect(failed.length).toBeGreaterThan(0);
    for (const { summary, facts } of failed) {
      expect(summary).toMatch(/^batch 16, .* failed, and is no choice: .*SIGKILL/);
      expect(facts).toMatchObject({ code: 'PROCESS_DIED', tuning: { maxBatch: 16 } });
    }
    expect(findings.at(-1)?.summary).toMatch(/^Kept in /);
    const kept = Object.entries(JSON.parse(await readFile(tuningFile(home), 'utf8')) as Record<string, TuningEntry>);
    expect(kept.find(([name]) => name.includes('greedy'))?.[1].devices).toEqual(['cpu']);
  });
});

describe('tuningFinding', () => {
  it('tells a tuning of another device than the models run on now', async () => {
    const subject = await tuningSubject(MODELS, { tasks: ['clip'], settings: ['fp32', 'auto', 'fast'] });
    const tuning = { maxBatch: 4, threads: 1, intraOpThreads: 1, decodeConcurrency: 2 };
    const entry = {
      tuning,
      perSecond: 2,
      untunedPerSecond: 1,
      at: new Date().toISOString(),
      devices: ['cpu'] as const,
    };
    await writeTuning(home, subject, { ...entry, facts: subject.facts });
    const untuned = { models: `tiny=${MODEL}`, hub: { cacheDir: home } };
    expect(await tuningFinding(untuned, ['cuda', 'cuda'])).toMatchObject({
      ...{ status: 'note', summary: expect.stringContaining('made on cpu, but models run on cuda now') as string },
    });
    expect(await tuningFinding(untuned, ['cpu', 'cpu'])).toMatchObject({ status: 'ok' });
  });
});

describe('examineModels', () => {
  it('stops while a model loads, and begins with no other', async () => {
    const controller = new AbortController();
    const begun: string[] = [];
    const exams = examineModels(
      { ...options, models: `one=${MODEL},other=${MODEL}` },
      {
        signal: controller.signal,
        onPart: (title) => {
          begun.push(title);
          setTimeout(() => controller.abort(stop()), 1);
        },
      },
    );
    await expect(exams).rejects.toThrow('Enough.');
    expect(begun).toHaveLength(1);
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
  });
});

describe('makePhotos', () => {
  it('leaves nothing behind', async () => {
    inFolder(home);
    const made = await makePhotos(1);
    expect(await readdir(home)).toContain(path.basename(made.folder));
    await made.remove();
    expect(await readdir(home)).not.toContain(path.basename(made.folder));
  });
});
