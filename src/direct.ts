import { fileURLToPath } from 'node:url';
import { RunnerError } from './errors.js';
import type { Lane, LaneItem } from './lane.js';
import type { ThreadOutcome } from './pool/protocol.js';

/**
 * A picture of a direct call: a path, or the file's bytes (JPEG, PNG, WebP, GIF, AVIF), which must stay as they are until
 * the call has ended.
 */
export type ImageInput = string | URL | Uint8Array;

/** Submits items that belong to no job and waits for the outcomes of one unit, in order. */
export class DirectCalls {
  readonly #lane: Lane;
  readonly #maxWaiting: number;
  readonly #calls = new Set<Promise<unknown>>();
  #waiting = 0;

  constructor(lane: Lane, maxWaiting: number) {
    this.#lane = lane;
    this.#maxWaiting = maxWaiting;
  }

  /** Resolves when no call waits any more. */
  async whenIdle(): Promise<void> {
    while (this.#calls.size > 0) await Promise.allSettled(this.#calls);
  }

  /** One value or `RunnerError` per picture. @throws RunnerError `OPTIONS_INVALID` where too many wait already. */
  async images(inputs: readonly ImageInput[], wanted: string, tensorBytes: number): Promise<readonly unknown[]> {
    if (this.#waiting + inputs.length > this.#maxWaiting) {
      throw new RunnerError(
        'OPTIONS_INVALID',
        `${this.#waiting} photos of direct calls wait already, and ${inputs.length} more would exceed maxDirect (${this.#maxWaiting}).`,
      );
    }
    const calls = inputs.map((input) => prepareCall(input, wanted, tensorBytes));
    const values = Promise.all(calls.map(({ value }) => value));
    this.#waiting += inputs.length;
    this.#calls.add(values);
    try {
      this.#lane.submit(calls.map(({ item }) => item));
      return await values;
    } finally {
      this.#waiting -= inputs.length;
      this.#calls.delete(values);
    }
  }
}

function prepareCall(
  input: ImageInput,
  wanted: string,
  tensorBytes: number,
): { item: LaneItem; value: Promise<unknown> } {
  let resolve: (value: unknown) => void = () => undefined;
  const value = new Promise<unknown>((settle) => (resolve = settle));
  const source = input instanceof Uint8Array ? { bytes: input } : { path: pathOf(input) };
  const item: LaneItem = {
    tasks: [wanted],
    bytes: tensorBytes + ('bytes' in source ? source.bytes.byteLength : 0),
    threadItem: { input: { kind: 'image', ...source }, isTrusted: true, tasks: [wanted] },
    onOutcome: (_task, _unit, outcome) => resolve(valueOf(outcome)),
    onEnd: (error) =>
      resolve(error ?? new RunnerError('INTERNAL', 'A batch ended without an outcome for this picture.')),
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
