import { describe, expect, it } from 'vitest';
import { lookUpModel } from '../../../src/models/catalog.js';
import { looksLikeFolder, parseRepository } from '../../../src/models/repository.js';

describe('parseRepository', () => {
  for (const id of ['openai/clip-vit-base-patch32', 'a/b', 'Org_1/ViT-B-32__openai', 'x/v1.5']) {
    it(`accepts ${id}`, () => {
      expect(parseRepository(id).id).toBe(id);
    });
  }

  const bad = [
    '', '/', 'a', 'a/', '/b', 'a/b/c', '../b', 'a/..', 'a/../b', 'a/.b', '.a/b', 'a/b.', '-a/b', 'a/b-', 'a--b/c', 'a/b..c',
    'a\\b', 'a/b\\c', 'a/b c', 'a/b\n', 'a/b\0', 'a/b?x=1', 'a/b#x', 'a/b@main', 'a/%2e%2e', 'https://x/y', 'a/ü', `a/${'b'.repeat(96)}`,
  ]; // prettier-ignore
  for (const id of bad) {
    it(`refuses ${JSON.stringify(id)}`, () => {
      expect(() => parseRepository(id)).toThrow(
        expect.objectContaining({ code: 'OPTIONS_INVALID', message: expect.stringContaining('owner/name') as string }),
      );
    });
  }
});

describe('looksLikeFolder', () => {
  it('takes paths for folders, and nothing else', () => {
    expect(['./x', '../x', '/x', '~/x', '.', '~'].every(looksLikeFolder)).toBe(true);
    expect(['a/b', 'ViT-B-32__openai', 'models/x'].some(looksLikeFolder)).toBe(false);
  });
});

describe('lookUpModel', () => {
  const known = [
    ['openai/clip-vit-large-patch14', 'Xenova/clip-vit-large-patch14', 'split', 'MIT'],
    ['openai/clip-vit-large-patch14-336', 'Xenova/clip-vit-large-patch14-336', 'split', 'MIT'],
    ['Xenova/clip-vit-base-patch32', 'Xenova/clip-vit-base-patch32', 'split', 'MIT'],
    ['OFA-Sys/chinese-clip-vit-base-patch16', 'Xenova/chinese-clip-vit-base-patch16', 'joint', undefined],
    ['google/siglip-base-patch16-224', 'Xenova/siglip-base-patch16-224', 'split', 'Apache-2.0'],
    ['google/siglip2-base-patch16-224', 'onnx-community/siglip2-base-patch16-224-ONNX', 'split', 'Apache-2.0'],
    [
      'onnx-community/siglip2-base-patch16-224-ONNX',
      'onnx-community/siglip2-base-patch16-224-ONNX',
      'split',
      'Apache-2.0',
    ],
    ['ViT-B-32__openai', 'immich-app/ViT-B-32__openai', 'immich', 'MIT'],
    ['immich-app/ViT-B-32__openai', 'immich-app/ViT-B-32__openai', 'immich', 'MIT'],
    ['ViT-B-16-SigLIP2__webli', 'immich-app/ViT-B-16-SigLIP2__webli', 'immich', 'Apache-2.0'],
    ['nllb-clip-base-siglip__v1', 'immich-app/nllb-clip-base-siglip__v1', 'immich', 'CC-BY-NC-4.0'],
    ['XLM-Roberta-Large-Vit-B-16Plus', 'immich-app/XLM-Roberta-Large-Vit-B-16Plus', 'immich', undefined],
  ] as const;
  for (const [asked, repository, layout, licence] of known) {
    it(`finds ${asked} in ${repository}`, () => {
      expect(lookUpModel(asked)).toEqual({ repository, layout, ...(licence === undefined ? {} : { licence }) });
    });
  }

  it('uses a name that it does not know as it is', () => {
    expect(lookUpModel('someone/some-clip')).toEqual({ repository: 'someone/some-clip', layout: 'split' });
  });

  it('lets no name grow a path on its way to the repository', () => {
    for (const name of ['../x__openai', 'openai/clip-vit-base-patch32/../../x', 'immich-app/..__openai']) {
      expect(() => parseRepository(lookUpModel(name).repository)).toThrow(
        expect.objectContaining({ code: 'OPTIONS_INVALID' }),
      );
    }
  });
});
