import { describe, expect, it } from 'vitest';
import { RunnerError } from '../../../src/errors.js';
import { textJobType } from '../../../src/text-job.js';

const good = { type: 'text_embed', request_id: 123, query: 'a cat', model: 'clip-ViT-L-14', limit: 20 };
const withField = (field: object): string => JSON.stringify({ ...good, ...field });

function refusal(text: string): RunnerError {
  try {
    textJobType.parse(text);
  } catch (thrown) {
    if (thrown instanceof RunnerError) return thrown;
    throw thrown;
  }
  throw new Error(`was accepted: ${text.slice(0, 200)}`);
}

describe('textJobType.parse', () => {
  it('reads the element of the contract', () => {
    const job = textJobType.parse(
      '{"type":"text_embed","request_id":123,"query":"a cat","model":"clip-ViT-L-14","limit":20}',
    );
    expect(job).toEqual({
      type: 'text',
      id: '123',
      tasks: ['text'],
      model: 'clip-ViT-L-14',
      input: { kind: 'text', text: 'a cat' },
      fields: Object.create(null) as object,
    });
  });

  it.each([
    ['row 53: not JSON', 'hello'],
    ['row 53: truncated JSON', '{"request_id":1,'],
    ['row 53: byte order mark', `\uFEFF${withField({})}`],
    ['row 54: list', '[]'],
    ['row 57: 200,000 nested lists', `{"request_id":1,"query":${'['.repeat(200_000)}${']'.repeat(200_000)}}`],
    ['row 61: exponent', withField({ request_id: '1e3' })],
    ['row 61: Arabic digits', withField({ request_id: '١٢' })],
    ['row 62: zero', withField({ request_id: 0 })],
    ['row 63: fraction', withField({ request_id: 1.5 })],
    ['row 64: 2^53 + 1 as a number', '{"type":"text_embed","request_id":9007199254740993,"query":"a"}'],
    ['row 66: path in an id', withField({ request_id: '1/../../x?y#z' })],
    ['row 67: no request_id', '{"type":"text_embed","query":"a"}'],
    ['row 67: no query', '{"type":"text_embed","request_id":1}'],
    ['row 77: empty query', withField({ query: '' })],
    ['row 77: blank query', withField({ query: ' \t\n\u3000\uFEFF' })],
    ['row 77: null query', withField({ query: null })],
    ['row 77: query of another type', withField({ query: 7 })],
    ['row 77: query a list', withField({ query: ['a cat'] })],
    ['row 86: empty model', withField({ model: '' })],
    ['row 86: model of another type', withField({ model: 7 })],
    ['row 86: model a list', withField({ model: ['clip-ViT-L-14'] })],
    ['row 73: another type of job', withField({ type: 'llava_chat' })],
    ['row 73: a type that is no text', withField({ type: 1 })],
    ['row 73: a photo task', '{"photo_id":1,"user_id":1,"path":"./a.jpg","tasks":["clip"]}'],
    ['row 58: fields by __proto__', '{"__proto__":{"request_id":1,"query":"a"},"type":"text_embed"}'],
  ])('%s is refused', (_, text) => {
    const error = refusal(text);
    expect(error.code).toBe('JOB_INVALID');
    expect(error.message.length).toBeLessThan(300);
  });

  it.each([
    ['row 60: numeric string', withField({ request_id: '12' }), '12'],
    ['row 65: 2^53 + 1 as a string', withField({ request_id: '9007199254740993' }), '9007199254740993'],
    ['row 59: duplicate keys: the last wins', '{"request_id":1,"request_id":2,"query":"a"}', '2'],
  ])('%s is accepted', (_, text, id) => {
    expect(textJobType.parse(text).id).toBe(id);
  });

  it.each([
    ['missing', '{"type":"text_embed","request_id":1,"query":"a"}'],
    ['null', withField({ model: null })],
  ])('row 86: leaves the model to the runner where it is %s', (_, text) => {
    expect(textJobType.parse(text).model).toBeNull();
  });

  it.each([-1, 0, 1e400, 1e15, 'many', null, [], {}])('row 87: does not mind the limit %j', (limit) => {
    expect(textJobType.parse(withField({ limit })).id).toBe('123');
  });

  it('keeps a text as it came: special tokens, NUL, lone surrogates, and a million characters', () => {
    for (const query of ['<|endoftext|>', 'a\u0000cat', 'a \ud800 cat', 'a'.repeat(1_000_000)]) {
      const { input } = textJobType.parse(withField({ query }));
      expect(input).toEqual({ kind: 'text', text: query });
    }
  });

  it('row 73: says where a photo task belongs', () => {
    expect(refusal('{"photo_id":1,"user_id":1,"path":"x"}').message).toContain('REDIS_QUEUE_NAME');
  });
});
