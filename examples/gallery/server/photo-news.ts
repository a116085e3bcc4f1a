import { oneRow, type Database } from './database/database.js';
import { PHOTO_COLUMNS, type PhotoRow } from './database/photos.js';
import type { EventHub } from './event-hub.js';
import { viewPhoto, type PhotoView } from './photo-view.js';

/** Knows which photos a runner of this process has in hand, and tells the pages of a photo's owner what became of it. */
export class PhotoNews {
  readonly #database: Database;
  readonly #hub: EventHub;
  readonly #running = new Set<number>();

  constructor(database: Database, hub: EventHub) {
    this.#database = database;
    this.#hub = hub;
  }

  view(row: PhotoRow): PhotoView {
    return viewPhoto(row, this.#running.has(row.id));
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
    const row = await oneRow<PhotoRow>(this.#database, `SELECT ${PHOTO_COLUMNS} FROM photos p WHERE p.id = $1`, [
      photoId,
    ]);
    if (row !== undefined && this.#hub.count(row.user_id) > 0)
      this.#hub.publish(row.user_id, { type: 'photo', photo: this.view(row) });
  }
}
