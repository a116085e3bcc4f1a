import type { QueueDepth } from 'clip-runner';
import type { DatedView } from './photo-view.js';
import type { JobKind } from './queues/job-queues.js';

/** What the page of a user is told while it is open. */
export type GalleryEvent =
  | { readonly type: 'photo'; readonly photo: DatedView }
  | { readonly type: 'photo:removed'; readonly id: number }
  | { readonly type: 'people' }
  | { readonly type: 'queue'; readonly depths: Readonly<Record<JobKind, QueueDepth>> };

type Listener = (event: GalleryEvent) => void;

/** Brings events to the pages that are open. Nothing is kept for those that are not. */
export class EventHub {
  readonly #listeners = new Map<number, Set<Listener>>();

  /** How many pages of a user listen. */
  count(userId: number): number {
    return this.#listeners.get(userId)?.size ?? 0;
  }

  /** Answers a function that ends the subscription. */
  subscribe(userId: number, listener: Listener): () => void {
    const listeners = this.#listeners.get(userId) ?? new Set();
    this.#listeners.set(userId, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#listeners.delete(userId);
    };
  }

  publish(userId: number, event: GalleryEvent): void {
    for (const listener of this.#listeners.get(userId) ?? []) listener(event);
  }

  publishToAll(event: GalleryEvent): void {
    for (const userId of this.#listeners.keys()) this.publish(userId, event);
  }
}
