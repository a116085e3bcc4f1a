import { describe, expect, it } from 'vitest';
import { modelOptions, MODEL_VARIABLES, textModelOptions } from '../../../src/cli/runner-settings.js';
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
