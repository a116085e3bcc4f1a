import type { ResolvedOptions } from '../../options.js';
import type { Gallery } from '../gallery-access.js';
import type { Log } from '../log.js';
import type { Terminal } from '../terminal.js';
import type { AlbumBook } from './album-book.js';
import type { FaceDetector } from './face-detector.js';
import type { GroupOptions } from './group-people.js';

/** What a run of `clip-runner people` is to do. */
export interface PeoplePlan {
  readonly access: Omit<Gallery, 'signal'>;
  /** For each answer of the server. */
  readonly timeoutMs: number;
  readonly options: ResolvedOptions;
  readonly grouping: Omit<GroupOptions, 'signal'>;
  /** Of more photos the newest are taken; 0: all. */
  readonly maxPhotos: number;
  readonly book: AlbumBook;
  readonly cacheFolder: string | undefined;
  readonly reportFile: string | undefined;
  readonly isDryRun: boolean;
  readonly isJson: boolean;
}

/** What it does that with. */
export interface PeopleTools {
  readonly detector: FaceDetector;
  readonly log: Log;
  readonly terminal: Terminal;
  /** Ends the run. */
  readonly signal: AbortSignal;
}
