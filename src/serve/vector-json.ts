/**
 * A vector as a JSON list. Nine significant digits tell every 32-bit number from every other, so a reader that rounds to
 * 32 bits has the vector as the model gave it; all digits of the 64-bit number would be half as long again.
 */
export function vectorJson(vector: Float32Array): string {
  let json = '';
  for (const number of vector) json += (json === '' ? '' : ',') + number.toPrecision(9);
  return `[${json}]`;
}
