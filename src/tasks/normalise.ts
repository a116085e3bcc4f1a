import { RunnerError } from '../errors.js';
import type { TensorData } from '../tensor.js';
import { fromFloat16Bits } from './float16.js';

/**
 * Row `index` of a `[rows, dimension]` tensor (float32 or float16) as a unit vector: `v / ||v||` with the norm
 * accumulated in float64. A `RunnerError` (`RUN_BAD_OUTPUT`) where the row is not finite or all zeros.
 */
export function normalise(tensor: TensorData, index: number): Float32Array | RunnerError {
  const [rows, dimension] = tensor.dims;
  if (tensor.dims.length !== 2 || rows === undefined || dimension === undefined || index >= rows) {
    return badOutput(`expected [rows, dimension] with more than ${index} rows, got [${tensor.dims.join(',')}]`);
  }
  const row = readFloats(tensor, index * dimension, dimension);
  let sum = 0;
  for (const value of row) sum += value * value;
  if (!Number.isFinite(sum)) return badOutput('expected finite numbers, got NaN or infinity');
  if (sum === 0) return badOutput('expected a direction, got a vector of zeros');
  const norm = Math.sqrt(sum);
  return row.map((value) => value / norm);
}

/** A copy of `count` values from `start` on. */
function readFloats(tensor: TensorData, start: number, count: number): Float32Array {
  const part = tensor.data.slice(start, start + count);
  if (part instanceof Float32Array) return part;
  if (tensor.type === 'float16' && part instanceof Uint16Array) return fromFloat16Bits(part);
  throw new RunnerError('MODEL_INVALID', `Expected an embedding of float32 or float16, got ${tensor.type}.`);
}

function badOutput(what: string): RunnerError {
  return new RunnerError(
    'RUN_BAD_OUTPUT',
    `The model's embedding can't be used: ${what}. Other photos of the batch are not affected.`,
  );
}
