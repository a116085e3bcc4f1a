import type { Database } from './database/database.js';
import type { EventHub } from './event-hub.js';
import type { JobFeeder } from './job-feeder.js';
import type { PeopleKeeper } from './people-keeper.js';
import type { PhotoFiles } from './photo-files.js';
import type { PhotoNews } from './photo-news.js';
import type { QueueWatch } from './queue-watch.js';
import type { JobQueues } from './queues/job-queues.js';
import type { Sessions } from './sessions.js';
import type { GallerySettings } from './settings.js';
import type { TextAnswers } from './text-answers.js';

/** What routes work with. */
export interface GalleryParts {
  readonly settings: GallerySettings;
  readonly database: Database;
  readonly files: PhotoFiles;
  readonly queues: JobQueues;
  readonly hub: EventHub;
  readonly news: PhotoNews;
  readonly sessions: Sessions;
  readonly watch: QueueWatch;
  readonly feeder: JobFeeder;
  readonly people: PeopleKeeper;
  readonly texts: TextAnswers;
}
