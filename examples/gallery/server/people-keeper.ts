import { clusterFaces, type FaceEmbedding } from 'clip-runner';
import type { Database } from './database/database.js';
import { facesOfUser, type FaceToGroup } from './database/faces.js';
import { savePeople, type PersonFaces } from './database/people.js';
import type { EventHub } from './event-hub.js';

/** Faces come in one photo after the other; grouping waits until they pause. */
const PAUSE_MS = 300;

export interface PeopleKeeperOptions {
  readonly database: Database;
  readonly hub: EventHub;
  /** Label of the model whose faces are grouped. */
  readonly model: string;
}

/** Puts the faces of each user's photos together, again whenever faces have changed. */
export class PeopleKeeper {
  readonly #options: PeopleKeeperOptions;
  readonly #timers = new Map<number, NodeJS.Timeout>();
  /** Groupings go one after the other. */
  #work: Promise<void> = Promise.resolve();

  constructor(options: PeopleKeeperOptions) {
    this.#options = options;
  }

  /** The user's faces have changed. */
  schedule(userId: number): void {
    clearTimeout(this.#timers.get(userId));
    this.#timers.set(
      userId,
      setTimeout(() => this.#begin(userId), PAUSE_MS),
    );
  }

  /** Groups at once whatever is scheduled, and waits for it. */
  async settle(): Promise<void> {
    for (const userId of [...this.#timers.keys()]) this.#begin(userId);
    await this.#work;
  }

  #begin(userId: number): void {
    clearTimeout(this.#timers.get(userId));
    this.#timers.delete(userId);
    this.#work = this.#work.then(() => this.#group(userId)).catch(warn);
  }

  async #group(userId: number): Promise<void> {
    const { database, hub, model } = this.#options;
    const faces = await facesOfUser(database, userId, model);
    const clusters = await clusterFaces(toEmbeddings(faces), { method: 'linkage' });
    await savePeople(
      database,
      userId,
      model,
      matchPeople(clusters.map(({ members }) => members.flatMap((member) => faces[member] ?? []))),
    );
    hub.publish(userId, { type: 'people' });
  }
}

function toEmbeddings(faces: readonly FaceToGroup[]): readonly FaceEmbedding[] {
  return faces.map(({ id, photoId, embedding }) => ({ photoId, faceIndex: id, embedding }));
}

/** Each group gets the person whom most of its faces belonged to; each person keeps the group with most of their faces. */
function matchPeople(groups: readonly (readonly FaceToGroup[])[]): readonly PersonFaces[] {
  const claims = groups.flatMap((faces, group) =>
    [...countBy(faces.flatMap(({ personId }) => personId ?? []))].map(([personId, votes]) => ({
      group,
      personId,
      votes,
    })),
  );
  claims.sort((one, other) => other.votes - one.votes || one.personId - other.personId);
  const personOf = new Map<number, number>();
  const taken = new Set<number>();
  for (const { group, personId } of claims) {
    if (personOf.has(group) || taken.has(personId)) continue;
    personOf.set(group, personId);
    taken.add(personId);
  }
  return groups.map((faces, group) => ({ personId: personOf.get(group), faceIds: faces.map(({ id }) => id) }));
}

function countBy(values: readonly number[]): ReadonlyMap<number, number> {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

function warn(thrown: unknown): void {
  process.emitWarning(thrown instanceof Error ? thrown : String(thrown), { code: 'GALLERY_PEOPLE' });
}
