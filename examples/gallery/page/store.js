import { call } from './api.js';

const PAGE = 200;

/** What the page knows: the session, the photos, how long the queues are. Views listen to changes. */
class Store extends EventTarget {
  session;
  depths;
  isConnected = true;
  /** By id. */
  photos = new Map();
  hasMore = true;
  #loading;

  /** `kind`: `photos`, `photo` (its detail is one), `people`, `queue`, `connection`. */
  tell(kind, detail) {
    this.dispatchEvent(new CustomEvent(kind, { detail }));
  }

  /** Ends when `signal` does. */
  listen(kind, signal, listener) {
    this.addEventListener(kind, ({ detail }) => listener(detail), { signal });
  }

  /** Newest first. */
  get newestFirst() {
    return [...this.photos.values()].sort((a, b) => b.id - a.id);
  }

  put(photo) {
    const isNew = !this.photos.has(photo.id);
    this.photos.set(photo.id, photo);
    this.tell('photo', photo);
    if (isNew) this.tell('photos');
  }

  remove(id) {
    if (this.photos.delete(id)) this.tell('photos');
  }

  /** The next page of older photos. */
  loadMore() {
    this.#loading ??= this.#load().finally(() => (this.#loading = undefined));
    return this.#loading;
  }

  /** Starts over: what happened while there was no connection is not known. */
  async reload() {
    await this.#loading;
    this.photos.clear();
    this.hasMore = true;
    await this.loadMore();
  }

  async #load() {
    if (!this.hasMore) return;
    const oldest = Math.min(...this.photos.keys());
    const before = Number.isFinite(oldest) ? `&before=${oldest}` : '';
    const page = await call(`/api/photos?limit=${PAGE}${before}`);
    this.hasMore = page.length === PAGE;
    for (const photo of page) this.photos.set(photo.id, photo);
    this.tell('photos');
  }
}

export const store = new Store();
