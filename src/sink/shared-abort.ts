/**
 * Many waits on one AbortSignal with one listener: hundreds of deliveries share the runner's signal, and Node.js warns of
 * a leak from the eleventh listener on.
 */
export class SharedAbort {
  readonly #watched = new Map<AbortSignal, Watch>();

  /** Calls back once when the signal aborts, which it must not have done yet; the answer ends the watch. */
  watch(signal: AbortSignal, onAbort: () => void): () => void {
    const watch = this.#watched.get(signal) ?? this.#listen(signal);
    watch.callbacks.add(onAbort);
    return () => {
      watch.callbacks.delete(onAbort);
      if (watch.callbacks.size > 0) return;
      signal.removeEventListener('abort', watch.listener);
      this.#watched.delete(signal);
    };
  }

  #listen(signal: AbortSignal): Watch {
    const callbacks = new Set<() => void>();
    // A copy, because each callback ends its own watch.
    const listener = (): void => [...callbacks].forEach((onAbort) => onAbort());
    const watch = { callbacks, listener };
    this.#watched.set(signal, watch);
    signal.addEventListener('abort', listener, { once: true });
    return watch;
  }
}

interface Watch {
  readonly callbacks: Set<() => void>;
  readonly listener: () => void;
}
