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
  /** The oldest photo that a page of them ended with. */
  #oldest;
  #removed = new Set();

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

  /** Takes a view of a photo; answers the newest there is. */
  put(photo) {
    const isNew = !this.photos.has(photo.id);
    if (!this.#keep(photo)) return this.photos.get(photo.id) ?? photo;
    this.tell('photo', photo);
    if (isNew) this.tell('photos');
    return photo;
  }

  /** Answers and events come in any order: what is older than what is known is no news. */
  #keep(photo) {
    if (this.#removed.has(photo.id) || this.photos.get(photo.id)?.as_of > photo.as_of) return false;
    this.photos.set(photo.id, photo);
    return true;
  }

  remove(id) {
    this.#removed.add(id);
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
    this.#oldest = undefined;
    await this.loadMore();
  }

  async #load() {
    if (!this.hasMore) return;
    // An event may have brought a photo that is older still, and there are others between.
    const before = this.#oldest === undefined ? '' : `&before=${this.#oldest}`;
    const page = await call(`/api/photos?limit=${PAGE}${before}`);
    this.hasMore = page.length === PAGE;
    this.#oldest = page.at(-1)?.id;
    for (const photo of page) this.#keep(photo);
    this.tell('photos');
  }
}

export const store = new Store();
