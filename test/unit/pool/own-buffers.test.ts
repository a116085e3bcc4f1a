import { describe, expect, it } from 'vitest';
import { withOwnBuffers } from '../../../src/pool/own-buffers.js';

describe('withOwnBuffers', () => {
  const message = new Float32Array([1, 2, 3, 4, 5, 6]);
  const window = message.subarray(2, 4);

  it('gives a window on other bytes a buffer of its own, wherever it stands', () => {
    const value = { faces: [{ vector: window, box: [1, 2] }], note: null, text: 'x' };
    const own = withOwnBuffers(value) as { faces: { vector: Float32Array }[] };
    expect(own).toEqual(value);
    const vector = own.faces[0]!.vector;
    expect(vector).toBeInstanceOf(Float32Array);
    expect(vector.buffer.byteLength).toBe(8);
    expect(window.buffer.byteLength).toBe(24);
  });

  it('copies nothing that is whole', () => {
    expect(withOwnBuffers(message)).toBe(message);
  });

  it('keeps Buffers Buffers, and leaves dates and maps alone', () => {
    const buffer = withOwnBuffers(Buffer.from('abcdef').subarray(2, 4));
    expect(Buffer.isBuffer(buffer) && buffer.toString()).toBe('cd');
    const map = new Map([[1, 2]]);
    expect(withOwnBuffers(map)).toBe(map);
  });

  it('keeps a key called __proto__ a key', () => {
    const own = withOwnBuffers(JSON.parse('{"__proto__": {"x": 1}}')) as object;
    expect(Object.keys(own)).toEqual(['__proto__']);
    expect(Object.getPrototypeOf(own)).toBe(Object.prototype);
  });
});
