/**
 * Typed arrays that came from another process are windows on the bytes of a whole message. Answers the value with arrays
 * that have a buffer of their own: so that nobody who takes `vector.buffer` gets his neighbour's numbers, and a vector of
 * 3 KB does not keep a message of a megabyte alive.
 */
export function withOwnBuffers(value: unknown): unknown {
  if (ArrayBuffer.isView(value)) return ownBuffer(value);
  if (Array.isArray(value)) return value.map(withOwnBuffers);
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, withOwnBuffers(entry)]));
}

function ownBuffer(view: ArrayBufferView): ArrayBufferView {
  const { buffer, byteOffset, byteLength } = view;
  if (buffer.byteLength === byteLength) return view;
  const own = buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer;
  if (Buffer.isBuffer(view)) return Buffer.from(own);
  return new (view.constructor as new (buffer: ArrayBuffer) => ArrayBufferView)(own);
}
