import { expect, it } from 'vitest';
import { compare } from '../../../bench/support/report.js';

it('compares by the ratio of medians, with the ratio of each round beside it', () => {
  expect(compare([10, 20, 90], [1, 10, 10])).toEqual({ value: 2, rounds: [10, 2, 9] });
});
