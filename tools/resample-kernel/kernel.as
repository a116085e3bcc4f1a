// The inner loops of src/tasks/image/resample.ts in AssemblyScript: WebAssembly SIMD, 128 bits.
// `node tools/resample-kernel/build.mjs` compiles this file and writes src/tasks/image/resample-kernel-binary.ts.
// The contract of each function, and the layout of the weights, are in src/tasks/image/resample-kernel.ts.

export function horizontal(row: usize, out: usize, columns: i32, starts: usize, weights: usize, quads: i32): void {
  // Widen two pixels to 16 bits and pair them by channel (R0 R1, G0 G1, B0 B1), as `dot` wants them; -1 makes zero.
  const firstPair = i8x16(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1);
  const secondPair = i8x16(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
  const half = i32x4.splat(1 << 21);
  for (let column = 0; column < columns; column++) {
    let pixels = row + <usize>load<u32>(starts + (<usize>column << 2));
    let high = i32x4.splat(0);
    let low = half;
    for (let quad = 0; quad < quads; quad++) {
      const four = v128.load(pixels);
      const a = i8x16.swizzle(four, firstPair);
      const b = i8x16.swizzle(four, secondPair);
      high = i32x4.add(high, i32x4.dot_i16x8_s(a, v128.load32_splat(weights)));
      high = i32x4.add(high, i32x4.dot_i16x8_s(b, v128.load32_splat(weights, 4)));
      low = i32x4.add(low, i32x4.dot_i16x8_s(a, v128.load32_splat(weights, 8)));
      low = i32x4.add(low, i32x4.dot_i16x8_s(b, v128.load32_splat(weights, 12)));
      pixels += 12;
      weights += 16;
    }
    // Wraps modulo 2^32 on the way, which the final sum (within 32 bits) does not notice.
    const sum = i32x4.shr_s(i32x4.add(i32x4.shl(high, 12), low), 22);
    const words = i16x8.narrow_i32x4_s(sum, sum);
    v128.store32_lane(out, i8x16.narrow_i16x8_u(words, words), 0);
    out += 3;
  }
}

export function accumulate(row: usize, sums: usize, count: i32, weight: i32): void {
  const factor = i32x4.splat(weight);
  for (let i = 0; i < count; i += 8) {
    const words = i16x8.extend_low_i8x16_u(v128.load64_zero(row));
    v128.store(sums, i32x4.add(v128.load(sums), i32x4.mul(i32x4.extend_low_i16x8_u(words), factor)));
    v128.store(sums, i32x4.add(v128.load(sums, 16), i32x4.mul(i32x4.extend_high_i16x8_u(words), factor)), 16);
    row += 8;
    sums += 32;
  }
}

export function finish(sums: usize, out: usize, count: i32): void {
  const half = i32x4.splat(1 << 21);
  for (let i = 0; i < count; i += 8) {
    const a = i32x4.shr_s(i32x4.add(v128.load(sums), half), 22);
    const b = i32x4.shr_s(i32x4.add(v128.load(sums, 16), half), 22);
    const words = i16x8.narrow_i32x4_s(a, b);
    v128.store64_lane(out, i8x16.narrow_i16x8_u(words, words), 0);
    sums += 32;
    out += 8;
  }
}

export function halve(upper: usize, lower: usize, out: usize, columns: i32): void {
  // The pixels 0 and 2, and 1 and 3, of four, widened to 16 bits; -1 makes zero.
  const even = i8x16(0, -1, 1, -1, 2, -1, 6, -1, 7, -1, 8, -1, -1, -1, -1, -1);
  const odd = i8x16(3, -1, 4, -1, 5, -1, 9, -1, 10, -1, 11, -1, -1, -1, -1, -1);
  const half = i16x8.splat(2);
  for (let column = 0; column < columns; column += 2) {
    const a = v128.load(upper);
    const b = v128.load(lower);
    const above = i16x8.add(i8x16.swizzle(a, even), i8x16.swizzle(a, odd));
    const below = i16x8.add(i8x16.swizzle(b, even), i8x16.swizzle(b, odd));
    const mean = i16x8.shr_u(i16x8.add(i16x8.add(above, below), half), 2);
    v128.store64_lane(out, i8x16.narrow_i16x8_u(mean, mean), 0);
    upper += 12;
    lower += 12;
    out += 6;
  }
}
