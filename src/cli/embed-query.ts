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

/**
 * Asks an embed service: `POST {"text","model"}` gives `{"embedding":[…]}`.
 * @throws RunnerError `HTTP_*`
 */
export async function embedThere(
  text: string,
  label: string,
  url: string,
  signal: AbortSignal,
): Promise<readonly number[]> {
  const variable = 'PROCESSING_TEXT_EMBED_URL';
  const answer = await requestJson({ url, body: { text, model: label }, variable, signal });
  const { embedding } = (answer ?? {}) as { readonly embedding?: unknown };
  if (Array.isArray(embedding) && embedding.length > 0 && embedding.every(Number.isFinite))
    return embedding as readonly number[];
  throw unexpectedAnswer(new URL(url).origin, '{"embedding":[numbers]}');
}
