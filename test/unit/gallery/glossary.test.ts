import { expect, it } from 'vitest';
import { translate } from '../../../examples/gallery/server/demo/glossary.js';

it.each([
  ['海滩上的猫', 'a cat on the beach'],
  ['夜晚城市里的两只大象', 'two elephants in the city at night'],
  ['森林里的猫头鹰', 'an owl in the forest'],
  ['三只狐狸', 'three foxes'],
  ['雪', 'in the snow'],
  ['生日快乐', '生日快乐'],
  ['a cat on the beach', 'a cat on the beach'],
])('the demo takes %s for "%s"', (query, english) => {
  expect(translate(query)).toBe(english);
});
