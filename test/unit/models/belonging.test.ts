import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkBelonging } from '../../../src/models/belonging.js';
import { CLIP, SIGLIP } from '../../support/fixtures.js';
import { JOINT, node, value } from '../../support/joint-model.js';
import { message, model, type Field } from '../../support/onnx-bytes.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'belonging-'));
});
afterEach(() => rm(folder, { recursive: true }));

const weight = (name: string, ...dims: readonly number[]): Field => [
  5,
  message(...dims.map((dim): Field => [1, dim]), [8, name]),
];
const vision = (length: number | string, ...more: readonly Field[]): Buffer =>
  model([11, value('pixels', 1, ['n', 3, 8, 8])], [12, value('image_embeds', 1, ['n', length])], ...more);
const text = (length: number | string, ...more: readonly Field[]): Buffer =>
  model([11, value('ids', 7, ['n', 's'])], [12, value('text_embeds', 1, ['n', length])], ...more);
/** Ids on their way to a table, as exporters write it. */
const lookup = [node('Cast', ['ids'], ['cast']), node('Gather', ['table', 'cast'], ['rows'])];

async function check(config: unknown, visionGraph: Buffer, textGraph?: Buffer): Promise<number | undefined> {
  const [visionFile, textFile] = [join(folder, 'vision.onnx'), join(folder, 'text.onnx')];
  await writeFile(visionFile, visionGraph);
  if (textGraph !== undefined) await writeFile(textFile, textGraph);
  return checkBelonging({
    title: 'the folder ./x',
    visionFile,
    textFile: textGraph === undefined ? undefined : textFile,
    config,
  });
}

describe('parts of one model', () => {
  const fixtures = [
    { name: 'clip-tiny', folder: CLIP, graphs: { visionFile: 'vision_model' }, rows: undefined },
    { name: 'siglip-tiny', folder: SIGLIP, graphs: { visionFile: 'vision_model', textFile: 'text_model' }, rows: 704 },
    { name: 'joint-tiny', folder: JOINT, graphs: { visionFile: 'model', textFile: 'model' }, rows: 997 },
    {
      name: 'joint-tiny, quantised',
      folder: JOINT,
      graphs: { visionFile: 'model_quantized', textFile: 'model_quantized' },
      rows: 997,
    },
  ];
  it('have the patches that the configuration says, where the graph shows them', async () => {
    const graph = vision(8, weight('kernel', 16, 3, 16, 16), node('Conv', ['pixels', 'kernel'], ['patches']));
    const config = (side: number): object => ({ vision_config: { patch_size: side } });
    await expect(check(config(16), graph)).resolves.toBeUndefined();
    await expect(check(config(32), graph)).rejects.toThrow('patches of 32 pixels, the vision graph takes 16');
  });

  it.each(fixtures)('are taken: $name', ({ folder: model, graphs, rows }) => {
    const files = Object.fromEntries(
      Object.entries(graphs).map(([key, graph]) => [key, join(model, 'onnx', `${graph}.onnx`)]),
    ) as { visionFile: string };
    const config: unknown = JSON.parse(readFileSync(join(model, 'config.json'), 'utf8'));
    expect(checkBelonging({ title: 'x', ...files, config })).toBe(rows);
  });

  it.each([
    ['nothing known', undefined, vision('d'), text('e')],
    ['a pooled state besides', { projection_dim: 512 }, vision(512, [12, value('pooled', 1, ['n', 768])]), text(512)],
    ['a free axis', { projection_dim: 512 }, vision('d'), text(512)],
    ['defaults inside text_config', { text_config: { projection_dim: 9 } }, vision(512), text(512)],
    ['embed_dim of another library', { embed_dim: 9 }, vision(512), text(512)],
    [
      "open_clip's default beside another library's text side",
      { text_cfg: { hf_model_name: 'xlm-roberta-base', vocab_size: 49408 } },
      vision(8),
      text(8, ...lookup, weight('table', 250002, 8)),
    ],
    ['a padded table', { text_config: { vocab_size: 990 } }, vision(8), text(8, ...lookup, weight('table', 1024, 8))],
    [
      'a table of places',
      { text_config: { vocab_size: 1024 } },
      vision(8),
      text(
        8,
        ...lookup,
        [11, value('position_ids', 7, ['n', 's'])],
        node('Gather', ['types', 'position_ids'], ['t']),
        weight('types', 4096, 8),
        weight('table', 1024, 8),
      ),
    ],
  ])('are taken where the files leave it open: %s', async (_, config, visionGraph, textGraph) => {
    await check(config, visionGraph, textGraph);
  });
});

describe('parts of different models', () => {
  it.each([
    [
      { text_cfg: { vocab_size: 21128 } },
      vision(8),
      text(8, ...lookup, weight('table', 49408, 8)),
      /a vocabulary of 21128 ids, the text graph has a table of 49408/,
    ],
    [
      { vision_cfg: { patch_size: 14 } },
      vision(8, weight('kernel', 16, 3, 16, 16), node('Conv', ['pixels', 'kernel'], ['patches'])),
      undefined,
      /patches of 14 pixels, the vision graph takes 16/,
    ],
    [{}, vision(512), text(768), /pictures become 512 numbers, texts 768/],
    [
      { projection_dim: 640 },
      vision(512),
      undefined,
      /config\.json says vectors of 640 numbers, the vision graph makes 512/,
    ],
    [{ projection_dim: 640 }, vision('d'), text(512), /640 numbers, the text graph makes 512/],
    [{ vision_cfg: {}, embed_dim: 640 }, vision(512), undefined, /640 numbers, the vision graph makes 512/],
    [
      { text_config: { vocab_size: 21128 } },
      vision(8),
      text(8, ...lookup, weight('table', 49408, 8)),
      /a vocabulary of 21128 ids, the text graph has a table of 49408/,
    ],
    [
      { text_config: { vocab_size: 49408 } },
      vision(8),
      text(
        8,
        node('DequantizeLinear', ['table', 's', 'z'], ['floats']),
        node('Gather', ['floats', 'ids'], ['rows']),
        weight('table', 21128, 8),
      ),
      /a vocabulary of 49408 ids, the text graph has a table of 21128/,
    ],
  ])('are refused with both facts: %j', async (config, visionGraph, textGraph, message) => {
    const asked = check(config, visionGraph, textGraph);
    await expect(asked).rejects.toMatchObject({ code: 'MODEL_INVALID' });
    await expect(check(config, visionGraph, textGraph)).rejects.toThrow(message);
    await expect(check(config, visionGraph, textGraph)).rejects.toThrow(/the folder \.\/x don't belong together/);
  });
});
