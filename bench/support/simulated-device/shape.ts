/** What is simulated. It reaches the threads in the URL of the task's module. */
export interface Shape {
  /** What a run takes whatever its batch (a), in milliseconds. */
  readonly fixedMs: number;
  /** What it takes more for each photo (b), in milliseconds. */
  readonly itemMs: number;
  /** What one photo takes in a decoder, in milliseconds. */
  readonly decodeMs: number;
  /** Decoders of one thread that work side by side. */
  readonly decoders: number;
}

export function readShape(url: string): Shape {
  const { searchParams } = new URL(url);
  const read = (name: string): number => Number(searchParams.get(name));
  return {
    fixedMs: read('fixedMs'),
    itemMs: read('itemMs'),
    decodeMs: read('decodeMs'),
    decoders: read('decoders'),
  };
}
