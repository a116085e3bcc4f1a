import type { Interpolation } from '../../model.js';
import type { PixelRegion } from '../task.js';
import type { ResizedPart } from './geometry.js';
import { LANES, WEIGHT_BYTES_PER_QUAD, type ResampleKernel } from './resample-kernel.js';
import { resampleNearest } from './resample-nearest.js';
import { computeWeights, deepestOverlap, sourceRange, type AxisWeights } from './resample-weights.js';
import { threadKernel } from './thread-kernel.js';

/** RGB pixels, 8 bits each, rows without padding. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** What is to be made of a picture; nothing but the wanted part is computed. */
export interface ResamplePlan extends ResizedPart {
  /** The part of the source that becomes the whole resized picture, in source pixels; may be fractional. */
  readonly box: PixelRegion;
  readonly interpolation: Interpolation;
}

/**
 * `columns x rows` RGB pixels, bit-equal to what Pillow 13 makes of the source. Two passes, each rounded to 8 bits:
 * across, then down, or the other way round where Pillow does so. Rows stream through, so memory does not depend on the
 * picture's shape.
 */
export function resample(source: Pixels, plan: ResamplePlan, kernel?: ResampleKernel): Uint8Array {
  if (plan.interpolation === 'nearest') return resampleNearest(source, plan);
  const across = computeWeights(
    {
      sourceLength: source.width,
      boxStart: plan.box.left,
      boxLength: plan.box.width,
      targetLength: plan.width,
      first: plan.left,
      count: plan.columns,
    },
    plan.interpolation,
  );
  const down = computeWeights(
    {
      sourceLength: source.height,
      boxStart: plan.box.top,
      boxLength: plan.box.height,
      targetLength: plan.height,
      first: plan.top,
      count: plan.rows,
    },
    plan.interpolation,
  );
  return streamRows(source, across, down, isVerticalFirst(source, plan), kernel ?? threadKernel());
}

/** Pillow 13's rule (earlier releases never did it); the order shows in the last bit of some values. */
function isVerticalFirst(source: Pixels, plan: ResamplePlan): boolean {
  const lostRows = source.height - plan.height;
  return lostRows > 0 && lostRows > (source.width - plan.width) * 2;
}

/** Byte offsets in the kernel's memory, and the sizes that they follow from. */
interface Layout {
  readonly columnStarts: number;
  readonly columnWeights: number;
  readonly quads: number;
  /** Open sums: a ring of `slots` rows of `slotBytes`. */
  readonly sums: number;
  readonly slots: number;
  readonly slotBytes: number;
  /** Bytes of a row as the vertical pass sees it. */
  readonly summedBytes: number;
  /** A source row, cut to the columns that are needed; a row between the passes; a row of the output. */
  readonly source: number;
  readonly middle: number;
  readonly output: number;
  readonly totalBytes: number;
}

function planLayout(across: AxisWeights, down: AxisWeights, isDownFirst: boolean): Layout {
  const needed = sourceRange(across);
  const quads = Math.ceil(Math.max(...across.lengths) / 4);
  const sourceBytes = (needed.end - needed.start) * 3;
  const outputBytes = across.count * 3;
  const summedBytes = isDownFirst ? sourceBytes : outputBytes;
  const slotBytes = alignUp(summedBytes * 4, LANES * 4);
  const slots = deepestOverlap(down);
  // The kernel reads past a row by up to the padding of its last weights, which are zero.
  const slack = quads * 12 + 16;
  let end = 0;
  const take = (bytes: number): number => {
    const start = end;
    end = alignUp(start + bytes, 16);
    return start;
  };
  const layout = {
    columnStarts: take(across.count * 4),
    columnWeights: take(across.count * quads * WEIGHT_BYTES_PER_QUAD),
    sums: take(slots * slotBytes),
    source: take(sourceBytes + slack),
    middle: take(Math.max(summedBytes, outputBytes) + slack),
    output: take(outputBytes + slack),
  };
  return { ...layout, quads, slots, slotBytes, summedBytes, totalBytes: end };
}

function alignUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}

function streamRows(
  source: Pixels,
  across: AxisWeights,
  down: AxisWeights,
  isDownFirst: boolean,
  kernel: ResampleKernel,
): Uint8Array {
  const layout = planLayout(across, down, isDownFirst);
  const buffer = kernel.reserve(layout.totalBytes);
  const memory = new Uint8Array(buffer);
  const columns = sourceRange(across);
  writeColumnWeights(buffer, layout, across, columns.start);

  const rowBytes = across.count * 3;
  const result = new Uint8Array(rowBytes * down.count);
  const sum = createVerticalPass(kernel, buffer, layout, down);
  const resizeRow = (from: number, to: number): void => {
    kernel.horizontal(from, to, across.count, layout.columnStarts, layout.columnWeights, layout.quads);
  };

  const rows = sourceRange(down);
  for (let y = rows.start; y < rows.end; y++) {
    const first = y * source.width;
    memory.set(source.data.subarray((first + columns.start) * 3, (first + columns.end) * 3), layout.source);
    if (!isDownFirst) resizeRow(layout.source, layout.middle);
    sum(isDownFirst ? layout.source : layout.middle, y, (slot, row) => {
      if (isDownFirst) {
        kernel.finish(slot, layout.middle, layout.summedBytes);
        resizeRow(layout.middle, layout.output);
      } else {
        kernel.finish(slot, layout.output, layout.summedBytes);
      }
      result.set(memory.subarray(layout.output, layout.output + rowBytes), row * rowBytes);
    });
  }
  return result;
}

/** Lays the weights of the horizontal pass out as the kernel reads them. */
function writeColumnWeights(buffer: ArrayBuffer, layout: Layout, across: AxisWeights, firstColumn: number): void {
  const { columnStarts, columnWeights, quads } = layout;
  const table = new Int16Array(buffer, columnWeights, (across.count * quads * WEIGHT_BYTES_PER_QUAD) / 2);
  table.fill(0);
  const starts = new Int32Array(buffer, columnStarts, across.count);
  for (let column = 0; column < across.count; column++) {
    starts[column] = ((across.starts[column] ?? 0) - firstColumn) * 3;
    const length = across.lengths[column] ?? 0;
    for (let tap = 0; tap < length; tap++) {
      const weight = across.weights[column * across.stride + tap] ?? 0;
      const place = (column * quads + (tap >> 2)) * (WEIGHT_BYTES_PER_QUAD / 2) + (tap & 3);
      table[place] = weight >> 12;
      table[place + 4] = weight & 0xfff;
    }
  }
}

type FeedRow = (place: number, row: number, onComplete: (sums: number, targetRow: number) => void) => void;

/**
 * Adds each source row to every target row that it is part of, and hands a target row over once its last source row is
 * in. Source rows must come in order, without gaps.
 */
function createVerticalPass(kernel: ResampleKernel, buffer: ArrayBuffer, layout: Layout, down: AxisWeights): FeedRow {
  const sums = new Int32Array(buffer, layout.sums, (layout.slots * layout.slotBytes) / 4);
  const slotOf = (row: number): number => (row % layout.slots) * layout.slotBytes;
  const startOf = (row: number): number => down.starts[row] ?? 0;
  const endOf = (row: number): number => startOf(row) + (down.lengths[row] ?? 0);
  let oldest = 0;
  let next = 0;
  return (place, y, onComplete) => {
    for (; next < down.count && startOf(next) <= y; next++) {
      sums.fill(0, slotOf(next) / 4, (slotOf(next) + layout.slotBytes) / 4);
    }
    for (let row = oldest; row < next; row++) {
      const weight = down.weights[row * down.stride + y - startOf(row)] ?? 0;
      kernel.accumulate(place, layout.sums + slotOf(row), layout.summedBytes, weight);
    }
    for (; oldest < next && endOf(oldest) === y + 1; oldest++) onComplete(layout.sums + slotOf(oldest), oldest);
  };
}
