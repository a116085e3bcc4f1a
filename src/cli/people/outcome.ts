import type { ScanCounts, PhotoProblem } from './scan-photos.js';
import type { AlbumRecord } from './album-book.js';
import type { MadeAlbums, AlbumPlan } from './make-albums.js';
import type { AlbumChange } from './match-albums.js';
import { tableLines } from '../models/table.js';
import { escapeControls } from '../escape-controls.js';

/** Photos that are named one by one, of each kind of problem. */
const MAX_NAMED = 20;

/** What a run of the command came to. */
export interface Outcome {
  readonly counts: ScanCounts & { readonly listed: number; readonly decoded: number };
  readonly unusable: ReadonlyMap<string, number>;
  readonly problems: readonly PhotoProblem[];
  readonly plans: readonly AlbumPlan[];
  /** Undefined in a dry run. */
  readonly made: MadeAlbums | undefined;
  readonly changes: readonly AlbumChange[];
  /** Albums that a run before asked for without hearing what became of it. */
  readonly doubtful: readonly AlbumRecord[];
}

/** What became of an album that was to be made. */
function fateOf(plan: AlbumPlan, made: MadeAlbums | undefined): string {
  if (made === undefined) return 'new: would be made';
  const done = made.made.find((entry) => entry.plan === plan);
  if (done !== undefined) return done.id === null ? 'made' : `made (id ${done.id})`;
  const refused = made.refused.find((entry) => entry.plan === plan);
  return refused === undefined ? 'not made yet: run again' : `not made: ${refused.error.message}`;
}

/** What is new about an album of a former run, in words. */
export function describeChange({ people, missing, surplus, twins }: AlbumChange): string {
  const list = (keys: readonly string[]): string =>
    keys.slice(0, MAX_NAMED).join(', ') + (keys.length > MAX_NAMED ? ', …' : '');
  const parts = [
    ...(people.length > 1 ? [`fell apart into ${people.length} groups`] : []),
    ...(twins.length > 0 ? [`the same person as ${twins.map(({ name }) => name).join(', ')}`] : []),
    ...(missing.length > 0 ? [`add ${missing.length} photos by hand: ${list(missing)}`] : []),
    ...(surplus.length > 0 ? [`${surplus.length} photos are no longer of this person: ${list(surplus)}`] : []),
  ];
  return parts.length === 0 ? 'there already, as it was' : `there already; ${parts.join('; ')}`;
}

/** The result for people: a line per album. */
export function outcomeLines(outcome: Outcome): readonly string[] {
  const { plans, made, changes } = outcome;
  const rows = [
    ...plans.map((plan) => {
      const { name, person } = plan;
      return [name, String(person.faces.length), String(person.photos.length), fateOf(plan, made)];
    }),
    ...changes.map((change) => {
      const { album, people } = change;
      const faces = people.reduce((sum, person) => sum + person.faces.length, 0);
      const photos = new Set(people.flatMap((person) => person.photos.map(({ key }) => key))).size;
      const words =
        people.length > 0 || isTwin(change, changes) ? describeChange(change) : 'there already; not among these photos';
      return [album.name, String(faces), String(photos), words];
    }),
  ];
  if (rows.length === 0) return [];
  return tableLines(['album', 'faces', 'photos', ''], rows).map(escapeControls);
}

/** The photos in figures. */
export function photosLine({ counts }: Pick<Outcome, 'counts'>): string {
  const { done, listed, faces, cached, missing, failed } = counts;
  return `${done} of ${listed} photos: ${faces} faces, ${cached} from the cache, ${missing} missing, ${failed} failed.`;
}

/** What somebody should know besides: for stderr. */
export function noticeLines(outcome: Outcome): readonly string[] {
  const { unusable, problems, doubtful } = outcome;
  const missing = problems.filter(({ error }) => error.code === 'FILE_NOT_FOUND');
  const failed = problems.filter(({ error }) => error.code !== 'FILE_NOT_FOUND');
  return [
    photosLine(outcome),
    ...[...unusable].map(([why, count]) => `${count} entries of the list were passed over: ${why}`),
    ...doubtful.map(
      ({ name }) => `${name} may be in the gallery twice: a run before asked for it and got no answer; look there`,
    ),
    ...named(missing, 'missing', ({ path }) => path),
    ...named(failed, 'failed', ({ path, error }) => `${path}: ${error.code}: ${error.message}`),
  ].map(escapeControls);
}

/** The result as JSON in one line. */
export function outcomeAsJson(outcome: Outcome): string {
  const { counts, unusable, problems, plans, made, changes, doubtful } = outcome;
  const planned = (plan: AlbumPlan): object => ({
    name: plan.name,
    faces: plan.person.faces.length,
    photo_ids: plan.person.photos.map(({ id }) => id),
  });
  const facts = {
    photos: counts,
    unusable: Object.fromEntries(unusable),
    problems: problems.map(({ photo, path, error }) => {
      return { id: photo.id, path, code: error.code, message: error.message };
    }),
    dryRun: made === undefined,
    planned: made === undefined ? plans.map(planned) : [],
    made: made?.made.map(({ plan, id }) => ({ ...planned(plan), id })) ?? [],
    refused:
      made?.refused.map(({ plan, error }) => ({ ...planned(plan), code: error.code, message: error.message })) ?? [],
    left: made?.left.map(planned) ?? [],
    there: changes.map(({ album, people, missing, surplus, twins }) => ({
      name: album.name,
      id: album.id,
      groups: people.length,
      missing,
      surplus,
      same: twins.map(({ name }) => name),
    })),
    doubtful: doubtful.map(({ name }) => name),
  };
  return `${escapeControls(JSON.stringify(facts))}\n`;
}

function named(
  problems: readonly PhotoProblem[],
  word: string,
  describe: (problem: PhotoProblem) => string,
): readonly string[] {
  const rest = problems.length - MAX_NAMED;
  return [
    ...problems.slice(0, MAX_NAMED).map((problem) => `${word}: photo ${problem.photo.key}: ${describe(problem)}`),
    ...(rest > 0 ? [`${word}: … and ${rest} more (--json names them all)`] : []),
  ];
}

function isTwin({ album }: AlbumChange, changes: readonly AlbumChange[]): boolean {
  return changes.some(({ twins }) => twins.includes(album));
}
