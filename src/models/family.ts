import { basename } from 'node:path';
import { RunnerError } from '../errors.js';
import { MAX_PADDING_ROWS } from './belonging.js';
import { valueAt } from './config-reader.js';
import { PROCESSOR_ENDINGS } from './preprocess-hugging-face.js';

/** The files of a model that may name its family: by path, as JSON; undefined where one is not there or no JSON. */
export interface FamilyFiles {
  /** For messages: `the folder ./x`, `the repository x/y`. */
  readonly title: string;
  readonly config: unknown;
  /** Where there is a vision side; its path tells its form. */
  readonly preprocess?: { readonly path: string; readonly json: unknown } | undefined;
  /** Where there is a text side. */
  readonly tokenizer?: TokenizerFiles | undefined;
}

interface TokenizerFiles {
  /** Its folder's name with `/`, or nothing. */
  readonly prefix: string;
  readonly config: unknown;
  /** `tokenizer.json`; only read where something else names a family, as it may be large. */
  readonly read: () => Promise<unknown>;
  /** Rows of the table that the ids are looked up in, where the text graph shows it. */
  readonly tableRows?: number | undefined;
}

type Family = 'CLIP' | 'Chinese-CLIP' | 'SigLIP';

/** What a file says in so many words, and the families that it fits. */
interface Fact {
  readonly says: string;
  readonly families: readonly Family[];
}

const MODEL_TYPES = new Map<string, readonly Family[]>([
  ['clip', ['CLIP']],
  ['chinese_clip', ['Chinese-CLIP']],
  ['siglip', ['SigLIP']],
  ['siglip2', ['SigLIP']],
]);

/** Without the endings `ImageProcessor`, `FeatureExtractor`, `Fast`. CLIP's own is used by others that prepare alike. */
const PROCESSORS = new Map<string, readonly Family[]>([
  ['CLIP', ['CLIP', 'Chinese-CLIP']],
  ['ChineseCLIP', ['Chinese-CLIP']],
  ['Siglip', ['SigLIP']],
]);

/** Without the endings `Tokenizer`, `Fast`. */
const TOKENIZERS = new Map<string, readonly Family[]>([
  ['CLIP', ['CLIP']],
  ['Bert', ['Chinese-CLIP']],
  ['Siglip', ['SigLIP']],
  ['Gemma', ['SigLIP']],
]);

/**
 * Refuses files of different families, such as a SigLIP's preprocessing beside a CLIP. Only names that the files give
 * themselves count: the model's type, the classes of its image processor and tokenizer, the kind of `tokenizer.json`. A
 * name that isn't known says nothing, and neither does a tokenizer that fills the text graph's table: it was made for it.
 * @throws RunnerError `MODEL_INVALID` with both files and what each says
 */
export async function checkFamily({ title, config, preprocess, tokenizer }: FamilyFiles): Promise<void> {
  const facts = [
    named('config.json', 'model_type', valueAt(config, 'model_type'), MODEL_TYPES, /$/),
    preprocess && processorFact(preprocess.path, preprocess.json),
  ].filter((fact) => fact !== undefined);
  if (tokenizer !== undefined) facts.push(...(await tokenizerFacts(tokenizer, facts.length > 0)));
  for (const [index, one] of facts.entries()) {
    const other = facts.slice(index + 1).find(({ families }) => !families.some((name) => one.families.includes(name)));
    if (other === undefined) continue;
    throw new RunnerError(
      'MODEL_INVALID',
      `The files in ${title} are of different families: ${told(one)}, ${told(other)}. Take all of them from the same export.`,
    );
  }
}

function told({ says, families }: Fact): string {
  return `${says} (${families.join(' or ')})`;
}

function processorFact(path: string, json: unknown): Fact | undefined {
  const processor = basename(path) === 'processor_config.json' ? valueAt(json, 'image_processor') : json;
  return ['image_processor_type', 'feature_extractor_type']
    .map((key) => named(path, key, valueAt(processor, key), PROCESSORS, PROCESSOR_ENDINGS))
    .find((fact) => fact !== undefined);
}

async function tokenizerFacts(
  { prefix, config, read, tableRows }: TokenizerFiles,
  isNeeded: boolean,
): Promise<readonly Fact[]> {
  const file = `${prefix}tokenizer_config.json`;
  const byClass = named(file, 'tokenizer_class', valueAt(config, 'tokenizer_class'), TOKENIZERS, /Tokenizer(Fast)?$/);
  if (!isNeeded && byClass === undefined) return [];
  const json = await read();
  const vocabulary = valueAt(json, 'model', 'vocab');
  const size = typeof vocabulary === 'object' && vocabulary !== null ? Object.keys(vocabulary).length : 0;
  if (tableRows !== undefined && fills(size, tableRows)) return [];
  return [byClass, kindFact(`${prefix}tokenizer.json`, json)].filter((fact) => fact !== undefined);
}

/** Tables are padded, and some tokenizers have ids to spare. */
function fills(size: number, tableRows: number): boolean {
  return Math.abs(tableRows - size) < MAX_PADDING_ROWS && size > tableRows / 2;
}

/** How the tokenizer splits words, as far as only one family does it so. */
function kindFact(file: string, json: unknown): Fact | undefined {
  const type = valueAt(json, 'model', 'type');
  const says = (kind: string, ...families: readonly Family[]): Fact => ({ says: `${file} is ${kind}`, families });
  if (type === 'WordPiece') return says('a WordPiece', 'Chinese-CLIP');
  if (type === 'Unigram') return says('a Unigram of SentencePiece', 'SigLIP');
  if (type !== 'BPE') return undefined;
  if (valueAt(json, 'model', 'byte_fallback') === true) return says('a BPE of SentencePiece', 'SigLIP');
  const isOfBytes = JSON.stringify(valueAt(json, 'pre_tokenizer') ?? null).includes('"ByteLevel"');
  return isOfBytes ? says('a BPE of bytes', 'CLIP') : undefined;
}

function named(
  file: string,
  key: string,
  value: unknown,
  known: ReadonlyMap<string, readonly Family[]>,
  endings: RegExp,
): Fact | undefined {
  const families = typeof value === 'string' ? known.get(value.replace(endings, '')) : undefined;
  return families === undefined ? undefined : { says: `${file} has ${key} "${String(value)}"`, families };
}
