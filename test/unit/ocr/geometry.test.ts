import { describe, expect, it } from 'vitest';
import { fitCanvas, fitDetection, type Picture } from '../../../src/tasks/ocr/canvas.js';
import type { TextBox } from '../../../src/tasks/ocr/find-boxes.js';
import { inReadingOrder } from '../../../src/tasks/ocr/reading-order.js';
import { orderClockwise, smallestRectangle } from '../../../src/tasks/ocr/rectangle.js';
import { findRegions } from '../../../src/tasks/ocr/regions.js';
import { fitStrip, stripTensor, turnOver } from '../../../src/tasks/ocr/strip.js';
import { noise } from '../../support/noise.js';

const size = ({ width, height }: Picture): string => `${width} x ${height}`;
const grey = (width: number, height: number): Picture => ({
  width,
  height,
  data: new Uint8Array(width * height * 3).fill(128),
});

describe('smallestRectangle', () => {
  it('lies round tilted points, not along the axes', () => {
    const { corners, shorterSide } = smallestRectangle([
      [0, 20],
      [10, 30],
      [40, 0],
      [30, -10],
      [20, 10],
    ]);
    expect(shorterSide).toBeCloseTo(Math.hypot(10, 10), 9);
    const rounded = corners.map((point) => point.map((value) => Math.round(value) + 0));
    expect(rounded).toEqual([
      [0, 20],
      [30, -10],
      [40, 0],
      [10, 30],
    ]);
  });

  it('grows by a margin on each side', () => {
    const square = [
      [2, 2],
      [6, 2],
      [6, 4],
      [2, 4],
    ] as const;
    expect(smallestRectangle(square, 1.5).corners).toEqual([
      [0.5, 0.5],
      [7.5, 0.5],
      [7.5, 5.5],
      [0.5, 5.5],
    ]);
  });

  it.each([
    ['a point', [[3, 4]]],
    ['the same point twice', [[3, 4], [3, 4]]], // prettier-ignore
    ['a line', [[0, 0], [4, 4], [8, 8]]], // prettier-ignore
  ] as const)('has no width round %s', (_, points) => {
    expect(smallestRectangle(points).shorterSide).toBeCloseTo(0, 9);
  });
});

describe('orderClockwise', () => {
  it('begins at the top left, whatever the order', () => {
    expect(
      orderClockwise([
        [9, 8],
        [1, 2],
        [8, 1],
        [2, 9],
      ]),
    ).toEqual([
      [1, 2],
      [8, 1],
      [9, 8],
      [2, 9],
    ]);
  });
});

describe('findRegions', () => {
  const regionsOf = (...rows: readonly string[]): readonly (readonly (readonly number[])[])[] => {
    const data = Uint8Array.from(rows.join(''), (letter) => (letter === '#' ? 1 : 0));
    return findRegions({ width: rows[0]?.length ?? 0, height: rows.length, data });
  };

  it('joins pixels that touch by a side or by a corner, and no others', () => {
    expect(
      regionsOf(
        '#...##', //
        '.#....',
        '#...#.',
        '......',
        '..####',
      ),
    ).toHaveLength(4);
  });

  it('joins arms that meet further down', () => {
    const [region, ...others] = regionsOf(
      '#.#.#', //
      '#.#.#',
      '#####',
    );
    expect(others).toEqual([]);
    expect(region).toContainEqual([4, 0]);
    expect(region).toContainEqual([0, 2]);
  });

  it('finds regions that reach the border, and none in an empty mask', () => {
    expect(regionsOf('##', '##')).toEqual([
      [
        [0, 0],
        [1, 0],
        [0, 1],
        [1, 1],
      ],
    ]);
    expect(regionsOf('..', '..')).toEqual([]);
  });
});

describe('inReadingOrder', () => {
  const box = (x: number, y: number): TextBox => {
    return { corners: [[x, y], [x + 5, y], [x + 5, y + 5], [x, y + 5]], score: 1 }; // prettier-ignore
  };
  const order = (...places: readonly (readonly [number, number])[]): readonly (readonly number[])[] =>
    inReadingOrder(places.map(([x, y]) => box(x, y))).map(({ corners }) => [...corners[0]]);

  it('goes from top to bottom, and from left to right within ten pixels of height', () => {
    expect(order([50, 100], [80, 4], [10, 9], [40, 0], [10, 95])).toEqual([
      [10, 9],
      [40, 0],
      [80, 4],
      [10, 95],
      [50, 100],
    ]);
  });

  it('takes boxes ten pixels apart for two lines', () => {
    expect(order([80, 0], [10, 10])).toEqual([
      [80, 0],
      [10, 10],
    ]);
  });
});

describe('fitCanvas', () => {
  it.each([
    ['is left as it is', [800, 600], '800 x 600'],
    ['is shrunk where it is larger', [4000, 3000], '1984 x 1504'],
    ['is enlarged where it is hardly there', [100, 20], '160 x 32'],
    ['has bars where it is a strip', [1600, 84], '1600 x 400'],
    ['is no longer than the limit where it is high and thin', [1, 5000], '32 x 1984'],
    ['is no longer than the limit where it is thin and enlarged', [3, 1900], '32 x 1984'],
    ['may be one pixel', [1, 1], '32 x 32'],
  ] as const)('a photo %s', (_, [width, height], expected) => {
    expect(size(fitCanvas(grey(width, height), 2000))).toBe(expected);
  });

  it('brings points back to the photo, and never out of it', () => {
    const { toPhoto } = fitCanvas(grey(1600, 84), 2000);
    expect(toPhoto([10, 158])).toEqual([10, 0]);
    expect(toPhoto([10, 200])).toEqual([10, 42]);
    expect(toPhoto([1600, 399])).toEqual([1600, 84]);
    const shrunk = fitCanvas(grey(4000, 3000), 2000);
    expect(shrunk.toPhoto([992, 752])).toEqual([2000, 1500]);
  });

  it('has the photo between black bars', () => {
    const { width, data } = fitCanvas(grey(1600, 84), 2000);
    const rowAt = (y: number): ReadonlySet<number> => new Set(data.subarray(y * width * 3, (y + 1) * width * 3));
    expect([157, 158, 241, 242].map((y) => [...rowAt(y)])).toEqual([[0], [128], [128], [0]]);
  });
});

describe('fitDetection', () => {
  it.each([
    ['enlarges the shorter side to 736', [400, 300], '992 x 736'],
    ['rounds to multiples of 32', [1000, 900], '992 x 896'],
    ['is bounded for a high strip', [32, 1984], '96 x 5888'],
  ] as const)('%s', (_, [width, height], expected) => {
    expect(size(fitDetection(grey(width, height)))).toBe(expected);
  });
});

describe('strips', () => {
  it('are 48 high, and squeezed where they would be wider than the limit', () => {
    expect(fitStrip(noise(100, 20), 3200).width).toBe(240);
    expect(fitStrip(noise(1000, 20), 192).width).toBe(192);
  });

  it('are the same after two half turns, and differ after one', () => {
    const strip = fitStrip(noise(90, 30), 3200);
    expect(turnOver(strip).data.subarray(0, 3)).toEqual(strip.data.subarray(-3));
    expect(turnOver(turnOver(strip)).data).toEqual(strip.data);
  });

  it('lie at the left of a tensor with blue first, and zeros after them', () => {
    const width = 4;
    const data = new Uint8Array(2 * 48 * 3);
    data.set([255, 127, 0], 3); // Red, green and blue of the second pixel of the first row.
    const tensor = stripTensor([{ width: 2, data }], width, 2);
    const plane = 48 * width;
    expect(tensor).toHaveLength(2 * 3 * plane);
    expect(
      [tensor[1], tensor[plane + 1], tensor[2 * plane + 1]].map((value) => Math.round((value ?? NaN) * 100)),
    ).toEqual([-100, -0, 100]);
    expect([...tensor.subarray(2, 4), ...tensor.subarray(3 * plane)].every((value) => value === 0)).toBe(true);
  });
});
