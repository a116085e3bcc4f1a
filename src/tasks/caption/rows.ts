import type { TensorData } from '../../tensor.js';

/**
 * Takes the row `place` of the first axis out of a tensor: the last row moves into its place. Changes the tensor's own
 * memory; costs one row, however many there are.
 */
export function dropRow({ type, data, dims }: TensorData, place: number): TensorData {
  const [rows = 0, ...rest] = dims;
  const size = rest.reduce((product, length) => product * length, 1);
  const last = rows - 1;
  if (place < last) data.copyWithin(place * size, last * size, rows * size);
  return { type, data: data.subarray(0, last * size), dims: [last, ...rest] };
}

/** The same for a list in which the last entry takes the place of the one that goes. */
export function dropEntry(entries: unknown[], place: number): void {
  const last = entries.pop();
  if (last !== undefined && place < entries.length) entries[place] = last;
}
