import { coerceError } from '../../errors.js';
import type { FaceModel } from '../../model.js';
import { isForNoCommerce } from '../../licence.js';
import { resolveFaceModel } from '../../models/resolve-face.js';
import type { Patience } from '../ask-again.js';
import type { Gallery } from '../gallery-access.js';
import { logDownloads, logLicence } from '../log-events.js';
import { print, say } from '../models/table.js';
import type { AlbumRecord } from './album-book.js';
import { faceIdentity } from './face-detector.js';
import { listPhotos } from './gallery-photos.js';
import { groupPeople, type Person } from './group-people.js';
import { makeAlbums, planAlbums, type MadeAlbums } from './make-albums.js';
import { compareAlbums, matchPeople, renewRecord } from './match-albums.js';
import { noticeLines, outcomeAsJson, outcomeLines, type Outcome } from './outcome.js';
import type { PeoplePlan, PeopleTools } from './plan.js';
import { scanWithProgress } from './scan-progress.js';

/**
 * The whole way from the gallery's list of photos to its albums; answers the exit code. The server is asked before any
 * model is looked for.
 */
export async function runPlan(plan: PeoplePlan, tools: PeopleTools): Promise<number> {
  const { access, timeoutMs, options, grouping, book } = plan;
  const { detector, log, signal } = tools;
  const ask = (...signals: readonly AbortSignal[]): Gallery => {
    return { ...access, signal: AbortSignal.any([AbortSignal.timeout(timeoutMs), ...signals]) };
  };
  const patience: Patience = {
    signal,
    onWait: (waitMs, { code, message }) =>
      log.warn({ waitMs: Math.round(waitMs), code }, `will be tried again: ${message}`),
  };
  const list = await listPhotos(() => ask(signal), patience);
  const photos = plan.maxPhotos === 0 ? list.photos : list.photos.slice(0, plan.maxPhotos);
  log.info({ listed: list.photos.length, taken: photos.length }, 'photos listed');

  const identity = await faceIdentity(await findModel(plan, tools), options);
  const scan = await scanWithProgress(photos, identity, plan, tools);
  await detector.stop();
  const people = await groupPeople(scan.found, { ...grouping, signal });
  log.info({ faces: scan.counts.faces, people: people.length }, 'faces grouped');

  const [known, doubtful] = [ofState(book.albums, 'made'), ofState(book.albums, 'pending')];
  const matched = matchPeople(people, known, scan.found, identity);
  const strangers = matched.filter(({ albums }) => albums.length === 0).map(({ person }) => person);
  const plans = planAlbums(strangers, known, grouping.threshold);
  const unread = new Set(scan.problems.map(({ photo }) => photo.key));
  const seenPhotos = new Set(photos.map(({ key }) => key).filter((key) => !unread.has(key)));
  const changes = compareAlbums(matched, known, seenPhotos);
  const counts = { ...scan.counts, listed: list.photos.length, decoded: detector.decoded };
  const findings = { counts, unusable: list.unusable, problems: scan.problems, plans, changes, doubtful };
  await report(plan, people, findings, tools);

  let made: MadeAlbums | undefined;
  if (!plan.isDryRun) {
    signal.throwIfAborted();
    await book.save(changes.map((change) => renewRecord(change, scan.found, identity)));
    made = await makeAlbums(plans, { book, identity, ask, patience });
  }
  return tell({ ...findings, made }, plan.isJson);
}

/** A page that can't be written is no reason to make no albums. */
async function report(
  plan: PeoplePlan,
  people: readonly Person[],
  findings: Omit<Outcome, 'made'>,
  { log, signal }: PeopleTools,
): Promise<void> {
  const { reportFile } = plan;
  if (reportFile === undefined) return;
  try {
    // Brings the decoders along, which nothing else in this thread needs.
    const { writeReport } = await import('./write-report.js');
    await writeReport(reportFile, people, findings, { plan, signal });
  } catch (thrown) {
    signal.throwIfAborted();
    log.warn({ file: reportFile }, `the page can't be written (--report): ${coerceError(thrown).message}`);
  }
}

function ofState(albums: readonly AlbumRecord[], wanted: AlbumRecord['state']): readonly AlbumRecord[] {
  return albums.filter(({ state }) => state === wanted);
}

async function findModel({ options }: PeoplePlan, { log, signal }: PeopleTools): Promise<FaceModel> {
  const { faceModel: label, hub } = options;
  const tell = logDownloads(log);
  const onProgress = (progress: { file: string; receivedBytes: number; totalBytes: number }): void =>
    tell({ label, ...progress });
  const model = await resolveFaceModel(label, { ...hub, signal, onProgress });
  const { name, licence } = model;
  if (isForNoCommerce(licence)) logLicence({ label, name, licence }, log);
  return model;
}

/** Results go to stdout, what somebody should know besides to stderr. Answers the exit code. */
function tell(outcome: Outcome, isJson: boolean): number {
  const { counts, problems, made } = outcome;
  for (const line of noticeLines(outcome)) say(line);
  if (isJson) process.stdout.write(outcomeAsJson(outcome));
  else print(outcomeLines(outcome));
  const isBlind = counts.done > 0 && problems.length === counts.done;
  if (isBlind)
    say('No photo could be read: check PROJECT_ROOT (or UPLOAD_BASE_DIR), the folder that addresses begin in.');
  const isIncomplete = made !== undefined && made.refused.length + made.left.length > 0;
  return isBlind || isIncomplete ? 1 : 0;
}
