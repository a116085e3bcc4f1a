import { expect, it } from 'vitest';
import { RunnerError } from '../../../src/errors.js';
import { oneByOne, type PictureEncoder } from '../../../src/tasks/caption/picture-encoder.js';
import { UNSTOPPED } from '../../support/captioner.js';

/** Says of each picture its numbers, and their double as 16-bit integers. */
function makeEncoder() {
  const runs: number[] = [];
  const encoder: PictureEncoder = {
    outputs: [],
    device: 'cpu',
    encode(pictures) {
      runs.push(pictures.length);
      const data = Float32Array.from(pictures.flatMap((picture) => Array.from(picture)));
      return Promise.resolve({
        states: { type: 'float32', data, dims: [pictures.length, 1, 2] },
        keys: { type: 'float16', data: Uint16Array.from(data, (value) => 2 * value), dims: [pictures.length, 2] },
      });
    },
  };
  return { encoder, runs };
}
const PICTURES = [Uint8Array.of(1, 2), Uint8Array.of(3, 4), Uint8Array.of(5, 6)];

it('says of a batch what the encoder says of it as a whole, a picture at a time', async () => {
  const { encoder, runs } = makeEncoder();
  const whole = await encoder.encode(PICTURES, UNSTOPPED);
  expect(await oneByOne(encoder).encode(PICTURES, UNSTOPPED)).toEqual(whole);
  expect(runs).toEqual([3, 1, 1, 1]);
});

it('ends between two pictures where it is stopped', async () => {
  const { encoder, runs } = makeEncoder();
  const throwIfStopped = (): void => {
    if (runs.length === 2) throw new RunnerError('RUNNER_STOPPED', 'stop');
  };
  const encoding = oneByOne(encoder).encode(PICTURES, { throwIfStopped });
  await expect(encoding).rejects.toMatchObject({ code: 'RUNNER_STOPPED' });
  expect(runs).toEqual([1, 1]);
});
