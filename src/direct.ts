import { fileURLToPath } from 'node:url';
import { RunnerError } from './errors.js';
import type { JobInput } from './job.js';
import type { LaneItem } from './lane.js';
import type { ThreadOutcome } from './pool/protocol.js';

/**
 * A picture of a direct call: a path, or the file's bytes (JPEG, PNG, WebP, GIF, AVIF), which must stay as they are until
 * the call has ended.
 */
export type ImageInput = string | URL | Uint8Array;

/** Submits items that belong to no job and waits for the outcomes of one unit, in order. */
export class DirectCalls {
  readonly #submit: (items: readonly LaneItem[]) => void;
  readonly #maxWaiting: number;
  readonly #calls = new Set<Promise<unknown>>();
  #waiting = 0;

  constructor(submit: (items: readonly LaneItem[]) => void, maxWaiting: number) {
    this.#submit = submit;
    this.#maxWaiting = maxWaiting;
  }

  /** Resolves when no call waits any more. */
  async whenIdle(): Promise<void> {
    while (this.#calls.size > 0) await Promise.allSettled(this.#calls);
  }

  /**
   * One value or `RunnerError` of the unit `wanted` per input. `tensorBytes`: what an input's tensors take there.
   * @throws RunnerError `OPTIONS_INVALID` where too many wait already.
   */
  async ask(inputs: readonly JobInput[], wanted: string, tensorBytes: number): Promise<readonly unknown[]> {
    if (this.#waiting + inputs.length > this.#maxWaiting) {
      throw new RunnerError(
        'OPTIONS_INVALID',
        `${this.#waiting} inputs of direct calls wait already, and ${inputs.length} more would exceed maxDirect (${this.#maxWaiting}).`,
      );
    }
    const calls = inputs.map((input) => prepareCall(input, wanted, tensorBytes));
    const values = Promise.all(calls.map(({ value }) => value));
    this.#waiting += inputs.length;
    this.#calls.add(values);
    try {
      this.#submit(calls.map(({ item }) => item));
      return await values;
    } finally {
      this.#waiting -= inputs.length;
      this.#calls.delete(values);
    }
  }
}

/** @throws RunnerError `OPTIONS_INVALID` for what is no picture */
export function imageInput(input: ImageInput): JobInput {
  if (input instanceof Uint8Array) return { kind: 'image', bytes: input };
  return { kind: 'image', path: pathOf(input) };
}

/** @throws RunnerError `OPTIONS_INVALID` for what is no text; a blank one fails alone, in the thread. */
export function textInput(text: unknown): JobInput {
  if (typeof text === 'string') return { kind: 'text', text };
  throw new RunnerError('OPTIONS_INVALID', `A text must be a string, but got ${text === null ? 'null' : typeof text}.`);
}

function prepareCall(
  input: JobInput,
  wanted: string,
  tensorBytes: number,
): { item: LaneItem; value: Promise<unknown> } {
  let resolve: (value: unknown) => void = () => undefined;
  let isSettled = false;
  const value = new Promise<unknown>((settle) => (resolve = settle));
  const settle = (outcome: unknown): void => {
    isSettled = true;
    resolve(outcome);
  };
  const item: LaneItem = {
    tasks: [wanted],
    bytes: tensorBytes + ('bytes' in input ? input.bytes.byteLength : 0),
    threadItem: { input, isTrusted: true, tasks: [wanted] },
    isSuspect: false,
    sinceMs: performance.now(),
    onOutcome: (_task, _unit, outcome) => settle(valueOf(outcome)),
    onEnd: (error) => {
      if (!isSettled) settle(error ?? new RunnerError('INTERNAL', 'A batch ended without an outcome for this input.'));
    },
  };
  return { item, value };
}

function pathOf(input: unknown): string {
  if (typeof input === 'string') return input;
  if (input instanceof URL && input.protocol === 'file:') return fileURLToPath(input);
  throw new RunnerError(
    'OPTIONS_INVALID',
    'A picture must be a path, a file: URL or the bytes of a file (Buffer or Uint8Array).',
  );
}

function valueOf(outcome: ThreadOutcome): unknown {
  return outcome.ok ? outcome.value : RunnerError.fromEnvelope(outcome.error);
}
