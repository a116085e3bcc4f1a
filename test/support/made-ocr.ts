import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import sharp from 'sharp';
import { GraphWriter } from '../../bench/support/onnx-writer.js';

/**
 * A text reader without any training: what is bright is text, and its colour is what it says. It is small and quick, and
 * can be made to fail.
 */
export const READ_AS_A = '#ccffcc';
export const READ_AS_B = '#ffcccc';
/** Bright, and of no colour: found, and read as nothing. */
export const READ_AS_NOTHING = '#ffffff';
/** Makes the detector answer NaN. */
export const NO_MAP = '#0000ff';
/** Found, but the recogniser answers NaN. */
export const NO_READING = '#ccccff';

export interface Bar {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly color: string;
}

/** A PNG: black, with bars on it. */
export function barredPicture(bars: readonly Bar[], width = 960, height = 736): Promise<Buffer> {
  const pixels = Buffer.alloc(width * height * 3);
  for (const bar of bars) {
    const rgb = Buffer.from(bar.color.slice(1), 'hex');
    for (let y = bar.y; y < bar.y + bar.height; y++) {
      pixels.fill(rgb, (y * width + bar.x) * 3, (y * width + bar.x + bar.width) * 3);
    }
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

/** One bar of a line's shape. */
export function bar(x: number, y: number, color: string): Bar {
  return { x, y, width: 120, height: 24, color };
}

/** Writes the model's folder; `characters` as they stand in its list. */
export function writeMadeOcr(folder: string, characters = 'a\nb'): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'made_det.onnx'), detectorGraph());
  writeFileSync(path.join(folder, 'made_rec.onnx'), recogniserGraph());
  writeFileSync(path.join(folder, 'made_keys.txt'), characters);
  return folder;
}

type Channels = readonly [blue: string, green: string, red: string];

/** NaN where the two differ by more than a limit, else 0. */
function nanBeyond(graph: GraphWriter, [blue, , red]: Channels, limit: number): string {
  const difference = graph.node('Sub', [red, blue]);
  const root = graph.node('Sqrt', [graph.node('Add', [difference, graph.scalar(limit)])]);
  return graph.node('Mul', [root, graph.scalar(0)]);
}

/** The mean of the colours where it is above 0. */
function detectorGraph(): Buffer {
  const graph = new GraphWriter(1);
  const channels = graph.node('Split', ['x'], { outputs: 3, axis: 1 }) as unknown as Channels;
  const mean = graph.node('ReduceMean', ['x'], { axes: [1], keepdims: 1 });
  const map = graph.node('Add', [graph.node('Relu', [mean]), nanBeyond(graph, channels, 1.5)]);
  return graph.finish({ x: { dims: ['n', 3, 'h', 'w'] } }, { map: { dims: ['n', 1, 'h', 'w'], from: map } });
}

/** Of eight columns the colour that is strongest: nothing for blue, the first character for green, the second for red. */
function recogniserGraph(): Buffer {
  const graph = new GraphWriter(1);
  const pooled = graph.node('AveragePool', ['x'], { kernel_shape: [48, 8], strides: [48, 8] });
  const channels = graph.node('Split', [pooled], { outputs: 3, axis: 1 }) as unknown as Channels;
  const usable = graph.node('Add', [pooled, nanBeyond(graph, channels, 0.1)]);
  const steps = graph.node('Transpose', [graph.node('Squeeze', [usable, graph.integers([2])])], { perm: [0, 2, 1] });
  const answer = graph.node('Softmax', [graph.node('Mul', [steps, graph.scalar(40)])], { axis: -1 });
  return graph.finish({ x: { dims: ['n', 3, 48, 'w'] } }, { steps: { dims: ['n', 't', 3], from: answer } });
}
