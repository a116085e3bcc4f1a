import type { ModelName } from '../model.js';
import type { RunnerOptions } from '../options.js';
import { createRunner } from '../runner.js';
import { requestJson, unexpectedAnswer } from './json-request.js';
import { Terminal } from './terminal.js';

/** Loads the text side of one model and embeds one text with it. A download is shown on a terminal. */
export async function embedHere(text: string, model: ModelName, options: RunnerOptions): Promise<readonly number[]> {
  const runner = createRunner({ ...options, models: [model], tasks: ['text'] });
  const terminal = new Terminal();
  runner.on('model:progress', ({ file, receivedBytes, totalBytes }) => {
    const percent = totalBytes > 0 ? ` ${Math.floor((receivedBytes / totalBytes) * 100)} %` : '';
    terminal.progress(`downloading ${file}${percent}`);
  });
  try {
    await runner.start();
    const [vector = []] = await runner.embedTexts([text]);
    return Array.from(vector);
  } finally {
    terminal.progress('');
    await runner.stop();
  }
}

/** Where the service is, and the token that it asks for; empty sends none. */
export interface EmbedService {
  readonly url: string;
  readonly token: string;
  readonly signal: AbortSignal;
}

/**
 * Asks an embed service: `POST {"text","model"}` gives `{"embedding":[…]}`.
 * @throws RunnerError `HTTP_*`
 */
export async function embedThere(
  text: string,
  label: string,
  { url, token, signal }: EmbedService,
): Promise<readonly number[]> {
  const answer = await requestJson({
    url,
    body: { text, model: label },
    ...(token === '' ? {} : { accessToken: token }),
    variable: 'PROCESSING_TEXT_EMBED_URL',
    hints: {
      HTTP_UNAUTHORIZED: 'it asks for a token; set EMBED_TOKEN to the one that the service has',
      HTTP_GONE: `it knows no such call or no model "${label}"; check PROCESSING_TEXT_EMBED_URL, and --model`,
    },
    signal,
  });
  const { embedding } = (answer ?? {}) as { readonly embedding?: unknown };
  if (Array.isArray(embedding) && embedding.length > 0 && embedding.every(Number.isFinite))
    return embedding as readonly number[];
  throw unexpectedAnswer(new URL(url).origin, '{"embedding":[numbers]}');
}
