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

/** A tensor with room for `rows` rows like the one of `row`. */
export function emptyRows({ type, data, dims: [, ...rest] }: TensorData, rows: number): TensorData {
  const Numbers = data.constructor as new (length: number) => typeof data;
  return { type, data: new Numbers(rows * data.length), dims: [rows, ...rest] };
}

/** Copies the one row of `row` into its place. */
export function putRow({ data }: TensorData, place: number, row: TensorData): void {
  // Both are of one type: the one was made for the other.
  (data as Float32Array).set(row.data as Float32Array, place * row.data.length);
}
