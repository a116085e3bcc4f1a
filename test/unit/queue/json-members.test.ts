import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { jsonMembers, withoutMember } from '../../../src/queue/json-members.js';

describe('jsonMembers', () => {
  it('names the members of the object itself and none of its values', () => {
    const text = '{"a":{"x":[1,{"y":2}]},"b\\"":"{,}", "a":null}';
    expect(jsonMembers(text).map(({ key }) => key)).toEqual(['a', 'b"', 'a']);
  });

  it('agrees with JSON.parse on any object', () => {
    const object = fc.dictionary(fc.string(), fc.jsonValue());
    fc.assert(
      fc.property(object, fc.integer({ min: 0, max: 2 }), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        const members = jsonMembers(text).map(({ start, end }) => text.slice(start, end));
        expect(JSON.parse(`{${members.join(',')}}`)).toEqual(JSON.parse(text));
        expect(members).toHaveLength(Object.keys(value).length);
      }),
      { seed: 3, numRuns: 300 },
    );
  });
});

describe('withoutMember', () => {
  it.each([
    ['{"a":1}', '{"a":1}'],
    ['{"x":1}', '{}'],
    ['{ "x":1 }', '{ }'],
    ['{"x":1,"x":2}', '{}'],
    ['{"x":1,"a":2}', '{"a":2}'],
    ['{"x":1,"x":2, "a":2,"x":3}', '{"a":2}'],
    ['{"a":2 ,"x":3}', '{"a":2 }'],
    ['{"a":2,"x":3,"b":4}', '{"a":2,"b":4}'],
    ['{"a":2,"x":3,"x":4,"b":4,"x":5}', '{"a":2,"b":4}'],
    ['{"\\u0078":1,"a":"x"}', '{"a":"x"}'],
  ])('makes %s into %s', (text, expected) => {
    expect(withoutMember(text, 'x')).toBe(expected);
  });
});
