import { createHash } from 'node:crypto';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { RunnerError } from '../../../src/errors.js';
import {
  deadLetter,
  type DeadLetterFacts,
  type DeadLetterNote,
  readDeadLetter,
} from '../../../src/queue/dead-letter.js';

const facts: DeadLetterFacts = {
  id: '01HZZZZZZZZZZZZZZZZZZZZZZZ',
  queue: 'photo_tasks',
  reason: 'decode',
  error: new RunnerError('IMAGE_DECODE', 'not a picture'),
  attempts: 2,
  kills: 1,
  firstFailedAtMs: Date.UTC(2026, 0, 1),
  failedAtMs: Date.UTC(2026, 0, 2),
  by: 'host:1@0.1.0',
};
const bury = (raw: string | Buffer, changes: Partial<DeadLetterFacts> = {}, maxBytes = 65_536) =>
  deadLetter(Buffer.from(raw as string), { ...facts, ...changes }, maxBytes);
const noteIn = (entry: Buffer): DeadLetterNote => (JSON.parse(entry.toString()) as { _runner: DeadLetterNote })._runner;

describe('deadLetter', () => {
  it('adds the note before the last brace and leaves every byte of the job', () => {
    const raw = '{ "photo_id" : 9007199254740993, "x": 1.50e+2, "é": "\\u00e9" }  \n';
    const entry = bury(raw).entry.toString();
    expect(entry.startsWith('{ "photo_id" : 9007199254740993, "x": 1.50e+2, "é": "\\u00e9" ,"_runner":{"v":1,')).toBe(
      true,
    );
    expect(entry.endsWith('}}  \n')).toBe(true);
    expect(readDeadLetter(Buffer.from(entry)).original.toString()).toBe(raw);
  });

  it('notes what happened', () => {
    expect(noteIn(bury('{"photo_id":1}').entry)).toEqual({
      v: 1,
      id: facts.id,
      queue: 'photo_tasks',
      reason: 'decode',
      error: { name: 'RunnerError', code: 'IMAGE_DECODE', message: 'not a picture' },
      attempts: 2,
      kills: 1,
      firstFailedAt: '2026-01-01T00:00:00.000Z',
      failedAt: '2026-01-02T00:00:00.000Z',
      by: 'host:1@0.1.0',
      sha1: createHash('sha1').update('{"photo_id":1}').digest('hex'),
    });
  });

  it('needs no comma in an empty object', () => {
    expect(bury('{ }').entry.toString()).toMatch(/^\{ "_runner":\{.*\}\}$/);
  });

  it.each(['', 'null', '42', '"text"', '[]', '{"a":1', '{"a":1}{"b":2}', '\uFEFF{"a":1}', '{"a":1,}'])(
    'keeps %j, which is no JSON object, inside the note',
    (raw) => {
      const { entry } = bury(raw);
      expect(noteIn(entry).raw).toBe(raw);
      expect(readDeadLetter(entry).original.toString()).toBe(raw);
    },
  );

  it('keeps what is not UTF-8 as Base64', () => {
    const raw = Buffer.from([0x7b, 0xff, 0x00, 0x7d]);
    const { entry } = bury(raw);
    expect(noteIn(entry).rawBase64).toBe(raw.toString('base64'));
    expect(readDeadLetter(entry).original).toEqual(raw);
  });

  it('replaces the note of an element that was dead before, and remembers its id', () => {
    const raw = '{"photo_id":9007199254740993}';
    const again = bury(bury(raw).entry, { id: 'SECOND', reason: 'timeout' });
    expect(again.entry.toString().match(/_runner/g)).toHaveLength(1);
    expect(noteIn(again.entry)).toMatchObject({ id: 'SECOND', previous: facts.id, reason: 'timeout' });
    expect(readDeadLetter(again.entry).original.toString()).toBe(raw);
  });

  it('does so for elements that the note holds', () => {
    const again = bury(bury('no json').entry, { id: 'SECOND' });
    expect(noteIn(again.entry)).toMatchObject({ id: 'SECOND', previous: facts.id, raw: 'no json' });
  });

  it('finds an old note wherever somebody has moved it', () => {
    const raw = '{"a":"x,\\"_runner\\":{","_runner":{"id":"OLD","n":[{"a":"}"}]}, "b":[1,{"_runner":2}]}';
    const { original } = readDeadLetter(bury(raw).entry);
    expect(original.toString()).toBe('{"a":"x,\\"_runner\\":{", "b":[1,{"_runner":2}]}');
    expect(bury(raw).note.previous).toBe('OLD');
  });

  it('leaves an element over the limit alone and hands out the note', () => {
    const raw = `{"x":"${'y'.repeat(100)}"}`;
    const letter = bury(raw, {}, 50);
    expect(letter).toMatchObject({ isBare: true, note: { reason: 'decode' } });
    expect(letter.entry.toString()).toBe(raw);
  });

  it('escapes control characters of the message and cuts it at 1000 characters', () => {
    const message = `\u001b[31m\n\u0085\u2028${'😀'.repeat(1000)}`;
    const noted = bury('{}', { error: new RunnerError('INTERNAL', message) }).note.error.message;
    expect(noted.startsWith('\\u001b[31m\\u000a\\u0085\\u2028😀')).toBe(true);
    expect(noted.length).toBeLessThanOrEqual(1000);
    expect(noted.endsWith('😀…')).toBe(true);
  });

  it('holds no stack', () => {
    const error = new RunnerError('INTERNAL', 'oh', { cause: new Error('secret') });
    const text = bury('{}', { error }).entry.toString();
    expect(text).not.toContain('.ts');
    expect(text).not.toContain('secret');
  });

  it('survives two hundred thousand nested lists', () => {
    const raw = `{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`;
    const { entry } = bury(raw, {}, 1_000_000);
    expect(readDeadLetter(entry).original.toString()).toBe(raw);
  });

  it('gives every element back byte for byte, also after dying twice', () => {
    const json = fc.json().map((text) => Buffer.from(text));
    const object = fc
      .dictionary(fc.string(), fc.jsonValue())
      .map((value) => Buffer.from(JSON.stringify(value, null, 1)));
    const anything = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array));
    fc.assert(
      fc.property(fc.oneof(json, object, anything), (raw) => {
        const first = bury(raw).entry;
        expect(readDeadLetter(first).original).toEqual(raw);
        expect(readDeadLetter(bury(first).entry).original).toEqual(raw);
      }),
      { seed: 11, numRuns: 1000 },
    );
  });
});
