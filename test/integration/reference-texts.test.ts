import { afterAll, describe, expect, it } from 'vitest';
import type { ClipModel } from '../../src/model.js';
import { openOnnxSession } from '../../src/pool/session.js';
import { openTextTower } from '../../src/tasks/text-tower.js';
import { openTokenizer } from '../../src/tasks/tokenizer/tokenizer.js';
import { cosine } from '../support/fixtures.js';
import { readReferenceTexts, TEXT_REFERENCE } from '../support/tokens.js';

/** All texts of the full reference set, whose vocabularies may not be passed on. Prints how many are equal. */
const where = TEXT_REFERENCE === undefined ? ' (skipped: there is no ../shared/reference beside this checkout)' : '';
const MODELS = ['clip-tiny', 'chinese-clip-tiny', 'siglip-tiny'] as const;

describe.skipIf(TEXT_REFERENCE === undefined)(`the reference texts${where}`, () => {
  const summaries: string[] = [];
  afterAll(() => {
    console.log(summaries.join('\n'));
  });

  it.each([...MODELS, 'blip-tiny'])('become the ids of Python with the tokenizer of %s', async (name) => {
    const tokenizer = await openTokenizer(`${TEXT_REFERENCE!}models/${name}`);
    const texts = readReferenceTexts(name);
    const different = texts.filter(({ text, input_ids: golden }) => {
      const ids = tokenizer.encode(text, tokenizer.maxTokens!);
      return ids.length !== golden.length || ids.some((id, place) => id !== golden[place]);
    });
    summaries.push(`${name}: ids of ${texts.length - different.length} of ${texts.length} texts equal`);
    expect(texts.length).toBeGreaterThan(90);
    expect(different.map(({ text }) => text)).toEqual([]);
  });

  it.each(MODELS)('become the vectors of Python with %s, in batches of mixed lengths', async (name) => {
    const folder = `${TEXT_REFERENCE!}models/${name}`;
    const textFile = `${folder}/onnx/text_model.onnx`;
    const session = await openOnnxSession(textFile, { device: 'cpu', strictDevice: true, intraOpThreads: 1 });
    const tokenizer = await openTokenizer(folder);
    const model = { label: name, folder, dtype: 'fp32', textFile } as ClipModel & { textFile: string };
    const tower = await openTextTower(session, tokenizer, model, 8);
    const texts = readReferenceTexts(name);
    const vectors = await tower.embed(texts.map(({ text }) => tokenizer.encode(text, tower.maxTokens)));
    const cosines = texts.map(({ embedding }, index) => cosine(vectors[index] as Float32Array, embedding!));
    summaries.push(`${name}: ${texts.length} vectors, least cosine ${Math.min(...cosines).toFixed(8)}`);
    for (const [index, value] of cosines.entries()) expect(value, texts[index]!.text).toBeGreaterThanOrEqual(0.99999);
    await session.close();
  });
});
