import { afterEach, describe, expect, it } from 'vitest';
import { RunnerError } from '../../../src/errors.js';
import { Deadline } from '../../../src/lifecycle.js';
import type { EmbedEngine } from '../../../src/serve/engine.js';
import { createEmbedServer, type EmbedServer } from '../../../src/serve/server.js';
import { until } from '../../support/until.js';

/** Faults of the engine that no real one shows on demand, over real HTTP. */
let server: EmbedServer;
afterEach(() => server.stop(new Deadline(100)));

const failures: unknown[] = [];
async function serve(embedTexts: EmbedEngine['embedTexts']): Promise<string> {
  failures.length = 0;
  const engine: EmbedEngine = {
    models: [{ label: 'x', repository: undefined }],
    embedTexts,
    capacity: { texts: 2, images: 2 },
    maxBatch: { texts: 1, images: 1 },
    isReady: () => true,
  };
  server = await createEmbedServer(
    engine,
    { port: 0, stuckAfterMs: 40 },
    { onFailure: (thrown) => failures.push(thrown) },
  );
  return server.listen();
}

const ask = (url: string): Promise<Response> =>
  fetch(`${url}/embed_text`, { method: 'POST', body: '{"text":"a"}', headers: { 'content-type': 'application/json' } });

describe('an engine that does not answer', () => {
  it('makes the service call itself ill, until something comes of it', async () => {
    let finish: () => void = () => undefined;
    const stuck = new Promise<void>((resolve) => (finish = resolve));
    const url = await serve(async () => {
      await stuck;
      return [Float32Array.of(1)];
    });
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    const answer = ask(url);
    await until('it is ill', async () => (await fetch(`${url}/healthz`)).status === 503);
    finish();
    expect(await (await answer).json()).toEqual({ embedding: [1] });
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });
});

describe('an engine that fails', () => {
  it.each<[string, Error, number, string]>([
    ['by a model', new RunnerError('RUN_FAILED', 'The runtime failed.'), 500, 'The runtime failed.'],
    ['by a thread', new RunnerError('THREAD_DIED', 'A worker thread ended.'), 500, 'A worker thread ended.'],
    ['in a way nobody thought of', new TypeError('secret 4711 at line 3'), 500, 'internal error'],
    ['with what it can not name', new RunnerError('INTERNAL', 'secret 4711'), 500, 'internal error'],
    ['by stopping', new RunnerError('RUNNER_STOPPED', 'x'), 503, 'The service is not ready.'],
  ])('is answered and told: %s', async (_, thrown, status, detail) => {
    const url = await serve(() => Promise.reject(thrown));
    const answer = await ask(url);
    expect(answer.status).toBe(status);
    expect(await answer.json()).toEqual({ detail });
    expect(failures).toEqual(status === 500 ? [thrown] : []);
  });

  it('fails a request whose value is an error', async () => {
    const url = await serve(() => Promise.resolve([new RunnerError('RUN_BAD_OUTPUT', 'NaN came out.')]));
    expect(await (await ask(url)).json()).toEqual({ detail: 'NaN came out.' });
  });
});
