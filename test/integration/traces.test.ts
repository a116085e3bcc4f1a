import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
  type ReadableSpan,
} from '@opentelemetry/sdk-trace-base';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createRunner, memoryQueue, memorySink, RunnerError, traceWithOpenTelemetry } from '../../dist/index.js';
import { CLIP, IMAGES, photoJob } from '../support/fixtures.js';
import { PhotosLab, readiness } from '../support/photos-lab.js';
import { ROOT } from '../support/program.js';
import { until } from '../support/until.js';

const SDK = path.join(ROOT, 'test', 'fixtures', 'otel', 'spans-to-file.mjs');
const exporter = new InMemorySpanExporter();

beforeAll(() => {
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
});
afterEach(() => exporter.reset());

const milliseconds = ([seconds, nanos]: readonly [number, number]): number => seconds * 1000 + nanos / 1e6;

/** The spans of the job with this id, the job's own first and its steps in the order of their ends. */
function traceOf(id: string): { job: ReadableSpan; steps: readonly ReadableSpan[] } {
  const spans = exporter.getFinishedSpans();
  const job = spans.find(({ attributes }) => attributes['messaging.message.id'] === id)!;
  const steps = spans.filter(({ parentSpanContext }) => parentSpanContext?.spanId === job.spanContext().spanId);
  return { job, steps };
}

describe.each(['thread', 'process'] as const)('traceWithOpenTelemetry, isolation: %s', (isolation) => {
  it('makes a trace of each job: claim, read, decode, prepare, run, callback, in this order and within the job', async () => {
    const stop = await traceWithOpenTelemetry();
    const queue = memoryQueue();
    const models = [
      { label: 'a', name: CLIP },
      { label: 'b', name: CLIP },
    ];
    const respond = ({ jobId }: { readonly jobId: string }): void => {
      if (jobId === '3') throw new RunnerError('HTTP_REJECTED', 'The server refuses it.');
    };
    const runner = createRunner({ queue, sink: memorySink({ respond }), models, roots: [IMAGES], isolation });
    queue.push(photoJob(1, 'gray.jpg'), photoJob(2, 'no-such-file.jpg'), photoJob(3, 'camera.jpg'));
    const startedAt = Date.now();
    await runner.start();
    await until(
      'all three have ended',
      () => exporter.getFinishedSpans().filter(({ kind }) => kind === SpanKind.CONSUMER).length >= 3,
    );

    const { job, steps } = traceOf('1');
    expect(job).toMatchObject({ name: 'process photo_tasks', kind: SpanKind.CONSUMER });
    expect(job.attributes).toMatchObject({
      'messaging.destination.name': 'photo_tasks',
      'clip_runner.tasks': ['clip'],
    });
    expect(job.status.code).toBe(SpanStatusCode.UNSET);
    expect(steps.map(({ name }) => name).sort()).toEqual([
      ...['callback clip/a', 'callback clip/b', 'claim', 'decode'],
      ...['prepare', 'prepare', 'read', 'run clip/a', 'run clip/b'],
    ]);
    expect(new Set(steps.map((step) => step.spanContext().traceId))).toEqual(new Set([job.spanContext().traceId]));
    const ends = ['claim', 'read', 'decode', 'run clip/a', 'callback clip/a'].map((name) =>
      milliseconds(steps.find((step) => step.name === name)!.endTime),
    );
    expect(ends).toEqual([...ends].sort((a, b) => a - b));
    expect(milliseconds(job.startTime)).toBeGreaterThan(startedAt - 1000);
    for (const { startTime, endTime, name } of steps) {
      // What threads report is placed by the arrival of the report.
      expect(milliseconds(startTime), name).toBeGreaterThanOrEqual(milliseconds(job.startTime) - 5);
      expect(milliseconds(endTime), name).toBeLessThanOrEqual(milliseconds(job.endTime) + 1);
      expect(milliseconds(endTime), name).toBeGreaterThanOrEqual(milliseconds(startTime));
    }
    expect(steps.find(({ name }) => name === 'run clip/a')!.attributes['clip_runner.batch_items']).toBeGreaterThan(0);

    expect(traceOf('2').job).toMatchObject({
      status: { code: SpanStatusCode.ERROR },
      attributes: { 'error.type': 'FILE_NOT_FOUND' },
    });
    const refused = traceOf('3');
    expect(refused.job.attributes['error.type']).toBe('HTTP_REJECTED');
    expect(refused.steps.find(({ name }) => name === 'callback clip/b')).toMatchObject({
      kind: SpanKind.CLIENT,
      status: { code: SpanStatusCode.ERROR },
    });

    stop();
    exporter.reset();
    queue.push(photoJob(4, 'gray.jpg'));
    await until('one more is done', () => runner.stats().jobs.done === 2);
    await runner.stop();
    expect(exporter.getFinishedSpans()).toEqual([]);
  });
});

describe('clip-runner photos with CLIP_TRACES=1', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'clip-runner-traces-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));
  const lab = new PhotosLab({
    ...{ CLIP_MODELS: `tiny=${CLIP}`, PROCESSING_EMBEDDING_DIM: '64', PROJECT_ROOT: IMAGES, FACE_ENABLED: '0' },
    CLIP_TRACES: '1',
  });

  it('makes spans by the SDK that is loaded beside it, of the work in its child process too', async () => {
    const REDIS_QUEUE_NAME = `photos_${randomUUID()}`;
    const file = path.join(folder, 'spans.jsonl');
    const command = lab.photos({ REDIS_QUEUE_NAME, SPANS_FILE: file, NODE_OPTIONS: `--import=${SDK}` });
    await readiness(command);
    await lab.client.lpush(REDIS_QUEUE_NAME, photoJob('4711', 'gray.jpg'));
    const spans = (): Record<string, unknown>[] =>
      existsSync(file)
        ? readFileSync(file, 'utf8')
            .trim()
            .split('\n')
            .map((line) => JSON.parse(line) as Record<string, unknown>)
        : [];
    await until('the job has its span', () => spans().some(({ name }) => name === `process ${REDIS_QUEUE_NAME}`));
    const job = spans().at(-1)!;
    expect(
      spans()
        .slice(0, -1)
        .map(({ name, parent, traceId }) => [name, parent, traceId]),
    ).toEqual(
      ['claim', 'read', 'decode', 'prepare', 'run clip/tiny', 'callback clip/tiny'].map((name) => [
        name,
        job['spanId'],
        job['traceId'],
      ]),
    );
    // No path, no token, no vector.
    expect(readFileSync(file, 'utf8')).not.toMatch(new RegExp(`gray|${lab.gallery.token}|embedding`));
    expect(await command.kill('SIGTERM')).toBe(0);
  });

  it('exits with 2 and says what to install where @opentelemetry/api is missing', async () => {
    const hook = `export const resolve = (name, context, next) => {
      if (name === '@opentelemetry/api') throw Object.assign(new Error('none'), { code: 'ERR_MODULE_NOT_FOUND' });
      return next(name, context);
    };`;
    await writeFile(path.join(folder, 'hook.mjs'), hook);
    await writeFile(
      path.join(folder, 'register.mjs'),
      `import { register } from 'node:module'; register('./hook.mjs', import.meta.url);`,
    );
    const command = lab.photos({ NODE_OPTIONS: `--import=${path.join(folder, 'register.mjs')}` });
    expect(await command.ended()).toBe(2);
    expect(command.stderr).toContain('npm install @opentelemetry/api');
  });
});
