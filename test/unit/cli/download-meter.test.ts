import { describe, expect, it } from 'vitest';
import { DownloadMeter } from '../../../src/cli/models/download-meter.js';
import { sizeText, tableLines } from '../../../src/cli/models/table.js';

const MB = 1_000_000;

describe('the line of a download', () => {
  it('tells how far it is, how fast, and how long it takes yet', () => {
    let nowMs = 0;
    const meter = new DownloadMeter(() => nowMs);
    const at = (ms: number, receivedBytes: number, file = 'a.onnx'): string => {
      nowMs = ms;
      return meter.line({ file, receivedBytes, totalBytes: 200 * MB });
    };
    expect(at(0, 50 * MB)).toBe('[=====               ] 25 %  50 MB of 200 MB  a.onnx');
    // What was there before does not count for the rate: 20 MB in 2 s.
    expect(at(2000, 70 * MB)).toBe('[=======             ] 35 %  70 MB of 200 MB  10 MB/s  13 s left  a.onnx');
    expect(at(3000, 200 * MB)).toContain('[====================] 100 %');
    expect(at(9000, 20 * MB, 'b.onnx'), 'the next file').toBe('[==                  ] 10 %  20 MB of 200 MB  b.onnx');
    at(10_000, 60 * MB, 'b.onnx');
    expect(at(11_000, 1 * MB, 'b.onnx'), 'begun anew').not.toContain('/s');
  });
});

describe('sizes and tables', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [999_499, '999 kB'],
    [999_500, '1.0 MB'],
    [351_700_000, '352 MB'],
    [1_250_000_000, '1.3 GB'],
    [2e15, '2000 TB'],
  ])('%i bytes are %s', (bytes, text) => expect(sizeText(bytes)).toBe(text));

  it('columns are as wide as their widest cell', () => {
    expect(
      tableLines(
        ['A', 'B'],
        [
          ['long', 'x'],
          ['s', ''],
        ],
      ),
    ).toEqual(['A     B', 'long  x', 's']);
  });
});
