import { expect, it } from 'vitest';
import { SHARED, type ThreadItem, type ThreadMessage } from '../../../src/pool/protocol.js';
import { ThreadServer, type OpenUnit } from '../../../src/pool/thread.js';

const unit: OpenUnit = {
  task: 'size',
  label: 'size',
  device: 'cpu',
  maxBatch: 8,
  prepare: (input) => input,
  run: (inputs) => inputs,
};

/** A thread whose inputs take `bytes` each of a budget of 100, and what it was seen to hold. */
function thread(bytes: readonly number[], whileHeld: () => Promise<void>) {
  const seen = { held: 0, most: 0 };
  const server = new ThreadServer<OpenUnit>(
    {
      open: () => Promise.resolve([unit]),
      readConcurrency: 8,
      decodedBytes: 100,
      read: async ({ input }, _units, { admit }) => {
        const own = bytes[Number('path' in input ? input.path : NaN)] ?? 0;
        await admit(own);
        seen.held += own;
        seen.most = Math.max(seen.most, seen.held);
        await whileHeld();
        seen.held -= own;
        if (own === 0) throw new Error('broken');
        return own;
      },
    },
    new Int32Array(new SharedArrayBuffer(8)),
    1,
  );
  return { server, seen };
}

async function run(server: ThreadServer<OpenUnit>, count: number): Promise<readonly ThreadMessage[]> {
  const messages: ThreadMessage[] = [];
  const items = Array.from({ length: count }, (_, index): ThreadItem => {
    return { input: { kind: 'image', path: String(index) }, isTrusted: true, tasks: ['size'] };
  });
  await server.handle({ type: 'batch', exchange: 1, items }, (said) => messages.push(...said.messages));
  return messages;
}

it('holds no more decoded bytes at a time than it may, both batches together, and gives them back after failures', async () => {
  const sizes = [60, 40, 10, 0, 90, 100, 1, 1, 1, 1];
  const { server, seen } = thread(sizes, () => new Promise((resolve) => setTimeout(resolve, 2)));
  const both = await Promise.all([run(server, sizes.length), run(server, sizes.length)]);
  expect(seen.most).toBe(100);
  expect(seen.held).toBe(0);
  for (const messages of both) {
    const outcomes = messages.filter((message) => message.type === 'outcome');
    expect(outcomes.filter(({ outcome }) => outcome.ok)).toHaveLength(sizes.length - 1);
    expect(outcomes.find(({ item }) => item === 3)?.outcome.ok).toBe(false);
  }
});

/** A thread whose runs end when they are told to; two batches of one input are given to it at once. */
async function twoBatches(runsAhead: boolean) {
  const runs: (() => void)[] = [];
  const waiting: OpenUnit = {
    ...unit,
    run: (inputs) => new Promise((resolve) => runs.push(() => resolve(inputs))),
  };
  const server = new ThreadServer<OpenUnit>(
    {
      open: () => Promise.resolve([waiting]),
      read: () => Promise.resolve(1),
      readConcurrency: 8,
      decodedBytes: 100,
      runsAhead,
    },
    new Int32Array(new SharedArrayBuffer(8)),
    1,
  );
  const batches = [run(server, 1), run(server, 1)];
  const settle = (ms = 20) => new Promise((resolve) => setTimeout(resolve, ms));
  await settle();
  return { batches, runs, settle };
}

it('begins a run when the one before it has ended', async () => {
  const { batches, runs, settle } = await twoBatches(false);
  expect(runs).toHaveLength(1);
  runs[0]?.();
  await settle();
  expect(runs).toHaveLength(2);
  runs[1]?.();
  await Promise.all(batches);
});

it('hands the next run on before, where runs are in another thread, and counts no waiting as its time', async () => {
  const { batches, runs, settle } = await twoBatches(true);
  expect(runs).toHaveLength(2);
  await settle(400);
  runs[0]?.();
  await batches[0];
  runs[1]?.();
  const [first = [], second = []] = await Promise.all(batches);
  const msOf = (messages: readonly ThreadMessage[]): number =>
    messages.flatMap((message) => (message.type === 'stage' && message.stage === 'run' ? [message.ms] : []))[0] ?? NaN;
  expect(msOf(first)).toBeGreaterThan(15);
  expect(msOf(second)).toBeLessThan(msOf(first) / 2);
});

/** The sizes of a unit's runs over 16 inputs, and their outcomes. */
async function runsOf(more: Partial<OpenUnit>, shared = new Int32Array(new SharedArrayBuffer(8))) {
  const runs: number[] = [];
  const open: OpenUnit = {
    ...unit,
    maxBatch: 16,
    run: (inputs) => {
      runs.push(inputs.length);
      return inputs;
    },
    ...more,
  };
  const server = new ThreadServer<OpenUnit>(
    {
      open: () => Promise.resolve([open]),
      read: ({ input }) => Promise.resolve(input),
      readConcurrency: 8,
      decodedBytes: 100,
    },
    shared,
    1,
  );
  const messages = await run(server, 16);
  return { runs, outcomes: messages.flatMap((message) => (message.type === 'outcome' ? [message.outcome] : [])) };
}

it('keeps the first run of a unit short, unless it can be stopped between its steps', async () => {
  expect((await runsOf({})).runs).toEqual([1, 15]);
  expect((await runsOf({ heedsControl: true })).runs).toEqual([16]);
});

it('fills every run where the graph takes no other batch', async () => {
  expect((await runsOf({ fixedBatch: 8 })).runs).toEqual([8, 8]);
});

it('stops a run that asks, and begins no other', async () => {
  const shared = new Int32Array(new SharedArrayBuffer(8));
  let steps = 0;
  const { outcomes } = await runsOf(
    {
      heedsControl: true,
      run: (inputs, control) => {
        steps += 1;
        control.throwIfStopped();
        Atomics.store(shared, SHARED.isCancelled, 1);
        control.throwIfStopped();
        return inputs;
      },
    },
    shared,
  );
  expect(steps).toBe(1);
  expect(outcomes).toHaveLength(16);
  for (const outcome of outcomes) expect(outcome).toMatchObject({ ok: false, error: { code: 'RUNNER_STOPPED' } });
});

it('lets an input go once it is prepared, where all of its units say so', async () => {
  const log: string[] = [];
  const unitOf = (label: string, releasesInput: boolean, isBroken = false): OpenUnit => ({
    ...unit,
    label,
    releasesInput,
    prepare: async (input) => {
      await new Promise(setImmediate);
      log.push(`${label} prepares ${String(input)}`);
      if (isBroken) throw new Error('broken');
      return input;
    },
  });
  const server = new ThreadServer<OpenUnit>(
    {
      open: () => Promise.resolve([unitOf('done', true), unitOf('broken', true, true), unitOf('keeper', false)]),
      read: ({ input }) => Promise.resolve('path' in input ? input.path : ''),
      release: (input) => log.push(`${String(input)} goes`),
      readConcurrency: 1,
      decodedBytes: 100,
    },
    new Int32Array(new SharedArrayBuffer(8)),
    1,
  );
  const wanted = { both: ['size/done', 'size/broken'], one: ['size/done', 'size/keeper'], none: [] };
  const items = Object.entries(wanted).map(([path, tasks]): ThreadItem => {
    return { input: { kind: 'image', path }, isTrusted: true, tasks };
  });
  await server.handle({ type: 'batch', exchange: 1, items }, () => undefined);
  expect(log).toEqual([
    'done prepares both',
    'broken prepares both',
    'both goes',
    'done prepares one',
    'keeper prepares one',
    'none goes',
  ]);
});
