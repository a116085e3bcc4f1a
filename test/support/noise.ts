/** RGB noise of a linear congruential generator; `tools/noise.py` makes the same. */
export function noise(width: number, height: number): { width: number; height: number; data: Uint8Array } {
  let state = 12345;
  const data = Uint8Array.from({ length: width * height * 3 }, () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state >> 16) & 0xff;
  });
  return { width, height, data };
}
