import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TensorData } from '../../src/tensor.js';
import { message, type Field } from './onnx-bytes.js';

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

/** A CLIP of random weights whose towers are in one graph; written by tools/joint-golden.py. */
export const JOINT = fixture('models/joint-tiny');

/** What torch makes of fixed inputs. */
export const JOINT_GOLDEN = JSON.parse(readFileSync(path.join(JOINT, 'golden.json'), 'utf8')) as {
  readonly ids: readonly (readonly number[])[];
  readonly mask: readonly (readonly number[])[];
  readonly text_embeds: readonly (readonly number[])[];
  readonly image_embeds: readonly (readonly number[])[];
};

const JOINT_SIDE = 32;
/** The tower of the texts: 997 ids of 16 numbers. */
export const JOINT_TABLE_BYTES = 997 * 16 * 4;

/** The inputs that torch was given. */
export function jointFeeds(): { readonly pixels: TensorData; readonly ids: TensorData; readonly mask: TensorData } {
  const { ids, mask } = JOINT_GOLDEN;
  const dims = [ids.length, ids[0]!.length];
  const whole = (rows: readonly (readonly number[])[]): TensorData => ({
    type: 'int64',
    data: BigInt64Array.from(rows.flat().map(BigInt)),
    dims,
  });
  const pixels = Float32Array.from({ length: 3 * 3 * JOINT_SIDE ** 2 }, (_, i) => Math.sin(i * 0.37) * 1.2);
  return {
    pixels: { type: 'float32', data: pixels, dims: [3, 3, JOINT_SIDE, JOINT_SIDE] },
    ids: whole(ids),
    mask: whole(mask),
  };
}

/** Its folder, with the byte-level BPE that it was made for. */
export function writeJointModel(folder: string): string {
  cpSync(JOINT, folder, { recursive: true });
  for (const file of ['tokenizer.json', 'tokenizer_config.json'])
    cpSync(path.join(fixture('tokenizers/clip-bpe'), file), path.join(folder, file));
  return folder;
}

/** A joint graph of two products, of which a test can have every byte its own way. */
export interface HandmadeShape {
  /** File beside the graph that holds the weights. */
  readonly weightsIn?: string;
  /** Both sides pass an `If` whose branches take their weights from the graph around them. */
  readonly isBranched?: boolean;
  /** Further fields of the graph, and of the model. */
  readonly graph?: readonly Field[];
  readonly model?: readonly Field[];
}

export const HANDMADE = { rows: 40, pixels: 3 * 4 * 4, dimension: 8 } as const;
const { rows, pixels, dimension } = HANDMADE;

const PICTURE_WEIGHTS = wave(pixels * dimension, 0.7);
const TEXT_WEIGHTS = wave(rows * dimension, 1.3);

/** The content of the file with weights: first those of the pictures, then those of the texts. */
export const HANDMADE_WEIGHTS = Buffer.concat([PICTURE_WEIGHTS, TEXT_WEIGHTS]);

export function handmadeJoint({ weightsIn, isBranched = false, ...more }: HandmadeShape = {}): Buffer {
  const product = isBranched
    ? [
        node('Greater', ['flat_size', 'zero'], ['is_large']),
        node('If', ['is_large'], ['image_embeds'], branches('flat', 'picture_weights', 'MatMul')),
        node('If', ['is_large'], ['rows'], branches('text_weights', 'ids', 'Gather')),
      ]
    : [
        node('MatMul', ['flat', 'picture_weights'], ['image_embeds']),
        node('Gather', ['text_weights', 'ids'], ['rows']),
      ];
  const graph = message(
    node('Flatten', ['pixels'], ['flat']),
    ...(isBranched ? [constant('flat_size', 1), constant('zero', 0)] : []),
    ...product,
    node('ReduceMean', ['rows'], ['text_embeds'], [attribute('axes', [8, 1]), attribute('keepdims', [3, 0])]),
    node('Transpose', ['text_embeds'], ['turned']),
    node('MatMul', ['image_embeds', 'turned'], ['logits']),
    [2, 'handmade'],
    weight('picture_weights', [pixels, dimension], PICTURE_WEIGHTS, weightsIn, 0),
    weight('text_weights', [rows, dimension], TEXT_WEIGHTS, weightsIn, PICTURE_WEIGHTS.length),
    [11, value('pixels', 1, ['n', 3, 4, 4])],
    [11, value('ids', 7, ['m', 's'])],
    [12, value('logits', 1, ['n', 'm'])],
    [12, value('image_embeds', 1, ['n', dimension])],
    [12, value('text_embeds', 1, ['m', dimension])],
    ...(more.graph ?? []),
  );
  return message([1, 8], [2, 'a test'], ...(more.model ?? []), [7, graph], [8, message([2, 17])]);
}

/** A whole folder round it, without a tokenizer. */
export function writeHandmade(folder: string, shape: HandmadeShape = {}): string {
  mkdirSync(path.join(folder, 'onnx'), { recursive: true });
  writeFileSync(path.join(folder, 'onnx', 'model.onnx'), handmadeJoint(shape));
  if (shape.weightsIn !== undefined) writeFileSync(path.join(folder, 'onnx', shape.weightsIn), HANDMADE_WEIGHTS);
  const preprocess = { ...(JSON.parse(readFileSync(path.join(JOINT, 'preprocessor_config.json'), 'utf8')) as object) };
  const size = { size: { shortest_edge: 4 }, crop_size: { height: 4, width: 4 } };
  writeFileSync(path.join(folder, 'preprocessor_config.json'), JSON.stringify({ ...preprocess, ...size }));
  return folder;
}

export function node(
  type: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: readonly Field[] = [],
): Field {
  const names: Field[] = [...inputs.map((name): Field => [1, name]), ...outputs.map((name): Field => [2, name])];
  return [1, message(...names, [4, type], ...attributes)];
}

export function value(name: string, type: number, axes: readonly (number | string)[]): Buffer {
  const shape = message(...axes.map((axis): Field => [1, message(typeof axis === 'string' ? [2, axis] : [1, axis])]));
  return message([1, name], [2, message([1, message([1, type], [2, shape])])]);
}

/** ONNX's types of attributes: an integer, a graph, a list of integers; the field tells which. */
const ATTRIBUTE_TYPES: Readonly<Record<number, number>> = { 3: 2, 5: 4, 6: 5, 8: 7 };

export function attribute(name: string, content: Field): Field {
  return [5, message([1, name], content, [20, ATTRIBUTE_TYPES[content[0]]!])];
}

/** Both branches of an `If` compute the same, from names of the graph around them. */
function branches(left: string, right: string, type: string): readonly Field[] {
  // Of unknown shape: two axes on one side, three on the other.
  const made = message([1, 'made'], [2, message([1, message([1, 1])])]);
  return ['then_branch', 'else_branch'].map((name) =>
    attribute(name, [6, message(node(type, [left, right], ['made']), [2, name], [12, made])]),
  );
}

function constant(name: string, number: number): Field {
  const raw = Buffer.from(Float32Array.of(number).buffer);
  return node('Constant', [], [name], [attribute('value', [5, message([2, 1], [9, raw])])]);
}

function weight(
  name: string,
  dims: readonly number[],
  bytes: Buffer,
  location: string | undefined,
  offset: number,
): Field {
  const head: Field[] = [...dims.map((dim): Field => [1, dim]), [2, 1], [8, name]];
  if (location === undefined) return [5, message(...head, [9, bytes])];
  const entries = { location, offset: `${offset}`, length: `${bytes.length}` };
  const external = Object.entries(entries).map(([key, text]): Field => [13, message([1, key], [2, text])]);
  return [5, message(...head, ...external, [14, 1])];
}

function wave(length: number, pace: number): Buffer {
  return Buffer.from(Float32Array.from({ length }, (_, i) => Math.sin(i * pace)).buffer);
}
