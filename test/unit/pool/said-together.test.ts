import { expect, it } from 'vitest';

import { SaidTogether } from '../../../src/pool/said-together.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function listen(): { said: SaidTogether<unknown>; heard: (readonly unknown[])[] } {
  const heard: (readonly unknown[])[] = [];
  const said = new SaidTogether<unknown>(
    (lines) => heard.push(structuredClone(lines)),
    (line) => `instead of a ${typeof line}`,
  );
  return { said, heard };
}

it('posts what is said in one turn of the loop as one message, in order', async () => {
  const { said, heard } = listen();
  said.say(1);
  await Promise.resolve();
  said.say(2);
  expect(heard).toEqual([]);
  await turn();
  said.say(3);
  await turn();
  await turn();
  expect(heard).toEqual([[1, 2], [3]]);
});

it('posts at once where it is told to, and nothing twice', async () => {
  const { said, heard } = listen();
  said.say(1);
  said.flush();
  expect(heard).toEqual([[1]]);
  said.say(2);
  said.flush();
  said.flush();
  await turn();
  expect(heard).toEqual([[1], [2]]);
});

it('lets a line that can not cross fail alone, in its place', async () => {
  const { said, heard } = listen();
  said.say(1);
  said.say(() => undefined);
  said.say(3);
  await turn();
  expect(heard).toEqual([[1], ['instead of a function'], [3]]);
});
