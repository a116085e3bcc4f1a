import { coerceError } from '../errors.js';
import { isLoopback } from '../host-name.js';
import { Deadline } from '../lifecycle.js';
import { looksLikeFolder } from '../models/repository.js';
import { resolveRunnerOptions, type ResolvedOptions } from '../options.js';
import { createRunner, type Runner } from '../runner.js';
import type { EmbedEngine } from '../serve/engine.js';
import { openMetrics } from '../observe/metrics.js';
import { createEmbedServer, type EmbedServer } from '../serve/server.js';
import type { Call } from './command.js';
import { createLog, type Log } from './log.js';
import { logEvents } from './log-events.js';
import { ISOLATION_NAMES, MODEL_VARIABLES, isolationOptions, textModelOptions } from './runner-settings.js';
import { runUntilSignal, type Stoppable } from './signals.js';
import { Terminal } from './terminal.js';
import type { Settings, VariableName } from './variables.js';
import { openHealth, WATCH_VARIABLES } from './watch.js';

export const SERVE_VARIABLES = [
  'host',
  'port',
  'embedToken',
  'images',
  ...MODEL_VARIABLES,
  'maxBatch',
  'maxTextBatch',
  'resample',
  'orientation',
  'maxWaiting',
  'maxTexts',
  'maxBodyBytes',
  'maxImageBytes',
  'requestTimeoutMs',
  'shutdownTimeoutMs',
  ...WATCH_VARIABLES,
  'logLevel',
  ...ISOLATION_NAMES,
] as const satisfies readonly VariableName[];

type ServeSettings = Settings<(typeof SERVE_VARIABLES)[number]>;

/** Batches that a thread holds: one that runs, one that is prepared. */
const BATCHES_PER_THREAD = 2;

/** `clip-runner serve`: embeds texts (and pictures) for HTTP clients until it is told to stop. Answers the exit code. */
export async function runServe({ settings, env }: Call<(typeof SERVE_VARIABLES)[number]>): Promise<number> {
  const log = createLog(settings.logLevel, new Terminal());
  const { images, maxBatch, maxTextBatch, resample, orientation, shutdownTimeoutMs } = settings;
  const options = {
    ...textModelOptions(settings, env),
    ...isolationOptions(settings),
    ...{ maxBatch, maxTextBatch, resample, orientation, shutdownTimeoutMs, maxFileBytes: settings.maxImageBytes },
    tasks: images ? ['text', 'clip'] : ['text'],
    // What is tuned is a run of photos from a queue.
    tuning: 'off',
    // The service bounds what waits.
    maxDirect: Number.MAX_SAFE_INTEGER,
  } as const;
  const runner = createRunner(options);
  logEvents(runner, log, 'text');
  const metrics = await openMetrics(runner, {});
  const server = await openServer(engineOf(runner, settings, resolveRunnerOptions(options)), settings, metrics, log);
  const closeHealth = await openHealth(runner, settings, metrics, log);
  try {
    return await runUntilSignal(around(runner, server, log), log, shutdownTimeoutMs);
  } finally {
    await closeHealth();
    // Where the runner failed, nothing under way can be finished.
    await server.stop(new Deadline(0));
  }
}

async function openServer(
  engine: EmbedEngine,
  settings: ServeSettings,
  metrics: Awaited<ReturnType<typeof openMetrics>>,
  log: Log,
): Promise<EmbedServer> {
  const {
    host,
    port,
    embedToken: token,
    maxWaiting,
    maxTexts,
    maxBodyBytes,
    maxImageBytes,
    requestTimeoutMs,
  } = settings;
  if (!isLoopback(host) && token === '')
    log.warn({ host }, 'anybody who reaches this address may use the service: set EMBED_TOKEN');
  const service = metrics?.openService();
  const server = await createEmbedServer(
    engine,
    { host, port, token, maxWaiting, maxTexts, maxBodyBytes, maxImageBytes, requestTimeoutMs },
    {
      onAnswer: (answer) => {
        service?.onAnswer(answer);
        log.debug({ ...answer, ms: Math.round(answer.ms) }, 'answered');
      },
      onFailure: (thrown) => {
        const { code, message } = coerceError(thrown);
        log.error({ code }, message);
      },
    },
    metrics,
  );
  service?.watchRooms(server.rooms);
  return server;
}

function engineOf(runner: Runner, settings: ServeSettings, { maxBatch, threads }: ResolvedOptions): EmbedEngine {
  const { images, maxTextBatch } = settings;
  const { models } = textModelOptions(settings, {});
  let isReady = false;
  runner.on('runner:ready', () => (isReady = true));
  runner.on('runner:stopping', () => (isReady = false));
  return {
    models: models.map(({ label, name }) => ({ label, repository: looksLikeFolder(name) ? undefined : name })),
    embedTexts: (texts, model) => runner.embedTexts(texts, { model, onError: 'return' }),
    ...(images ? { embedImages: (pictures, model) => runner.embedImages(pictures, { model, onError: 'return' }) } : {}),
    // Texts have one thread.
    capacity: { texts: BATCHES_PER_THREAD * maxTextBatch, images: BATCHES_PER_THREAD * maxBatch * threads },
    maxBatch: { texts: maxTextBatch, images: maxBatch },
    isReady: () => isReady,
  };
}

/** The runner with the server around it: listens before the models load, and stops after the last answer. */
function around(runner: Runner, server: EmbedServer, log: Log): Stoppable {
  let deadline: Deadline | undefined;
  return {
    on: (name, listener) => runner.on(name, listener),
    async start() {
      log.info({ url: await server.listen() }, 'listening');
      await runner.start();
    },
    async stop({ deadlineMs = 0 } = {}) {
      if (deadline === undefined) deadline = new Deadline(deadlineMs);
      else deadline.shorten(deadlineMs);
      await server.stop(deadline);
      await runner.stop({ deadlineMs: deadline.remainingMs() });
    },
  };
}
