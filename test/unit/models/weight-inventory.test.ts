import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readOnnxGraph } from '../../../src/models/onnx-graph.js';
import { weightGroups, type WeightGroup } from '../../../src/models/weight-inventory.js';
import { SIGLIP } from '../../support/fixtures.js';
import { node, value } from '../../support/joint-model.js';
import { message, model, type Field } from '../../support/onnx-bytes.js';
import { halved, quantised } from '../../support/small-precisions.js';

let folder: string;
beforeAll(() => (folder = mkdtempSync(path.join(tmpdir(), 'weight-inventory-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const [FLOAT32, UINT8, INT8, FLOAT16, INT4] = [1, 2, 3, 10, 22];

function groupsOf(bytes: Buffer): readonly WeightGroup[] {
  const file = path.join(folder, 'graph.onnx');
  writeFileSync(file, bytes);
  return weightGroups(readOnnxGraph(file));
}

const weight = (name: string, type: number, ...dims: readonly number[]): Field => [
  5,
  message(...dims.map((dim): Field => [1, dim]), [2, type], [8, name]),
];
const groupsIn = (...fields: readonly Field[]): readonly WeightGroup[] =>
  groupsOf(model(...fields, [11, value('x', 1, ['n', 4])], [12, value('y', 1, ['n', 4])]));

describe('the weights of a graph', () => {
  it('are counted by what they are for and by type, with their bytes', () => {
    const groups = groupsIn(
      node('MatMul', ['x', 'a'], ['1']),
      node('Gemm', ['1', 'b', 'bias'], ['2']),
      node('Conv', ['2', 'kernel'], ['3']),
      node('Gather', ['table', 'ids'], ['4']),
      node('Add', ['3', 'positions'], ['y']),
      weight('a', FLOAT32, 4, 8),
      weight('b', FLOAT32, 8, 8),
      weight('bias', FLOAT32, 8),
      weight('kernel', FLOAT16, 8, 3, 2, 2),
      weight('table', FLOAT32, 10, 4),
      weight('positions', FLOAT32, 1, 4),
    );
    expect(groups).toEqual([
      { use: 'MatMul', type: 'float32', count: 2, bytes: 4 * 96 },
      { use: 'Conv', type: 'float16', count: 1, bytes: 2 * 96 },
      { use: 'Gather', type: 'float32', count: 1, bytes: 4 * 40 },
      { use: 'other', type: 'float32', count: 2, bytes: 4 * 12 },
    ]);
  });

  it.each([
    ['at run time', node('MatMulInteger', ['x', 'w', 'x_zero', 'w_zero'], ['y'])],
    ['with scales on both sides', node('QLinearMatMul', ['x', 's', 'z', 'w', 'w_scale', 'w_zero', 't', 'u'], ['y'])],
    ['in one operator', node('DynamicQuantizeMatMul', ['x', 'w', 'w_scale', 'w_zero'], ['y'])],
  ])('are found in products that are quantised %s', (_, product) => {
    const groups = groupsIn(product, weight('w', INT8, 4, 8), weight('w_zero', INT8, 8), weight('w_scale', FLOAT32, 8));
    expect(groups).toContainEqual({ use: 'MatMul', type: 'int8', count: 1, bytes: 32 });
    expect(groups).toContainEqual({ use: 'other', type: 'int8', count: 1, bytes: 8 });
  });

  it('are followed through what turns them back or around', () => {
    const groups = groupsIn(
      node('DequantizeLinear', ['w', 'w_scale'], ['1']),
      node('Transpose', ['1'], ['2']),
      node('MatMul', ['x', '2'], ['3']),
      node('DequantizeLinear', ['k', 'k_scale'], ['4']),
      node('Conv', ['3', '4'], ['y']),
      weight('w', UINT8, 4, 8),
      weight('k', INT8, 8, 3, 2, 2),
    );
    expect(groups.map(({ use, type }) => `${use} ${type}`)).toEqual(['MatMul uint8', 'Conv int8']);
  });

  it('of four bits take half a byte, and their scales are no matrices of the product', () => {
    const groups = groupsIn(
      node('MatMulNBits', ['x', 'w', 'scales'], ['y']),
      weight('w', INT4, 16, 2, 16),
      weight('scales', FLOAT32, 16, 2),
    );
    expect(groups).toEqual([
      { use: 'MatMul', type: 'int4', count: 1, bytes: 256 },
      { use: 'other', type: 'float32', count: 1, bytes: 128 },
    ]);
  });

  it.each(['vision', 'text'])('of a whole model tell what was made smaller: %s', (side) => {
    const file = path.join(SIGLIP, `onnx/${side}_model.onnx`);
    const before = weightGroups(readOnnxGraph(file)).find(({ use }) => use === 'MatMul')!;
    const ofProducts = (bytes: Buffer, type: string): WeightGroup =>
      groupsOf(bytes).find((group) => group.use === 'MatMul' && group.type === type)!;
    const [codes, halves] = [ofProducts(quantised(file), 'int8'), ofProducts(halved(file), 'float16')];
    expect(codes.count).toBeGreaterThan(10);
    expect(codes.count).toBeLessThanOrEqual(before.count);
    expect(halves).toEqual({ ...codes, type: 'float16', bytes: 2 * codes.bytes });
  });
});
