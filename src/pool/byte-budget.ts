/**
 * Lends bytes of a total. Who asks for more than is left waits, first come, first served; who asks for more than the
 * total gets all of it, once nobody else holds any.
 */
export class ByteBudget {
  readonly #totalBytes: number;
  readonly #waiting: { readonly bytes: number; readonly go: () => void }[] = [];
  #freeBytes: number;

  constructor(totalBytes: number) {
    this.#totalBytes = totalBytes;
    this.#freeBytes = totalBytes;
  }

  /** Resolves with what gives the bytes back. Who holds some must not ask for more: two of them could wait for each other. */
  async take(wantedBytes: number): Promise<() => void> {
    const bytes = Math.min(wantedBytes, this.#totalBytes);
    if (this.#waiting.length > 0 || bytes > this.#freeBytes) {
      await new Promise<void>((go) => this.#waiting.push({ bytes, go }));
    } else {
      this.#freeBytes -= bytes;
    }
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#giveBack(bytes);
    };
  }

  #giveBack(bytes: number): void {
    this.#freeBytes += bytes;
    for (let next = this.#waiting[0]; next !== undefined && next.bytes <= this.#freeBytes; next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#freeBytes -= next.bytes;
      next.go();
    }
  }
}
