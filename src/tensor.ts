import type { Device } from './model.js';

/** Tensors as plain data. `float16` travels as its bits in 16-bit integers. */
export interface TensorData {
  /** ONNX element type, e.g. `float32`, `float16`, `int64`. */
  readonly type: string;
  readonly data: Float32Array | Uint16Array | Uint8Array | Int32Array | BigInt64Array;
  readonly dims: readonly number[];
}

/** An input or output of a graph. */
export interface TensorInfo {
  readonly name: string;
  readonly type: string;
  /** A number where the graph fixes the axis, a name where it is free. */
  readonly shape: readonly (number | string)[];
}

/**
 * An open graph, as far as tasks need one. `run` blocks the thread that the session is in, which is the caller's where it
 * runs on the processor; one at a time. Its tensors are the caller's again when it has ended.
 */
export interface Session {
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  /** The execution provider that was really set up. */
  readonly device: Device;
  /** Why devices that were to be preferred are not used; empty where it is the one that was asked for. */
  readonly refusals?: readonly string[];
  /** @throws RunnerError `RUN_FAILED` */
  run(feeds: Readonly<Record<string, TensorData>>): Promise<Record<string, TensorData>>;
  /** Frees the graph; `run` must not be under way. */
  close(): Promise<void>;
}
