/** Bounds what is held at a time, by number and by bytes; one taker at a time waits for room. */
export class Room {
  readonly #maxItems: number;
  readonly #maxBytes: number;
  #items = 0;
  #bytes = 0;
  #wake: () => void = () => undefined;

  constructor(maxItems: number, maxBytes: number) {
    this.#maxItems = maxItems;
    this.#maxBytes = maxBytes;
  }

  /** Resolves when one more may be held; its bytes may still exceed the bound once. */
  async whenFree(): Promise<void> {
    while (this.#items >= this.#maxItems || this.#bytes >= this.#maxBytes) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Holds bytes until the work with them has ended, however it does. */
  hold(bytes: number, work: Promise<unknown>): void {
    this.#items += 1;
    this.#bytes += bytes;
    const release = (): void => {
      this.#items -= 1;
      this.#bytes -= bytes;
      this.#wake();
    };
    work.then(release, release);
  }
}
