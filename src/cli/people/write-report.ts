import { writeWhole } from '../../whole-file.js';
import type { Person } from './group-people.js';
import { describeChange, photosLine, type Outcome } from './outcome.js';
import type { PeoplePlan } from './plan.js';
import { chooseFaces, renderReport, type ReportedPerson } from './report.js';
import { makeThumbnails } from './thumbnails.js';

/** Writes the page for looking before albums are made. */
export async function writeReport(
  file: string,
  people: readonly Person[],
  findings: Omit<Outcome, 'made'>,
  { plan, signal }: { readonly plan: PeoplePlan; readonly signal: AbortSignal },
): Promise<void> {
  const { roots, maxFileBytes } = plan.options;
  const chosen = chooseFaces(people);
  const faces = [...chosen.values()].flat();
  const thumbnails = await makeThumbnails(faces, { roots, maxFileBytes, decode: plan.options, signal });
  const { method, threshold, minFaces } = plan.grouping;
  const summary = [
    photosLine(findings),
    `Method ${method}, distance ${threshold}; people with fewer than ${minFaces} faces are left out.`,
  ];
  const page = renderReport(
    { people: people.map((person) => describe(person, findings)), summary },
    chosen,
    thumbnails,
  );
  // Faces are for the user's own eyes.
  await writeWhole(file, page, 0o600);
}

function describe(person: Person, { plans, changes }: Omit<Outcome, 'made'>): ReportedPerson {
  const plan = plans.find((candidate) => candidate.person === person);
  if (plan !== undefined) return { person, name: plan.name, status: 'No album yet.' };
  const change = changes.find((candidate) => candidate.people.includes(person));
  if (change === undefined) return { person, name: '?', status: '' };
  return { person, name: change.album.name, status: `Album: ${describeChange(change)}.` };
}
