import { createHash } from 'node:crypto';
import { open, readFile, stat } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import path from 'node:path';
import { usableMemoryBytes } from './isolation-options.js';
import type { Device, RunnerModels } from './model.js';
import { VERSION } from './version.js';
import { writeWhole } from './whole-file.js';

/** The options that a machine and its models decide, as `clip-runner doctor --tune` has found them. */
export interface Tuning {
  readonly maxBatch: number;
  readonly threads: number;
  readonly intraOpThreads: number;
  readonly decodeConcurrency: number;
}

/** What a tuning was made for: one for each `name`, and stale when `facts` have become others. */
export interface TuningSubject {
  /** Machine, tasks, models, precision, the device that is asked for, and what makes the work another one. */
  readonly name: string;
  readonly facts: TuningFacts;
}

interface TuningFacts {
  readonly version: string;
  readonly cores: number;
  /** Of the models' files: their sizes, beginnings and ends. */
  readonly files: string;
}

/** What is kept of a tuning. */
export interface TuningEntry {
  readonly facts: TuningFacts;
  readonly tuning: Tuning;
  /** Where the models ran then; with `auto` that is not known before they are loaded. */
  readonly devices?: readonly Device[];
  /** Photos a second that it came to, and before. */
  readonly perSecond: number;
  readonly untunedPerSecond: number;
  readonly at: string;
}

const FILE = 'clip-runner-tuning.json';
const SAMPLE_BYTES = 1024 * 1024;

/** Where tunings are kept, in the folder of the models. */
export function tuningFile(cacheDir: string): string {
  return path.join(cacheDir, FILE);
}

/** Says what a tuning would be for. `settings`: those that change what a photo costs. */
export async function tuningSubject(
  models: RunnerModels,
  { tasks, settings }: { readonly tasks: readonly string[]; readonly settings: readonly (string | number)[] },
): Promise<TuningSubject> {
  const { clipModels, faces, captions, ocr } = models;
  const names = [...clipModels, faces?.model, captions?.model, ocr?.model].map((model) => model?.name ?? '-');
  return {
    name: [machine(), [...tasks].sort().join('+'), ...names, ...settings].join(' | '),
    facts: { version: VERSION, cores: availableParallelism(), files: await fingerprint(graphsOf(models)) },
  };
}

/** What a tuning hangs on, rather than a name: each container has another one, on the same machine. */
function machine(): string {
  const processors = cpus();
  const gib = Math.round(usableMemoryBytes() / 2 ** 30);
  return `${processors[0]?.model.trim() ?? 'unknown'} x ${processors.length}, ${gib} GiB`;
}

/** What was found for it; undefined where there is nothing that can be read. A stale one comes, too: see `whyStale()`. */
export async function readTuning(cacheDir: string, { name }: TuningSubject): Promise<TuningEntry | undefined> {
  const entry = (await readAll(cacheDir))[name];
  return isEntry(entry) ? entry : undefined;
}

/** Keeps it, in the place of an earlier one. Throws what the file system throws. */
export async function writeTuning(cacheDir: string, { name }: TuningSubject, entry: TuningEntry): Promise<void> {
  const all = { ...(await readAll(cacheDir)), [name]: entry };
  await writeWhole(tuningFile(cacheDir), `${JSON.stringify(all, null, 2)}\n`);
}

/** What has changed since; undefined where it still holds. */
export function whyStale({ facts: then }: TuningEntry, { facts: now }: TuningSubject): string | undefined {
  if (then.version !== now.version) return `it was made by version ${then.version}, this is ${now.version}`;
  if (then.cores !== now.cores) return `it was made for ${then.cores} cores, there are ${now.cores}`;
  return then.files === now.files ? undefined : "a model's file has changed";
}

async function readAll(cacheDir: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    const all: unknown = JSON.parse(await readFile(tuningFile(cacheDir), 'utf8'));
    return typeof all === 'object' && all !== null ? { ...all } : {};
  } catch {
    return {};
  }
}

/** Somebody may have edited the file. */
function isEntry(value: unknown): value is TuningEntry {
  if (typeof value !== 'object' || value === null) return false;
  const { facts, tuning, devices = [] } = value as { facts?: unknown; tuning?: unknown; devices?: unknown };
  if (!Array.isArray(devices)) return false;
  if (typeof facts !== 'object' || facts === null || typeof tuning !== 'object' || tuning === null) return false;
  const { maxBatch, threads, intraOpThreads, decodeConcurrency } = tuning as Record<string, unknown>;
  return [maxBatch, threads, intraOpThreads, decodeConcurrency].every(
    (number) => Number.isSafeInteger(number) && Number(number) >= 1,
  );
}

/** In a fixed order. */
function graphsOf({ clipModels, faces, captions, ocr }: RunnerModels): readonly string[] {
  const files = [
    ...clipModels.flatMap(({ visionFile, textFile }) => [visionFile, textFile]),
    ...[faces?.model.detectionFile, faces?.model.recognitionFile],
    ...[captions?.model.encoderFile, captions?.model.decoderFile],
    ...[ocr?.model.detectionFile, ocr?.model.recognitionFile],
  ];
  return files.filter((file) => file !== undefined);
}

/** Gigabytes are not read for this: a graph that has changed has another size, beginning or end. */
async function fingerprint(files: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const file of files) {
    const { size } = await stat(file);
    hash.update(`${size} `);
    const handle = await open(file);
    try {
      for (const position of [0, Math.max(0, size - SAMPLE_BYTES)]) {
        const { buffer, bytesRead } = await handle.read({ buffer: Buffer.alloc(SAMPLE_BYTES), position });
        hash.update(buffer.subarray(0, bytesRead));
      }
    } finally {
      await handle.close();
    }
  }
  return hash.digest('hex');
}
