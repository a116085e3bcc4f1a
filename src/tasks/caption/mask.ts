import type { TensorData, TensorInfo } from '../../tensor.js';

/** A mask over the places of [rows, places, width] that leaves none out: all pictures of a batch have as many. */
export function maskFor({ dims: [rows = 0, places = 0] }: TensorData, { type }: TensorInfo): TensorData {
  const size = rows * places;
  const data = type === 'int32' ? new Int32Array(size).fill(1) : new BigInt64Array(size).fill(1n);
  return { type, data, dims: [rows, places] };
}
