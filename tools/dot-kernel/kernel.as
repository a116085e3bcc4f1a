// The inner loop of src/album/fixed-rows.ts in AssemblyScript: WebAssembly SIMD, 128 bits.
// `node tools/dot-kernel/build.mjs` compiles this file and writes src/album/dot-kernel-binary.ts.
// The contract is in src/album/dot-kernel.ts.

@inline function total(lanes: v128): i32 {
  const pairs = i32x4.add(lanes, v128.shuffle<i32>(lanes, lanes, 2, 3, 0, 1));
  return i32x4.extract_lane(pairs, 0) + i32x4.extract_lane(pairs, 1);
}

export function dots(a: usize, b: usize, rows: i32, columns: i32, bytes: usize, out: usize): void {
  const line = <usize>columns << 2;
  for (let i = 0; i < rows; i += 4) {
    const a1 = a + bytes;
    const a2 = a1 + bytes;
    const a3 = a2 + bytes;
    let b0 = b;
    for (let j = 0; j < columns; j += 2) {
      // Four rows by two columns: more sums would not fit the sixteen registers of a processor.
      const b1 = b0 + bytes;
      let s00 = i32x4.splat(0);
      let s01 = s00;
      let s10 = s00;
      let s11 = s00;
      let s20 = s00;
      let s21 = s00;
      let s30 = s00;
      let s31 = s00;
      for (let k: usize = 0; k < bytes; k += 16) {
        const y0 = v128.load(b0 + k);
        const y1 = v128.load(b1 + k);
        let x = v128.load(a + k);
        s00 = i32x4.add(s00, i32x4.dot_i16x8_s(x, y0));
        s01 = i32x4.add(s01, i32x4.dot_i16x8_s(x, y1));
        x = v128.load(a1 + k);
        s10 = i32x4.add(s10, i32x4.dot_i16x8_s(x, y0));
        s11 = i32x4.add(s11, i32x4.dot_i16x8_s(x, y1));
        x = v128.load(a2 + k);
        s20 = i32x4.add(s20, i32x4.dot_i16x8_s(x, y0));
        s21 = i32x4.add(s21, i32x4.dot_i16x8_s(x, y1));
        x = v128.load(a3 + k);
        s30 = i32x4.add(s30, i32x4.dot_i16x8_s(x, y0));
        s31 = i32x4.add(s31, i32x4.dot_i16x8_s(x, y1));
      }
      let place = out + (<usize>j << 2);
      store<i32>(place, total(s00));
      store<i32>(place, total(s01), 4);
      place += line;
      store<i32>(place, total(s10));
      store<i32>(place, total(s11), 4);
      place += line;
      store<i32>(place, total(s20));
      store<i32>(place, total(s21), 4);
      place += line;
      store<i32>(place, total(s30));
      store<i32>(place, total(s31), 4);
      b0 += 2 * bytes;
    }
    a += 4 * bytes;
    out += 4 * line;
  }
}
