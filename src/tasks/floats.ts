import { RunnerError } from '../errors.js';
import type { TensorData } from '../tensor.js';
import { fromFloat16Bits, toFloat16Bits } from './float16.js';

/**
 * A tensor's numbers, whichever floats they are; those of a float32 one are its own memory.
 * @throws RunnerError `RUN_FAILED` where they are no floats
 */
export function floatsOf({ type, data }: Pick<TensorData, 'type' | 'data'>): Float32Array {
  if (data instanceof Uint16Array && type === 'float16') return fromFloat16Bits(data);
  if (data instanceof Float32Array) return data;
  throw new RunnerError('RUN_FAILED', `Expected a tensor of type float32 or float16, got ${type}.`);
}

/** Numbers as a tensor of the type that a graph wants: `float32` or `float16`. */
export function floatTensor(values: Float32Array, dims: readonly number[], type: string): TensorData {
  return { type, data: type === 'float16' ? toFloat16Bits(values) : values, dims };
}

/** The same tensor as the type that a graph wants. */
export function asType(tensor: TensorData, type: string): TensorData {
  return tensor.type === type ? tensor : floatTensor(floatsOf(tensor), tensor.dims, type);
}
