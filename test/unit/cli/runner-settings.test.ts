import path from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  modelOptions,
  MODEL_VARIABLES,
  PHOTO_VARIABLES,
  photoOptions,
  textModelOptions,
} from '../../../src/cli/runner-settings.js';
import type { Log } from '../../../src/cli/log.js';
import { readSettings } from '../../../src/cli/variables.js';

const settings = (env: Record<string, string>): Parameters<typeof textModelOptions>[0] =>
  readSettings(MODEL_VARIABLES, {}, env);

describe('a text that names no model', () => {
  const models = 'other=./a,clip-ViT-L-14=./b';

  it('gets the one with the label PROCESSING_DEFAULT_MODEL, wherever it stands in CLIP_MODELS', () => {
    expect(textModelOptions(settings({ CLIP_MODELS: models }), {}).models).toEqual([
      { label: 'clip-ViT-L-14', name: './b' },
      { label: 'other', name: './a' },
    ]);
  });

  it('gets the first one where no model has that label', () => {
    const env = { CLIP_MODELS: models, PROCESSING_DEFAULT_MODEL: 'none' };
    expect(textModelOptions(settings(env), {}).models[0]?.label).toBe('other');
  });

  it('changes nothing for photos: their order is that of CLIP_MODELS', () => {
    expect(modelOptions(settings({ CLIP_MODELS: models }), {}).models).toBe(models);
  });
});

describe('the folders of photos', () => {
  const [here, below] = [import.meta.dirname, path.dirname(import.meta.dirname)];
  const absent = path.join(here, 'nowhere');

  async function rootsOf(env: Record<string, string>): Promise<{ roots: unknown; warnings: unknown[] }> {
    const warnings: unknown[] = [];
    const log = { warn: (...line: unknown[]) => warnings.push(line) } as unknown as Log;
    const { roots } = await photoOptions(readSettings(PHOTO_VARIABLES, {}, env), log);
    return { roots, warnings };
  }

  it.each([
    ['the working directory', {}, [process.cwd()]],
    ['PROJECT_ROOT', { PROJECT_ROOT: here }, [here]],
    ['UPLOAD_BASE_DIR', { UPLOAD_BASE_DIR: here }, [here]],
    ['both, the first before', { PROJECT_ROOT: here, UPLOAD_BASE_DIR: below }, [here, below]],
    ['those that are to be refused', { PROJECT_ROOT: absent }, [absent]],
    ['the same', { UPLOAD_BASE_DIR: absent }, [absent]],
  ])('are %s', async (_, env, roots) => {
    expect(await rootsOf(env)).toEqual({ roots, warnings: [] });
  });

  it('leave out an upload folder that is not there beside PROJECT_ROOT, and say so', async () => {
    const { roots, warnings } = await rootsOf({ PROJECT_ROOT: here, UPLOAD_BASE_DIR: absent });
    expect([roots, warnings]).toEqual([[here], [[{ folder: absent }, expect.stringContaining('UPLOAD_BASE_DIR')]]]);
  });
});
