import { homedir } from 'node:os';
import { join } from 'node:path';
import { RunnerError } from '../errors.js';
import type { FaceModel } from '../model.js';
import type { DownloadProgress } from './download.js';
import {
  EXPECTED_FACE_FILES,
  FACE_PACK_NAMES,
  findFaceGraph,
  insightfaceLicence,
  lookUpFacePack,
  type FacePack,
  type FacePart,
} from './face-packs.js';
import { centresItsPixels } from './first-operators.js';
import { readOnnxGraph } from './onnx-graph.js';
import { resolveHubOptions, type HubOptions } from './hub-options.js';
import { ensureGraph, openRepository } from './open-model.js';
import { isLocalFolder } from './repository.js';
import { openFolder, type ModelSource } from './source.js';

export interface ResolveFaceOptions extends HubOptions {
  /** Below it lies insightface's own folder, `.insightface/models`. @default the user's home folder */
  readonly homeDir?: string | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
  /** Is told when the cache is used because the hub can't be. */
  readonly onFallback?: ((reason: RunnerError) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Finds the detector and the recogniser of a pack: in a local folder; else in insightface's own folder; else in the
 * Hugging Face cache or on the hub, where what is missing is downloaded.
 * @param name a pack (`buffalo_l`), a repository (`owner/name`) or a folder (`./models/x`)
 * @throws RunnerError `OPTIONS_INVALID`, `MODEL_NOT_FOUND`, `MODEL_INVALID`, `MODEL_DOWNLOAD`, `MODEL_OFFLINE`,
 * `MODEL_CORRUPT`, `RUNNER_STOPPED`
 */
export async function resolveFaceModel(name: string, options: ResolveFaceOptions = {}): Promise<FaceModel> {
  const { homeDir, onProgress, onFallback, signal, ...hubOptions } = options;
  const hub = resolveHubOptions(hubOptions);
  if (await isLocalFolder(name)) return fromFolder(name, name);
  const pack = lookUpFacePack(name);
  const own = await fromInsightface(name, pack, homeDir);
  if (own !== undefined) return own;
  if (!pack.detection.includes('/')) {
    throw new RunnerError(
      'OPTIONS_INVALID',
      `There is no face model "${name}": expected one of ${FACE_PACK_NAMES.join(', ')}, a repository (owner/name) or a ` +
        'folder (./models/x).',
    );
  }
  const open = (repository: string, part: FacePart): Promise<string> =>
    openRepository(repository, {
      ...{ hub, onProgress, onFallback, signal },
      missing: `face ${part} graph`,
      pull: `clip-runner models pull ${name}`,
      build: (source) => buildPart(source, part),
    });
  return describe(name, await open(pack.detection, 'detection'), await open(pack.recognition, 'recognition'), pack);
}

/** The same from what is on this machine already; undefined where it is not all there. Touches no network. */
export async function findLocalFaceModel(
  name: string,
  options: ResolveFaceOptions = {},
): Promise<FaceModel | undefined> {
  try {
    return await resolveFaceModel(name, { ...options, offline: true });
  } catch (thrown) {
    if (thrown instanceof RunnerError && ['MODEL_OFFLINE', 'MODEL_NOT_FOUND'].includes(thrown.code)) return undefined;
    throw thrown;
  }
}

/** Where insightface's Python package keeps a pack of its own. */
export function insightfaceFolder({ folder }: FacePack, homeDir = homedir()): string | undefined {
  return folder === undefined ? undefined : join(homeDir, '.insightface', 'models', folder);
}

/** That package may have downloaded it long ago. */
async function fromInsightface(name: string, pack: FacePack, homeDir?: string): Promise<FaceModel | undefined> {
  const folder = insightfaceFolder(pack, homeDir);
  if (folder === undefined) return undefined;
  try {
    return await fromFolder(name, folder, pack.licence);
  } catch (thrown) {
    if (thrown instanceof RunnerError && thrown.code === 'MODEL_NOT_FOUND') return undefined;
    throw thrown;
  }
}

async function fromFolder(name: string, folder: string, licence?: string): Promise<FaceModel> {
  const source = await openFolder(folder).catch((cause: unknown) => {
    const { detection, recognition } = EXPECTED_FACE_FILES;
    const message = `There is no face model in ${folder}. Expected ${detection} and ${recognition}.`;
    throw new RunnerError('MODEL_NOT_FOUND', message, { cause });
  });
  const graphs = [...source.files].filter((path) => path.endsWith('.onnx'));
  const detection = await buildPart(source, 'detection');
  const recognition = await buildPart(source, 'recognition');
  return describe(name, detection, recognition, { licence: licence ?? insightfaceLicence(graphs) });
}

async function buildPart(source: ModelSource, part: FacePart): Promise<string> {
  const graph = findFaceGraph(source.files, part);
  if (graph === undefined) {
    const message = `There is no face ${part} graph in ${source.title}: expected ${EXPECTED_FACE_FILES[part]}.`;
    throw new RunnerError('MODEL_NOT_FOUND', message);
  }
  const file = await ensureGraph(source, graph);
  await source.seal();
  return file;
}

function describe(
  name: string,
  detectionFile: string,
  recognitionFile: string,
  { licence }: { readonly licence?: string | undefined },
): FaceModel {
  const detectionSide = fixedSide(detectionFile);
  return {
    name,
    detectionFile,
    recognitionFile,
    ...(detectionSide === undefined ? {} : { detectionSide }),
    recognitionPixels: centresItsPixels(recognitionFile) ? 'raw' : 'centred',
    ...(licence === undefined ? {} : { licence }),
  };
}

/** The side of the square pictures that a graph takes, where it fixes it. */
function fixedSide(file: string): number | undefined {
  const { inputs, weights } = readOnnxGraph(file);
  // Older graphs list their weights as inputs, too.
  const names = new Set(weights.map(({ name }) => name));
  const [height, width] = inputs.find(({ name }) => !names.has(name))?.shape?.slice(2) ?? [];
  return height === width && height !== undefined && height > 0 ? height : undefined;
}
