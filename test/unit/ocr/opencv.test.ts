import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { findBoxes, type TextMap } from '../../../src/tasks/ocr/find-boxes.js';
import type { Corners } from '../../../src/tasks/ocr/rectangle.js';
import { straighten } from '../../../src/tasks/ocr/straighten.js';
import { noise } from '../../support/noise.js';
import { FIXTURES } from '../../support/pictures.js';

interface Golden {
  readonly crops: readonly { from: [number, number]; corners: Corners; size: [number, number]; pixels: string }[];
  readonly maps: readonly {
    map: [number, number];
    canvas: [number, number];
    rectangles: readonly Drawn[];
    boxes: readonly { corners: Corners; score: number }[];
  }[];
}

type Drawn = readonly [x: number, y: number, across: number, down: number, degrees: number, probability: number];

// tools/ocr-golden.py made it with OpenCV and Clipper.
const golden = JSON.parse(readFileSync(path.join(FIXTURES, 'golden', 'text-boxes.json'), 'utf8')) as Golden;

/** As `draw` of the tool does it. */
function draw([width, height]: readonly [number, number], rectangles: readonly Drawn[]): TextMap {
  const data = new Float32Array(width * height).fill(0.05);
  for (const [centreX, centreY, across, down, degrees, probability] of rectangles) {
    const [cos, sin] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
    for (let i = 0; i < data.length; i++) {
      const [x, y] = [(i % width) - centreX, Math.floor(i / width) - centreY];
      if (Math.abs(x * cos + y * sin) <= across / 2 && Math.abs(y * cos - x * sin) <= down / 2) data[i] = probability;
    }
  }
  return { width, height, data };
}

describe('straighten', () => {
  it.each(golden.crops)('makes of $corners what OpenCV makes', ({ from, corners, size, pixels }) => {
    const crop = straighten(noise(...from), corners);
    expect([crop.width, crop.height]).toEqual(size);
    const expected = Buffer.from(pixels, 'base64');
    const differences = [...crop.data].map((value, i) => Math.abs(value - (expected[i] ?? NaN)));
    // OpenCV's weights have 15 bits.
    expect(Math.max(...differences)).toBeLessThanOrEqual(1);
  });
});

describe('findBoxes', () => {
  it.each(golden.maps)('finds in $rectangles what OpenCV and Clipper find', ({ map, canvas, rectangles, boxes }) => {
    const [width, height] = canvas;
    const found = findBoxes(draw(map, rectangles), { width, height }, 0.5);
    expect(found).toHaveLength(boxes.length);
    boxes.forEach(({ corners, score }, index) => {
      const box = found[index];
      const far = corners.flatMap(([x, y], corner) => {
        const [ownX, ownY] = box?.corners[corner] ?? [NaN, NaN];
        return [Math.abs(x - ownX) * (map[0] / width), Math.abs(y - ownY) * (map[1] / height)];
      });
      // Clipper rounds to whole pixels of the map, and what comes of it to those of the canvas.
      expect(Math.max(...far)).toBeLessThanOrEqual(1.5);
      expect(box?.score).toBeCloseTo(score, 2);
    });
  });
});
