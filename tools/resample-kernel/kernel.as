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

// The same channel of two neighbours next to each other (R0 R1, G0 G1, B0 B1 and then those of 2 and 3), as the pairwise
// sum wants them; the pixels begin at the lanes 0 and 4.
@inline function pairSums(row: usize): v128 {
  const pairs = i8x16(0, 3, 1, 4, 2, 5, -1, -1, 6, 9, 7, 10, 8, 11, -1, -1);
  return i16x8.extadd_pairwise_i8x16_u(i8x16.swizzle(v128.load(row), pairs));
}

@inline function roundQuarter(sums: v128): v128 {
  return i16x8.shr_u(i16x8.add(sums, i16x8.splat(2)), 2);
}

@inline function storeTwo(out: usize, pixels: v128): void {
  const bytes = i8x16.narrow_i16x8_u(pixels, pixels);
  const packed = i8x16.swizzle(bytes, i8x16(0, 1, 2, 4, 5, 6, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1));
  v128.store64_lane(out, packed, 0);
}

export function halve(rows: usize, rowBytes: usize, out: usize, columns: i32): void {
  for (let column = 0; column < columns; column += 2) {
    storeTwo(out, roundQuarter(i16x8.add(pairSums(rows), pairSums(rows + rowBytes))));
    rows += 12;
    out += 6;
  }
}

@inline function halveTwoByFour(rows: usize, rowBytes: usize): v128 {
  const lower = rows + 2 * rowBytes;
  const above = roundQuarter(i16x8.add(pairSums(rows), pairSums(rows + rowBytes)));
  const below = roundQuarter(i16x8.add(pairSums(lower), pairSums(lower + rowBytes)));
  return i16x8.add(above, below);
}

export function quarter(rows: usize, rowBytes: usize, out: usize, columns: i32): void {
  for (let column = 0; column < columns; column += 2) {
    const a = halveTwoByFour(rows, rowBytes);
    const b = halveTwoByFour(rows + 12, rowBytes);
    const left = v128.shuffle<i64>(a, b, 0, 2);
    const right = v128.shuffle<i64>(a, b, 1, 3);
    storeTwo(out, roundQuarter(i16x8.add(left, right)));
    rows += 24;
    out += 6;
  }
}

export function bilinear(
  upper: usize,
  lower: usize,
  out: usize,
  columns: i32,
  taps: usize,
  upperWeight: i32,
  lowerWeight: i32,
): void {
  const pairs = i8x16(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1);
  const upperFactor = i32x4.splat(upperWeight);
  const lowerFactor = i32x4.splat(lowerWeight);
  const half = i32x4.splat(2);
  for (let column = 0; column < columns; column++) {
    const start = <usize>load<u32>(taps);
    const weights = v128.load32_splat(taps, 4);
    const above = i32x4.dot_i16x8_s(i8x16.swizzle(v128.load64_zero(upper + start), pairs), weights);
    const below = i32x4.dot_i16x8_s(i8x16.swizzle(v128.load64_zero(lower + start), pairs), weights);
    // Shifted they fit 15 bits, so that `dot` multiplies: the upper half of each lane is zero.
    const a = i32x4.shr_u(i32x4.dot_i16x8_s(i32x4.shr_u(above, 4), upperFactor), 16);
    const b = i32x4.shr_u(i32x4.dot_i16x8_s(i32x4.shr_u(below, 4), lowerFactor), 16);
    const mixed = i32x4.shr_u(i32x4.add(i32x4.add(a, b), half), 2);
    const words = i16x8.narrow_i32x4_s(mixed, mixed);
    v128.store32_lane(out, i8x16.narrow_i16x8_u(words, words), 0);
    taps += 8;
    out += 3;
  }
}

@inline function scale(bytes: v128, places: v128, centre: v128, spread: v128): v128 {
  return f32x4.div(f32x4.sub(f32x4.convert_i32x4_u(i8x16.swizzle(bytes, places)), centre), spread);
}

export function planes(pixels: usize, red: usize, green: usize, blue: usize, count: i32, centre: f32, spread: f32): void {
  const redPlaces = i8x16(0, -1, -1, -1, 3, -1, -1, -1, 6, -1, -1, -1, 9, -1, -1, -1);
  const greenPlaces = i8x16(1, -1, -1, -1, 4, -1, -1, -1, 7, -1, -1, -1, 10, -1, -1, -1);
  const bluePlaces = i8x16(2, -1, -1, -1, 5, -1, -1, -1, 8, -1, -1, -1, 11, -1, -1, -1);
  const centres = f32x4.splat(centre);
  const spreads = f32x4.splat(spread);
  for (let i: usize = 0; i < <usize>count << 2; i += 16) {
    const four = v128.load(pixels);
    v128.store(red + i, scale(four, redPlaces, centres, spreads));
    v128.store(green + i, scale(four, greenPlaces, centres, spreads));
    v128.store(blue + i, scale(four, bluePlaces, centres, spreads));
    pixels += 12;
  }
}
