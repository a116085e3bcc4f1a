import type { GraphWriter } from './onnx-writer.js';

export function layerNorm(graph: GraphWriter, x: string, width: number): string;
export function encoderLayers(
  graph: GraphWriter,
  x: string,
  size: { readonly width: number; readonly layers: number; readonly heads: number; readonly mask?: string },
): string;
