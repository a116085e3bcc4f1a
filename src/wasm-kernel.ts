/** A memory that a kernel works on. */
interface GrowingMemory {
  /** Makes sure that there are at least `bytes` bytes and returns the memory; views of an earlier answer are dead. */
  reserve(bytes: number): ArrayBuffer;
}

/** The unit in which WebAssembly's memories grow. */
export const PAGE_BYTES = 65_536;

/**
 * Loads a kernel: its functions (the caller knows which), with the memory that they work on, which the module imports as
 * `env.memory`. Undefined where the engine or the processor lacks what it uses, such as 128-bit SIMD.
 */
export function loadWasmKernel(base64: string): GrowingMemory | undefined {
  const { WebAssembly: wasm } = globalThis as { WebAssembly?: WebAssemblyApi };
  const binary = Buffer.from(base64, 'base64');
  if (wasm?.validate(binary) !== true) return undefined;
  const memory = new wasm.Memory({ initial: 1 });
  const { exports } = new wasm.Instance(new wasm.Module(binary), { env: { memory } });
  return {
    ...exports,
    reserve(bytes) {
      const missing = bytes - memory.buffer.byteLength;
      if (missing > 0) memory.grow(Math.ceil(missing / PAGE_BYTES));
      return memory.buffer;
    },
  };
}

/** As much of the WebAssembly interface as is used here; the Node.js types leave it to those of browsers. */
interface WebAssemblyApi {
  validate(binary: Uint8Array): boolean;
  readonly Memory: new (limits: { initial: number }) => { readonly buffer: ArrayBuffer; grow(pages: number): number };
  readonly Module: new (binary: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
}
