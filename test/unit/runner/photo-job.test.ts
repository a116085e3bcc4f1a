import { describe, expect, it } from 'vitest';
import { RunnerError } from '../../../src/errors.js';
import { photoJobType } from '../../../src/photo-job.js';

const good = { photo_id: 1, user_id: 2, path: './uploads/a.jpg', tasks: ['clip'] };
const withField = (field: object): string => JSON.stringify({ ...good, ...field });

function refusal(text: string): RunnerError {
  try {
    photoJobType.parse(text);
  } catch (thrown) {
    if (thrown instanceof RunnerError) return thrown;
    throw thrown;
  }
  throw new Error(`was accepted: ${text}`);
}

describe('photoJobType.parse', () => {
  it('reads the element of the contract', () => {
    const job = photoJobType.parse(
      '{"photo_id":1,"user_id":1,"path":"./uploads/original/x.jpg","tasks":["thumbnail","clip","face"]}',
    );
    expect(job).toMatchObject({
      type: 'photo',
      id: '1',
      tasks: ['thumbnail', 'clip', 'face'],
      input: { kind: 'image', path: './uploads/original/x.jpg' },
    });
    expect({ ...job.fields }).toEqual({ user_id: '1' });
  });

  it.each([
    ['row 53: not JSON', 'hello'],
    ['row 53: truncated JSON', '{"photo_id":1,'],
    ['row 53: byte order mark', '\uFEFF{"photo_id":1,"user_id":1,"path":"a","tasks":[]}'],
    ['row 53: trailing comma', '{"photo_id":1,"user_id":1,"path":"a","tasks":[],}'],
    ['row 53: two documents', '{"photo_id":1}{"photo_id":2}'],
    ['row 54: empty', ''],
    ['row 54: null', 'null'],
    ['row 54: true', 'true'],
    ['row 54: number', '42'],
    ['row 54: string', '"str"'],
    ['row 54: list', '[]'],
    [
      'row 57: 200,000 nested lists',
      `{"photo_id":1,"user_id":1,"path":"a","tasks":${'['.repeat(200_000)}${']'.repeat(200_000)}}`,
    ],
    ['row 61: spaces in an id', withField({ photo_id: ' 12 ' })],
    ['row 61: hexadecimal id', withField({ photo_id: '0x10' })],
    ['row 61: exponent', withField({ photo_id: '1e3' })],
    ['row 61: letters behind digits', withField({ photo_id: '12abc' })],
    ['row 61: empty id', withField({ photo_id: '' })],
    ['row 61: Arabic digits', withField({ photo_id: '١٢' })],
    ['row 61: 20 digits', withField({ photo_id: '12345678901234567890' })],
    ['row 62: negative id', withField({ photo_id: -1 })],
    ['row 62: negative id as text', withField({ photo_id: '-1' })],
    ['row 62: zero', withField({ photo_id: 0 })],
    ['row 62: zeros', withField({ photo_id: '000' })],
    ['row 63: fraction', withField({ photo_id: 1.5 })],
    ['row 63: infinity', '{"photo_id":1e400,"user_id":1,"path":"a","tasks":[]}'],
    ['row 63: NaN', '{"photo_id":NaN,"user_id":1,"path":"a","tasks":[]}'],
    ['row 64: 2^53 + 1 as a number', '{"photo_id":9007199254740993,"user_id":1,"path":"a","tasks":[]}'],
    ['row 64: 2^53 as a number', '{"photo_id":9007199254740992,"user_id":1,"path":"a","tasks":[]}'],
    ['row 66: path in an id', withField({ photo_id: '1/../../x?y#z' })],
    ['row 66: dots as id', withField({ photo_id: '..' })],
    ['row 67: no photo_id', '{"user_id":1,"path":"a","tasks":[]}'],
    ['row 67: no user_id', '{"photo_id":1,"path":"a","tasks":[]}'],
    ['row 67: no path', '{"photo_id":1,"user_id":1,"tasks":[]}'],
    ['row 67: empty path', withField({ path: '' })],
    ['row 67: path of another type', withField({ path: 7 })],
    ['row 69: tasks a string', withField({ tasks: 'clip' })],
    ['row 69: tasks numbers', withField({ tasks: [1] })],
    ['row 69: tasks nested', withField({ tasks: [['clip']] })],
    ['row 69: 100,000 tasks', withField({ tasks: Array.from({ length: 1e5 }, () => 'clip') })],
    [
      'row 73: a text task',
      '{"type":"text_embed","request_id":123,"query":"a cat","model":"clip-ViT-L-14","limit":20}',
    ],
  ])('%s is refused', (_, text) => {
    const error = refusal(text);
    expect(error.code).toBe('JOB_INVALID');
    expect(error.message.length).toBeLessThan(300);
  });

  it.each([
    ['row 60: numeric string', withField({ photo_id: '12' }), '12'],
    ['row 65: 2^53 + 1 as a string', withField({ photo_id: '9007199254740993' }), '9007199254740993'],
    ['largest safe number', '{"photo_id":9007199254740991,"user_id":1,"path":"a","tasks":[]}', '9007199254740991'],
    ['row 59: duplicate keys: the last wins', '{"photo_id":1,"photo_id":2,"user_id":1,"path":"a","tasks":[]}', '2'],
  ])('%s is accepted', (_, text, id) => {
    expect(photoJobType.parse(text).id).toBe(id);
  });

  it.each([
    ['row 68: missing tasks', '{"photo_id":1,"user_id":1,"path":"a"}', []],
    ['row 68: null tasks', withField({ tasks: null }), []],
    ['row 68: no tasks', withField({ tasks: [] }), []],
    ['row 70: repeated tasks', withField({ tasks: ['clip', 'clip', 'face'] }), ['clip', 'face']],
    ['row 71: unknown tasks', withField({ tasks: ['teleport', 'clip'] }), ['teleport', 'clip']],
    ['row 72: extra fields', withField({ album: { id: 3 } }), ['clip']],
    ['row 74: a note of an earlier dead letter', withField({ _runner: { v: 1, id: 'x' } }), ['clip']],
  ])('%s is accepted', (_, text, tasks) => {
    expect(photoJobType.parse(text).tasks).toEqual(tasks);
  });

  it('row 58: takes nothing from __proto__ or constructor', () => {
    const job = photoJobType.parse(
      '{"__proto__":{"path":"/etc/passwd","polluted":1},"constructor":{"prototype":{"polluted":1}},"photo_id":1,"user_id":1,"path":"a","tasks":[]}',
    );
    expect(job.input).toEqual({ kind: 'image', path: 'a' });
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect(Object.getPrototypeOf(job.fields)).toBeNull();
    expect(refusal('{"__proto__":{"photo_id":1},"user_id":1,"path":"a"}').code).toBe('JOB_INVALID');
  });

  it('row 73: says where a text task belongs', () => {
    expect(refusal('{"type":"text_embed","request_id":1,"query":"x"}').message).toContain('TEXT_EMBED_QUEUE_NAME');
  });
});
