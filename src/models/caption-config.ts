import type { CaptionModel, SentenceRules } from '../model.js';
import type { CaptionerType } from './captioners.js';
import type { ConfigReader } from './config-reader.js';

/** What transformers takes where a configuration is silent. */
const BLIP_START = 30_522;
const BLIP_END = 102;
const BERT_POSITIONS = 512;
const GPT2_END = 50_256;
const BART_START_AND_END = 2;
const POSITIONS = 1024;

/** How sentences are made: where they begin and end, and what is kept in between. */
export type CaptionSettingsOfModel = Pick<CaptionModel, 'startId' | 'endId' | 'maxPositions' | 'rules'>;

/**
 * Reads them as transformers' `generate` does: `generation_config.json` first, where there is one.
 * @throws RunnerError `MODEL_INVALID`
 */
export function readCaptionConfig(
  type: CaptionerType,
  config: ConfigReader,
  generation: ConfigReader | undefined,
): CaptionSettingsOfModel {
  if (type === 'blip') return readBlip(config);
  const text = config.section(type === 'florence2' ? 'text_config' : 'decoder');
  // Files of before there was a generation_config.json have its settings in config.json.
  const places = generation === undefined ? [config, text] : [generation, config, text];
  const number = (key: string, fallback: number): number => whole(places, key) ?? fallback;
  const endId = number('eos_token_id', type === 'florence2' ? BART_START_AND_END : GPT2_END);
  const startId = whole(places, 'decoder_start_token_id') ?? number('bos_token_id', endId);
  return {
    startId,
    endId,
    maxPositions: whole([text], 'n_positions') ?? whole([text], 'max_position_embeddings') ?? POSITIONS,
    rules: readRules(generation === undefined ? places : [generation]),
  };
}

/**
 * BLIP begins with `bos_token_id` ([DEC]) and ends with `sep_token_id`, whatever else its files say: its own `generate`
 * passes these.
 */
function readBlip(config: ConfigReader): CaptionSettingsOfModel {
  const text = config.has('text_config') ? config.section('text_config') : config;
  return {
    startId: whole([text], 'bos_token_id') ?? BLIP_START,
    endId: whole([text], 'sep_token_id') ?? BLIP_END,
    maxPositions: whole([text], 'max_position_embeddings') ?? BERT_POSITIONS,
    rules: { noRepeatSize: 0 },
  };
}

function readRules(places: readonly ConfigReader[]): SentenceRules {
  const firstId = whole(places, 'forced_bos_token_id');
  const lastId = whole(places, 'forced_eos_token_id');
  return {
    ...(firstId === undefined ? {} : { firstId }),
    ...(lastId === undefined ? {} : { lastId }),
    noRepeatSize: whole(places, 'no_repeat_ngram_size') ?? 0,
  };
}

/** The whole number that the first place with such a key has. */
function whole(places: readonly ConfigReader[], key: string): number | undefined {
  return places
    .find((place) => place.has(key))
    ?.number(key, 0, 'a whole number', (value) => Number.isSafeInteger(value) && value >= 0);
}
