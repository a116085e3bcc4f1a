import type { Database } from './database/database.js';
import { PHOTO_COLUMNS, type PhotoRow } from './database/photos.js';
import type { EventHub } from './event-hub.js';
import { viewPhoto, type DatedView, type PhotoView } from './photo-view.js';

/** Knows which photos a runner of this process has in hand, and tells the pages of a photo's owner what became of it. */
export class PhotoNews {
  readonly #database: Database;
  readonly #hub: EventHub;
  readonly #running = new Set<number>();
  #reads = 0;

  constructor(database: Database, hub: EventHub) {
    this.#database = database;
    this.#hub = hub;
  }

  view(row: PhotoRow): PhotoView {
    return viewPhoto(row, this.#running.has(row.id));
  }

  /**
   * Reads photos for a page that keeps them. Answers and events reach it in any order, so each view says when its reading began:
   * a change that is told of after it was made is in every view of a larger number.
   */
  async read(rows: () => Promise<readonly PhotoRow[]>): Promise<readonly DatedView[]> {
    const asOf = ++this.#reads;
    return (await rows()).map((row) => ({ ...this.view(row), as_of: asOf }));
  }

  /** A runner of this process took the photo's job, or has laid it down. */
  setRunning(photoId: number, isRunning: boolean): void {
    if (isRunning) this.#running.add(photoId);
    else this.#running.delete(photoId);
    this.tell(photoId);
  }

  /** Something about the photo has changed. Nobody waits for the page to know. */
  tell(photoId: number): void {
    void this.#tell(photoId).catch(() => undefined);
  }

  async #tell(photoId: number): Promise<void> {
    const query = `SELECT ${PHOTO_COLUMNS} FROM photos p WHERE p.id = $1`;
    const [photo] = await this.read(() => this.#database.query<PhotoRow>(query, [photoId]));
    if (photo !== undefined) this.#hub.publish(photo.user_id, { type: 'photo', photo });
  }
}
