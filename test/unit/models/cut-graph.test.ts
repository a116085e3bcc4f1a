import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cutSide, hasSide, type Side } from '../../../src/models/cut-graph.js';
import { readOnnxGraph, type OnnxGraph } from '../../../src/models/onnx-graph.js';
import { writeGraphPart } from '../../../src/models/write-graph.js';
import { attribute, handmadeJoint, node, value } from '../../support/joint-model.js';
import { message, model, type Field } from '../../support/onnx-bytes.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cut-graph-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** The side of a file, written and read again. */
async function cut(bytes: Buffer, side: Side): Promise<OnnxGraph> {
  const [source, target] = [join(folder, 'whole.onnx'), join(folder, `${side}.onnx`)];
  await writeFile(source, bytes);
  await rm(target, { force: true });
  await writeGraphPart(source, cutSide(readOnnxGraph(source), side, source), target);
  return readOnnxGraph(target);
}

const names = (values: readonly { readonly name: string }[]): readonly string[] => values.map(({ name }) => name);
const types = (graph: OnnxGraph): readonly string[] => graph.nodes.map(({ type }) => type);

describe('cutSide', () => {
  it('keeps what one side needs, and nothing of the other', async () => {
    const vision = await cut(handmadeJoint(), 'vision');
    expect(types(vision)).toEqual(['Flatten', 'MatMul']);
    expect([names(vision.inputs), names(vision.weights), names(vision.outputs)]).toEqual([
      ['pixels'],
      ['picture_weights'],
      ['image_embeds'],
    ]);
    const text = await cut(handmadeJoint(), 'text');
    expect(types(text)).toEqual(['Gather', 'ReduceMean']);
    expect([names(text.inputs), names(text.weights), names(text.outputs)]).toEqual([
      ['ids'],
      ['text_weights'],
      ['text_embeds'],
    ]);
  });

  it('keeps what the graphs inside a node take from outside', async () => {
    const vision = await cut(handmadeJoint({ isBranched: true }), 'vision');
    expect(types(vision)).toEqual(['Flatten', 'Constant', 'Constant', 'Greater', 'If']);
    expect(names(vision.weights)).toEqual(['picture_weights']);
    const text = await cut(handmadeJoint({ isBranched: true }), 'text');
    expect(types(text)).toEqual(['Constant', 'Constant', 'Greater', 'If', 'ReduceMean']);
    expect([names(text.inputs), names(text.weights)]).toEqual([['ids'], ['text_weights']]);
  });

  it('follows names through graphs in graphs, and leaves out those that a graph makes itself', async () => {
    const innermost = message(node('Add', ['own', 'deep_weight'], ['sum']), [12, message([1, 'sum'])]);
    const inner = message(
      node('Mul', ['pixels', 'own_weight'], ['own']),
      node('If', ['own'], ['made'], [attribute('then_branch', [6, innermost])]),
      [5, message([8, 'own_weight'])],
      [12, message([1, 'made'])],
    );
    const vision = await cut(
      model(
        node('Loop', ['', 'pixels'], ['image_embeds'], [attribute('body', [6, inner])]),
        ...['deep_weight', 'own_weight', 'own', 'unused'].map((name): Field => [5, message([8, name])]),
        [11, value('pixels', 1, [1, 3, 4, 4])],
        [12, value('image_embeds', 1, [1, 8])],
      ),
      'vision',
    );
    expect(names(vision.weights)).toEqual(['deep_weight']);
  });

  it('keeps versions, functions, metadata and the descriptions of kept values, and drops training', async () => {
    const note = (name: string): Field => [13, value(name, 1, [1])];
    const beside: Field[] = [
      [14, message([1, 'key'], [2, 'metadata'])],
      [20, message([1, message([2, 'training'])])],
      [25, message([1, 'function'])],
    ];
    const bytes = handmadeJoint({ graph: [note('flat'), note('rows'), [16, message([1, 'inside'])]], model: beside });
    const vision = await cut(bytes, 'vision');
    expect(names(vision.notes)).toEqual(['flat']);
    // ir_version, producer_name, metadata, function, opset_import; the graph's name and metadata.
    expect([vision.beside.length, vision.rest.length]).toEqual([5, 2]);
  });

  it('takes weights that are listed among the inputs for weights', async () => {
    const bytes = handmadeJoint({ graph: [[11, value('picture_weights', 1, [48, 8])]] });
    expect(names((await cut(bytes, 'vision')).inputs)).toEqual(['pixels', 'picture_weights']);
  });

  it('joins a graph that is written in two fields', async () => {
    const bytes = Buffer.concat([handmadeJoint(), message([7, message([16, message([1, 'more'])])])]);
    const vision = await cut(bytes, 'vision');
    expect([types(vision).length, vision.rest.length]).toEqual([2, 2]);
  });

  const noText = model(node('Flatten', ['x'], ['y']), [11, value('x', 1, [1, 3, 4, 4])], [12, value('y', 1, [1, 48])]);

  it.each(['vision', 'text'] as const)(
    'says what it found where no output depends on one side alone: %s',
    async (side) => {
      const mixed = model(
        node('Concat', ['pixels', 'ids'], ['image_embeds']),
        [11, value('pixels', 1, [1, 3, 4, 4])],
        [11, value('ids', 7, [1, 9])],
        [12, value('image_embeds', 1, [1, 8])],
      );
      await expect(cut(mixed, side)).rejects.toMatchObject({
        code: 'MODEL_INVALID',
        message: expect.stringMatching(/whole\.onnx.*alone.*pixels of 4 axes, ids of 2 axes.*image_embeds/) as string,
      });
      await writeFile(join(folder, 'x.onnx'), noText);
      expect(hasSide(readOnnxGraph(join(folder, 'x.onnx')), side)).toBe(side === 'vision');
    },
  );

  it('names what a graph reads and nothing makes', async () => {
    const bytes = model(
      node('Add', ['pixels', 'lost'], ['image_embeds']),
      [11, value('pixels', 1, [1, 3, 4, 4])],
      [12, value('image_embeds', 1, [1, 8])],
    );
    await expect(cut(bytes, 'vision')).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringMatching(/whole\.onnx is not a whole graph: it reads "lost"/) as string,
    });
  });
});
