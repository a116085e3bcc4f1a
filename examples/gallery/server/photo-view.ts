import type { PhotoRow } from './database/photos.js';
import type { FoundPhoto } from './database/search.js';

/** How far one task of a photo is. */
interface TaskView {
  readonly task: string;
  readonly state: 'waiting' | 'running' | 'done' | 'failed';
  readonly reason: string | null;
}

/** A photo as clients see it. */
export interface PhotoView {
  readonly id: number;
  readonly user_id: number;
  readonly url: string;
  readonly thumbnail_url: string;
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly created_at: Date;
  readonly caption: string;
  readonly text: string;
  readonly faces: number;
  readonly tasks: readonly TaskView[];
}

/** A photo as it was when it was read. Of two views of a photo the one that was read later has the larger number. */
export interface DatedView extends PhotoView {
  readonly as_of: number;
}

/** A photo that a search found. */
export interface HitView {
  readonly photo: PhotoView;
  readonly distance: number;
  readonly image_distance: number | null;
  readonly caption_distance: number | null;
}

/** `isRunning`: a runner in this process has its job in hand. */
export function viewPhoto(row: PhotoRow, isRunning: boolean): PhotoView {
  return {
    id: row.id,
    user_id: row.user_id,
    url: `/uploads/original/${row.file}`,
    thumbnail_url: `/uploads/thumbnail/${row.file}`,
    name: row.name,
    width: row.width,
    height: row.height,
    created_at: row.created_at,
    caption: textOf(row.ml_result['caption']),
    text: textOf(row.ml_result['ocr_text']),
    faces: row.faces,
    tasks: row.tasks.map(({ task, state, reason }) => ({
      task,
      state: isRunning && state === 'waiting' ? 'running' : state,
      reason,
    })),
  };
}

export function viewHit(found: FoundPhoto): HitView {
  const { distance, image_distance, caption_distance } = found;
  return { photo: viewPhoto(found, false), distance, image_distance, caption_distance };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
