import { closeSync, openSync, readSync } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, sep } from 'node:path';
import { show } from '../check.js';
import { RunnerError, systemCode } from '../errors.js';
import { walkProtobuf, type MessageShape } from './protobuf.js';

/** Key and value of one entry of `TensorProto.external_data`. */
const ENTRY: MessageShape = { 1: 'text', 2: 'text' };
const TENSOR: MessageShape = { 13: () => ENTRY };
const SPARSE_TENSOR: MessageShape = { 1: () => TENSOR, 2: () => TENSOR };
const ATTRIBUTE: MessageShape = {
  5: () => TENSOR,
  6: () => GRAPH,
  10: () => TENSOR,
  11: () => GRAPH,
  22: () => SPARSE_TENSOR,
  23: () => SPARSE_TENSOR,
};
const NODE: MessageShape = { 5: () => ATTRIBUTE };
const GRAPH: MessageShape = { 1: () => NODE, 5: () => TENSOR, 15: () => SPARSE_TENSOR };
const TRAINING: MessageShape = { 1: () => GRAPH, 2: () => GRAPH };
const FUNCTION: MessageShape = { 7: () => NODE, 11: () => ATTRIBUTE };
/** Every way from an ONNX `ModelProto` to a tensor, by the field numbers of `onnx.proto`. */
const MODEL: MessageShape = { 7: () => GRAPH, 20: () => TRAINING, 25: () => FUNCTION };

/** Real models name one file, or one per weight; far more is an attack or a broken file. */
const MAX_LOCATIONS = 10_000;
const LIMITS = { maxTextBytes: 4096, maxDepth: 100 };

/**
 * Reads which files an ONNX graph keeps its weights in: names of files beside it, each once, in the graph's order.
 * @throws RunnerError `MODEL_INVALID` when the file isn't ONNX, or a name is a path: ONNX Runtime reads whatever a
 * graph names, so a name may not lead out of the graph's folder
 */
export function readExternalLocations(file: string): readonly string[] {
  refuseStandIn(file);
  const locations = new Set<string>();
  let entry: Record<number, string> = {};
  walkProtobuf(
    file,
    MODEL,
    {
      text: (text, field) => (entry[field] = text),
      end(shape) {
        if (shape !== ENTRY) return;
        if (entry[1] === 'location') addLocation(locations, entry[2] ?? '', file);
        entry = {};
      },
    },
    LIMITS,
  );
  return [...locations];
}

function addLocation(locations: Set<string>, location: string, file: string): void {
  if (!isPlainFileName(location)) {
    throw new RunnerError(
      'MODEL_INVALID',
      `${file} keeps weights in ${show(location)}: only names of files beside the graph are allowed.`,
    );
  }
  locations.add(location);
  if (locations.size > MAX_LOCATIONS) {
    throw new RunnerError('MODEL_INVALID', `${file} names more than ${MAX_LOCATIONS} files with weights.`);
  }
}

/** A colon would name a drive or a stream on Windows; separators, `..` and control characters lead elsewhere. */
function isPlainFileName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !/[/\\:\u0000-\u001f\u007f]/.test(name);
}

/** A clone without Git LFS holds small text files in place of models; better said than called malformed. */
function refuseStandIn(file: string): void {
  const start = Buffer.alloc(40);
  const descriptor = openSync(file, 'r');
  try {
    const length = readSync(descriptor, start, 0, start.length, 0);
    if (length === 0) throw new RunnerError('MODEL_INVALID', `${file} is empty.`);
  } finally {
    closeSync(descriptor);
  }
  if (start.toString('latin1').startsWith('version https://git-lfs')) {
    throw new RunnerError(
      'MODEL_INVALID',
      `${file} is a Git LFS pointer, not the model: run "git lfs pull" in its repository.`,
    );
  }
}

/**
 * Checks that a file with weights is a regular file inside the model's folder, links followed. In the Hugging Face
 * cache a snapshot's files are links into its repository's `blobs`, so there that folder counts as inside.
 * @throws RunnerError `MODEL_INVALID`
 */
export async function checkExternalFile(file: string, folder: string): Promise<void> {
  const name = `The file with weights ${basename(file)}`;
  let real: string;
  try {
    real = await realpath(file);
    if (!(await stat(real)).isFile())
      throw new RunnerError('MODEL_INVALID', `${name} in ${dirname(file)} is not a regular file.`);
  } catch (error) {
    if (systemCode(error) === undefined) throw error;
    throw new RunnerError('MODEL_INVALID', `${name} is not in ${dirname(file)}; the graph beside it needs it.`, {
      cause: error,
    });
  }
  const roots = await Promise.all([folder, ...blobsOf(folder)].map((root) => realpath(root).catch(() => undefined)));
  if (!roots.some((root) => root !== undefined && isInside(real, root))) {
    throw new RunnerError(
      'MODEL_INVALID',
      `${name} in ${dirname(file)} is a link that leads out of the model's folder.`,
    );
  }
}

/** `<repository>/blobs`, where the folder is `<repository>/snapshots/<commit>`. */
function blobsOf(folder: string): readonly string[] {
  const snapshots = dirname(folder);
  return basename(snapshots) === 'snapshots' ? [join(dirname(snapshots), 'blobs')] : [];
}

function isInside(path: string, root: string): boolean {
  const way = relative(root, path);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}
