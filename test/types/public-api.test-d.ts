// Checked by the compiler (`npm run check:types`), never run: each `@ts-expect-error` fails the check where no error is.
import { Registry } from 'prom-client';
import { expectTypeOf } from 'vitest';
import {
  createMetrics,
  createRunner,
  httpSink,
  memoryQueue,
  memorySink,
  redisQueue,
  RunnerError,
  type Claim,
  type Delivery,
  type ErrorCode,
  type EventName,
  type Face,
  type ImageInput,
  type Job,
  type JobType,
  type MemoryQueue,
  type Photo,
  type Queue,
  type RetryOutcome,
  type RunnerEvents,
  type RunnerOptions,
  type Sink,
  type Task,
  type TaskUnit,
} from '../../src/index.js';

const runner = createRunner({});

// Options: a queue may be one or several; nothing is needed; nothing unknown is taken.
expectTypeOf<RunnerOptions['queue']>().toEqualTypeOf<Queue | readonly Queue[] | undefined>();
createRunner({ queue: [redisQueue(), memoryQueue()], sink: httpSink(), models: 'a=./a', tasks: ['clip'] });
createRunner({ models: [{ label: 'a', name: './a' }], device: 'cuda', dtype: 'q8' });
// @ts-expect-error: misspelt.
createRunner({ maxbatch: 8 });
// @ts-expect-error: there is no such device.
createRunner({ device: 'gpu' });
// @ts-expect-error: queues are objects, not names.
createRunner({ queue: 'redis', sink: memorySink() });
// @ts-expect-error: a model needs a label.
createRunner({ models: [{ name: './a' }] });

// Direct calls: only `onError: 'return'` puts errors among the vectors.
const pictures: ImageInput[] = ['a.jpg', new URL('file:///a.jpg'), Buffer.alloc(1), new Uint8Array(1)];
expectTypeOf(runner.embedImages(pictures)).resolves.toEqualTypeOf<Float32Array[]>();
expectTypeOf(runner.embedImages(pictures, { model: 'a' })).resolves.toEqualTypeOf<Float32Array[]>();
expectTypeOf(runner.embedImages(pictures, { onError: 'throw' })).resolves.toEqualTypeOf<Float32Array[]>();
expectTypeOf(runner.embedImages(pictures, { onError: 'return' })).resolves.toEqualTypeOf<
  (Float32Array | RunnerError)[]
>();
// @ts-expect-error: a list, even for one picture.
void runner.embedImages('a.jpg');
// @ts-expect-error: an ArrayBuffer is not bytes with a length of their own.
void runner.embedImages([new ArrayBuffer(1)]);
// @ts-expect-error: there is no such answer to an error.
void runner.embedImages(pictures, { onError: 'ignore' });

// Faces: a list per picture.
expectTypeOf(runner.detectFaces(pictures)).resolves.toEqualTypeOf<(readonly Face[])[]>();
expectTypeOf(runner.detectFaces(pictures, { onError: 'return' })).resolves.toEqualTypeOf<
  (readonly Face[] | RunnerError)[]
>();

// Events: the name decides the payload; `on` answers what ends the subscription.
expectTypeOf(runner.on('job:done', () => undefined)).toEqualTypeOf<() => void>();
runner.on('job:buried', (event) => {
  expectTypeOf(event.jobId).toEqualTypeOf<string>();
  expectTypeOf(event.error).toEqualTypeOf<RunnerError>();
  // @ts-expect-error: payloads are read only.
  event.jobId = '1';
});
runner.on('model:progress', ({ receivedBytes }) => expectTypeOf(receivedBytes).toEqualTypeOf<number>());
// @ts-expect-error: there is no such event.
runner.on('job:finished', () => undefined);
// @ts-expect-error: `job:done` has no error.
runner.on('job:done', ({ error }) => error as unknown);
expectTypeOf<EventName>().toEqualTypeOf<keyof RunnerEvents>();

// Errors: codes are a closed union.
expectTypeOf(new RunnerError('IMAGE_UNSUPPORTED', 'x').code).toEqualTypeOf<ErrorCode>();
expectTypeOf<ErrorCode>().not.toEqualTypeOf<string>();
// @ts-expect-error: there is no such code.
expectTypeOf(new RunnerError('IMAGE_BORING', 'x'));

// A sink of one's own is a name and one method.
const sink = {
  name: 'own',
  deliver: (delivery: Delivery, signal: AbortSignal) => Promise.reject(new Error(`${delivery.path} ${signal.aborted}`)),
};
expectTypeOf(sink).toExtend<Sink>();
expectTypeOf<{ name: string }>().not.toExtend<Sink>();
expectTypeOf<{ name: string; deliver: (delivery: string) => Promise<void> }>().not.toExtend<Sink>();
expectTypeOf(memorySink()).toExtend<Sink>();
expectTypeOf(memorySink().deliveries).toEqualTypeOf<readonly Delivery[]>();

// A queue of one's own settles each claim in one of three ways.
expectTypeOf<Parameters<Queue['ack']>>().toEqualTypeOf<[claims: readonly Claim[]]>();
expectTypeOf<ReturnType<Queue['retry']>>().resolves.toEqualTypeOf<RetryOutcome>();
expectTypeOf<ReturnType<Queue['claim']>>().resolves.toEqualTypeOf<readonly Claim[]>();
expectTypeOf<Omit<Queue, 'giveBack'>>().not.toExtend<Queue>();
expectTypeOf<MemoryQueue>().toExtend<Queue>();
const textJobs: JobType = { name: 'text', parse: (text) => ({ ...job, input: { kind: 'text', text } }) };
memoryQueue({ jobs: textJobs });
declare const job: Job;
// @ts-expect-error: ids are strings, so that those beyond 2^53 stay exact.
expectTypeOf(job.id).toEqualTypeOf<number>();

// A task of one's own; a unit's prepared form is whatever `prepare` makes.
const unit: TaskUnit<number> = {
  label: 'width',
  prepare: (input) => (typeof input === 'string' ? input.length : input.width),
  run: (widths) => widths.map((width) => width * 2),
};
const task: Task = { name: 'width', input: 'image', open: () => [unit], deliver: () => [] };
createRunner({ tasks: ['clip', task] });
expectTypeOf<Photo['data']>().toEqualTypeOf<Uint8Array>();
// @ts-expect-error: tasks read pictures or texts.
createRunner({ tasks: [{ ...task, input: 'sound' }] });
// @ts-expect-error: without `deliver` nobody would learn of the result.
createRunner({ tasks: [{ name: 'a', input: 'image', open: () => [] }] });

// Metrics: a runner and its queues are taken as they are, and a register of whatever prom-client.
void createMetrics(runner, { queue: redisQueue(), register: new Registry() });
void createMetrics(runner, { queue: [redisQueue(), memoryQueue()] });
// @ts-expect-error: no register.
void createMetrics(runner, { register: {} });
