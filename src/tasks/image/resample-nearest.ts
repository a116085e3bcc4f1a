import type { Pixels, ResamplePlan } from './resample.js';

/** Takes for each wanted pixel the source pixel that lies under its centre. */
export function resampleNearest(source: Pixels, plan: Omit<ResamplePlan, 'interpolation'>): Uint8Array {
  const { box } = plan;
  const columns = pickNearest(source.width, box.left, box.width / plan.width, plan.left, plan.columns);
  const rows = pickNearest(source.height, box.top, box.height / plan.height, plan.top, plan.rows);
  const result = new Uint8Array(plan.columns * plan.rows * 3);
  let place = 0;
  for (const row of rows) {
    for (const column of columns) {
      const pixel = (row * source.width + column) * 3;
      result[place++] = source.data[pixel] ?? 0;
      result[place++] = source.data[pixel + 1] ?? 0;
      result[place++] = source.data[pixel + 2] ?? 0;
    }
  }
  return result;
}

function pickNearest(length: number, boxStart: number, scale: number, first: number, count: number): Int32Array {
  const picked = new Int32Array(count);
  // Pillow adds the scale step by step, and its rounding errors with it.
  let position = boxStart + scale * 0.5;
  for (let i = 0; i < first + count; i++, position += scale) {
    if (i >= first) picked[i - first] = Math.min(Math.max(Math.trunc(position), 0), length - 1);
  }
  return picked;
}
