import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { openOnnxSession } from '../../src/pool/session.js';
import { SessionThread } from '../../src/pool/session-thread.js';
import type { Session, TensorData } from '../../src/tensor.js';
import { until } from '../support/until.js';

const MODEL = fileURLToPath(new URL('../fixtures/models/clip-tiny/onnx/vision_model.onnx', import.meta.url));
const SETTINGS = { device: 'cpu', strictDevice: false, intraOpThreads: 1 } as const;

const apart = await new SessionThread().open(MODEL, SETTINGS);
const here = await openOnnxSession(MODEL, SETTINGS);

function pictures(session: Session, rows: number): Record<string, TensorData> {
  const [input] = session.inputs;
  const sides = (input?.shape ?? []).slice(1).map(Number);
  const size = sides.reduce((product, side) => product * side, rows);
  const data = Float32Array.from({ length: size }, (_, i) => Math.sin(i / 7));
  return { [input?.name ?? '']: { type: 'float32', data, dims: [rows, ...sides] } };
}

/** Turns of this thread's loop while the session runs. */
async function turnsDuring(session: Session, rows: number): Promise<number> {
  let turns = 0;
  let isOver = false;
  const turn = (): void => {
    turns += 1;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  await session.run(pictures(session, rows));
  isOver = true;
  return turns;
}

describe('SessionThread', () => {
  it('answers as a session of this thread does', async () => {
    const { inputs, outputs, device } = here;
    expect(apart).toMatchObject({ inputs, outputs, device });
    expect(await apart.run(pictures(apart, 3))).toEqual(await here.run(pictures(here, 3)));
  });

  it('tells why a session runs on the processor though another device was asked for', async () => {
    const asked = { ...SETTINGS, device: 'cuda' } as const;
    // Where there is one the test has nothing to say.
    const session = await openOnnxSession(MODEL, asked);
    if (session.device === 'cuda') return;
    expect(session).toMatchObject({ device: 'cpu', refusals: [expect.stringMatching(/^cuda: ./)] });
    expect(here.refusals).toEqual([]);
    expect((await new SessionThread().open(MODEL, asked)).refusals).toEqual(session.refusals);
  });

  it('leaves this thread its loop while a model runs, so that the next batch is prepared', async () => {
    await turnsDuring(apart, 16);
    expect(await turnsDuring(here, 16)).toBeLessThan(5);
    // On a busy machine this thread may be the one that doesn't get a processor for so long.
    await until('its loop turned', async () => (await turnsDuring(apart, 16)) > 20);
  });

  it('takes tensors that show a part of a larger buffer, and leaves them to the caller', async () => {
    const whole = pictures(apart, 2);
    const [[name, tensor]] = Object.entries(whole) as [[string, TensorData]];
    const half = tensor.data.subarray(tensor.data.length / 2);
    const feeds = { [name]: { ...tensor, data: half, dims: [1, ...tensor.dims.slice(1)] } };
    expect(await apart.run(feeds)).toEqual(await here.run(feeds));
    expect(half.length).toBeGreaterThan(0);
  });

  it('answers calls in their order', async () => {
    const ended: number[] = [];
    await Promise.all([16, 1, 4].map((rows) => apart.run(pictures(apart, rows)).then(() => ended.push(rows))));
    expect(ended).toEqual([16, 1, 4]);
  });

  it('fails as a session of this thread does, and goes on', async () => {
    await expect(apart.run({})).rejects.toMatchObject({ code: 'RUN_FAILED' });
    await expect(new SessionThread().open('/nowhere.onnx', SETTINGS)).rejects.toMatchObject({ code: 'MODEL_INVALID' });
    await expect(apart.run(pictures(apart, 1))).resolves.toBeDefined();
  });
});
