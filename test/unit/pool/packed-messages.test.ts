import { expect, it } from 'vitest';

import { packLines, packSaid, unpack } from '../../../src/pool/packed-messages.js';
import type { ThreadMessage } from '../../../src/pool/protocol.js';

const outcome = (item: number, unit: string, value: unknown): ThreadMessage => ({
  type: 'outcome',
  item,
  task: 't',
  unit,
  outcome: { ok: true, value },
});
const failure = (item: number): ThreadMessage => ({
  type: 'outcome',
  item,
  task: 't',
  unit: 'a',
  outcome: { ok: false, error: { code: 'IMAGE_DECODE', message: 'broken' } },
});
const step = (stage: 'decode' | 'prepare' | 'run', items: readonly number[], unit?: string): ThreadMessage => ({
  type: 'stage',
  stage,
  ms: 1.5,
  items,
  ...(unit === undefined ? {} : { unit }),
});

function cross(messages: readonly ThreadMessage[]): { packed: number; unpacked: ThreadMessage[] } {
  const said = structuredClone(packSaid({ exchange: 7, messages }));
  const unpacked: ThreadMessage[] = [];
  unpack(said.messages, (message) => unpacked.push(message));
  expect(said.exchange).toBe(7);
  return { packed: said.messages.length, unpacked };
}

it('brings every message out again, one by one and in order', () => {
  const messages: ThreadMessage[] = [
    step('decode', [0]),
    step('prepare', [0]),
    step('decode', [1]),
    step('prepare', [1]),
    step('prepare', [2]),
    failure(1),
    step('run', [0, 2], 't/a'),
    step('run', [0], 't/b'),
    step('run', [2], 't/b'),
    outcome(0, 'a', new Float32Array([1, 2])),
    failure(1),
    outcome(2, 'a', undefined),
    outcome(0, 'b', [1]),
    outcome(2, 'b', null),
    { type: 'end' },
  ];
  expect(cross(messages).unpacked).toEqual(messages);
});

it('takes no more messages for a large batch than for a small one', () => {
  const items = Array.from({ length: 100 }, (_, item) => item);
  const messages = [
    ...items.map((item) => step('prepare', [item])),
    step('run', items, 't/a'),
    ...items.map((item) => outcome(item, 'a', item)),
  ];
  const { packed, unpacked } = cross(messages);
  expect(packed).toBe(3);
  expect(unpacked).toEqual(messages);
});

it('keeps the batches of a child process apart, and what each of them said in its order', () => {
  const lines = [
    { batch: 1, message: outcome(0, 'a', 1) },
    { batch: 1, message: outcome(1, 'a', 2) },
    { batch: 2, message: outcome(0, 'a', 3) },
    { batch: 1, message: { type: 'end' } as const },
  ];
  const said = structuredClone(packLines(lines));
  expect(said.map(({ exchange, messages }) => [exchange, messages.length])).toEqual([
    [1, 1],
    [2, 1],
    [1, 1],
  ]);
  const heard: unknown[] = [];
  for (const { exchange: batch, messages } of said) unpack(messages, (message) => heard.push({ batch, message }));
  expect(heard).toEqual(lines);
});
