import { describe, expect, it } from 'vitest';
import { GraphFacts } from '../../../src/models/graph-facts.js';
import type { GraphNode, GraphValue, OnnxGraph } from '../../../src/models/onnx-graph.js';

const span = { start: 0, end: 0 };
const node = (type: string, inputs: readonly string[], ...outputs: readonly string[]): GraphNode => ({
  ...{ type, inputs, outputs, span },
  reads: inputs,
});
const value = (name: string, shape?: readonly number[]): GraphValue => ({ name, shape, type: 1, span });
const facts = (graph: Partial<OnnxGraph>): GraphFacts =>
  new GraphFacts({ nodes: [], weights: [], inputs: [], outputs: [], notes: [], rest: [], beside: [], ...graph });

describe('GraphFacts', () => {
  it('tells who reads a value; the caller of the graph does, too', () => {
    const [one, other] = [node('Relu', ['x'], 'y'), node('Tanh', ['x'], 'z')];
    const graph = facts({ nodes: [one, other], outputs: [value('y')] });
    expect(graph.isOnlyFor('x', new Set([one, other]))).toBe(true);
    expect(graph.isOnlyFor('x', new Set([one]))).toBe(false);
    expect(graph.isOnlyFor('y', new Set([one, other]))).toBe(false);
    expect(graph.isOnlyFor('z', new Set())).toBe(true);
  });

  it('works out that a value has sequences, where the file does not say it', () => {
    const graph = facts({
      weights: [value('three', [3]), value('two', [2]), value('square', [8, 8]), value('row', [8]), value('part', [1])],
      inputs: [value('pixels', [-1, 3, 224, 224]), value('scores', [-1, 10])],
      notes: [value('noted', [-1, -1, 8])],
      nodes: [
        node('Reshape', ['unknown', 'three'], 'by weight'),
        node('Concat', ['batch', 'length', 'part'], 'shape'),
        node('Reshape', ['unknown', 'shape'], 'by parts'),
        node('Reshape', ['pixels', 'two'], 'flat'),
        node('MatMul', ['by parts', 'square'], 'product'),
        node('MatMul', ['by parts', 'row'], 'numbers'),
        node('Add', ['row', 'product'], 'sum'),
        node('MatMul', ['scores', 'square'], 'rows'),
        node('MultiHeadAttention', ['q', 'k', 'v'], 'attended'),
        node('Gather', ['noted', 'part'], 'gathered'),
      ],
    });
    const names = ['noted', 'by weight', 'by parts', 'product', 'sum', 'attended', 'pixels'];
    expect(names.filter((name) => !graph.hasSequences(name))).toEqual([]);
    const others = ['flat', 'numbers', 'rows', 'scores', 'gathered', 'unknown', 'row'];
    expect(others.filter((name) => graph.hasSequences(name))).toEqual([]);
  });

  it('ends where a graph reads itself', () => {
    const graph = facts({ nodes: [node('Add', ['b', 'a'], 'a'), node('Relu', ['a'], 'b')] });
    expect(graph.hasSequences('a')).toBe(false);
  });

  it('tells a pair of places', () => {
    const graph = facts({
      notes: [value('pairs', [-1, 2]), value('triples', [-1, 3]), value('flat', [2])],
      nodes: [
        node('Unsqueeze', ['rows', 'last'], 'r'),
        node('Unsqueeze', ['columns', 'last'], 'c'),
        node('Concat', ['r', 'c'], 'joined'),
        node('Concat', ['r', 'c', 'c'], 'longer'),
        node('Concat', ['r', 'columns'], 'unclear'),
      ],
    });
    expect(['pairs', 'joined'].every((name) => graph.isPair(name))).toBe(true);
    expect(['triples', 'flat', 'longer', 'unclear', 'rows'].some((name) => graph.isPair(name))).toBe(false);
  });
});
