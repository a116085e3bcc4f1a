import { RunnerError } from '../errors.js';
import type { Session, TensorInfo } from '../tensor.js';

/** The pictures that a graph takes. */
export interface GraphInput {
  readonly name: string;
  /** The graph's own batch, where it is fixed. */
  readonly fixedBatch: number | undefined;
}

/** Size of the pictures that a graph is to take, in pixels; undefined where the graph must leave it free. */
export interface InputSize {
  readonly width: number | undefined;
  readonly height: number | undefined;
}

/**
 * The one input of a graph that takes pictures of this size, of three channels, as float32.
 * @throws RunnerError `MODEL_INVALID`
 */
export function pickPictureInput(session: Session, { width, height }: InputSize, title: string): GraphInput {
  const [input] = session.inputs;
  const wanted = `[batch, 3, ${height ?? 'any'}, ${width ?? 'any'}]`;
  if (input === undefined || session.inputs.length !== 1 || input.type !== 'float32' || input.shape.length !== 4) {
    throw unfit(session, `${title}: expected one float32 input ${wanted}`);
  }
  const sides = input.shape.slice(1).map(fixedLength);
  const fits = [3, height, width].every((length, axis) => sides[axis] === undefined || sides[axis] === length);
  if (!fits) throw unfit(session, `${title}: expected an input of ${wanted}`);
  return { name: input.name, fixedBatch: fixedLength(input.shape[0] ?? '') };
}

/** The length of an axis that the graph fixes. */
function fixedLength(axis: number | string): number | undefined {
  return typeof axis === 'number' && axis > 0 ? axis : undefined;
}

/** `expected ..., got input.1 float32[1,3,320,320]` */
function unfit(session: Session, expected: string): RunnerError {
  return new RunnerError('MODEL_INVALID', `${expected}, got ${session.inputs.map(describeTensor).join(', ')}.`);
}

export function describeTensor({ name, type, shape }: TensorInfo): string {
  return `${name} ${type}[${shape.join(',')}]`;
}
