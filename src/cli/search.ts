import { Option, type Command } from 'commander';
import { show } from '../check.js';
import { systemCode } from '../errors.js';
import type { ModelName } from '../model.js';
import { settingsCommand, type Call } from './command.js';
import { embedHere, embedThere } from './embed-query.js';
import { invalid, readAccess, readNumberFlag, type Gallery } from './gallery-access.js';
import { MODEL_VARIABLES, textModelOptions } from './runner-settings.js';
import { searchByText, searchByVector } from './search-calls.js';
import { hitsAsJson, renderHits, type Hit } from './search-hits.js';
import { understandsLinks } from './terminal-links.js';
import { VARIABLES, readSettings, type VariableName } from './variables.js';

const MAX_LIMIT = 1000;
/** In place of the address of an embed service. */
const NO_SERVICE = 'none';

const SEARCH_VARIABLES = [
  'apiBaseUrl',
  'accessToken',
  'embedUrl',
  'embedToken',
  // `--model` is a label here; the model's name comes by CLIP_MODELS or CLIP_MODEL_NAME.
  ...MODEL_VARIABLES.filter((name) => name !== 'modelName'),
] as const satisfies readonly VariableName[];

type SearchVariable = (typeof SEARCH_VARIABLES)[number];

/** `clip-runner search "a cat on the beach"`. */
export function searchCommand(): Command {
  const command = settingsCommand('search', 'find photos by what they show', SEARCH_VARIABLES, runSearch);
  return command
    .argument('<query...>', 'what to look for')
    .addOption(new Option('--limit <number>', `photos at most, 1 to ${MAX_LIMIT}`).default('10'))
    .addOption(new Option('--model <label>', 'label of the model (default: the first one)'))
    .addOption(new Option('--text', 'let the server embed the text (/api/search/text)').default(false))
    .addOption(new Option('--interval <ms>', 'with --text: time between looks for the answer').default('1000'))
    .addOption(new Option('--timeout <ms>', 'time for a server to answer, looks included').default('60000'))
    .addOption(new Option('--json', 'print JSON').default(false));
}

/** Prints what was found on stdout. Answers the exit code: 0, also where nothing was found. */
async function runSearch(call: Call<SearchVariable>): Promise<number> {
  const { settings, flags, args, env } = call;
  const query = readQuery(args[0]);
  const limit = readNumberFlag(flags, 'limit', 1, MAX_LIMIT);
  const intervalMs = readNumberFlag(flags, 'interval', 10, 60_000);
  const timeoutMs = readNumberFlag(flags, 'timeout', 1, 3_600_000);
  const label = typeof flags['model'] === 'string' ? flags['model'] : undefined;
  const access = readAccess(settings);
  const gallery = (): Gallery => ({ ...access, signal: AbortSignal.timeout(timeoutMs) });

  let hits: readonly Hit[];
  if (flags['text'] === true) {
    const model = label === undefined ? {} : { model: label };
    hits = await searchByText(gallery(), { query, limit, ...model }, intervalMs);
  } else {
    const { embedding, model } = await embed(query, label, timeoutMs, call);
    hits = await searchByVector(gallery(), { embedding, model, limit });
  }
  const shown = hits.slice(0, limit);
  if (shown.length === 0) process.stderr.write('Nothing found.\n');
  const hasLinks = understandsLinks(process.stdout.isTTY, env);
  process.stdout.write(flags['json'] === true ? hitsAsJson(shown) : renderHits(shown, hasLinks));
  return 0;
}

interface Query {
  readonly embedding: readonly number[];
  readonly model: string;
}

/** By the embed service, or by a model of this process: where that is asked for, and where no service is at its usual place. */
async function embed(
  query: string,
  asked: string | undefined,
  timeoutMs: number,
  { settings, env }: Call<SearchVariable>,
): Promise<Query> {
  const options = textModelOptions({ ...settings, ...readSettings(['modelName'], {}, env) }, env);
  const here = async (): Promise<Query> => {
    const model = pickModel(options.models, asked);
    return { embedding: await embedHere(query, model, options), model: model.label };
  };
  const { embedUrl, embedToken: token } = settings;
  if (embedUrl.trim() === NO_SERVICE) return here();
  const url = readUrl(embedUrl, 'PROCESSING_TEXT_EMBED_URL');
  const model = asked ?? options.models[0]?.label ?? '';
  try {
    return { embedding: await embedThere(query, model, { url, token, signal: AbortSignal.timeout(timeoutMs) }), model };
  } catch (thrown) {
    if (embedUrl !== VARIABLES.embedUrl.default || !isNobodyThere(thrown)) throw thrown;
    process.stderr.write(`No embed service at ${url} (PROCESSING_TEXT_EMBED_URL): the model is loaded here.\n`);
    return here();
  }
}

function isNobodyThere(thrown: unknown): boolean {
  return thrown instanceof Error && systemCode(thrown.cause) === 'ECONNREFUSED';
}

function pickModel(models: readonly ModelName[], label: string | undefined): ModelName {
  const model = label === undefined ? models[0] : models.find((candidate) => candidate.label === label);
  if (model !== undefined) return model;
  const known = models.map((candidate) => candidate.label).join(', ');
  throw invalid(`--model: there is no model ${show(label)}. The labels are: ${known} (CLIP_MODELS).`);
}

function readQuery(words: unknown): string {
  const query = (words as readonly string[]).join(' ');
  if (query.trim() !== '') return query;
  throw invalid('The query must be a text that is not blank, e.g. clip-runner search "a cat on the beach".');
}

function readUrl(value: string, variable: string): string {
  const url = URL.canParse(value.trim()) ? new URL(value.trim()) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '')
    return url.href;
  throw invalid(
    `${variable} must be "${NO_SERVICE}", or a URL like http://127.0.0.1:8001/embed_text without a user name or password.`,
  );
}
