/** `ok`: fine. `note`: works, but could be better. `problem`: something would fail. */
type FindingStatus = 'ok' | 'note' | 'problem';

/** What the doctor has found out about one thing. */
export interface Finding {
  /** What it is about, e.g. `redis`. */
  readonly area: Area;
  readonly status: FindingStatus;
  /** One sentence. */
  readonly summary: string;
  /** What to do; each problem has one. */
  readonly remedy?: string;
  /** The numbers behind it, for machines. */
  readonly facts?: Readonly<Record<string, unknown>>;
}

export type Area = 'folders' | 'threads' | 'redis' | 'models' | 'devices' | 'speed' | 'tuning';

export function ok(area: Area, summary: string, facts?: Finding['facts']): Finding {
  return { area, status: 'ok', summary, ...(facts && { facts }) };
}

export function note(area: Area, summary: string, remedy: string, facts?: Finding['facts']): Finding {
  return { area, status: 'note', summary, remedy, ...(facts && { facts }) };
}

export function problem(area: Area, summary: string, remedy: string, facts?: Finding['facts']): Finding {
  return { area, status: 'problem', summary, remedy, ...(facts && { facts }) };
}

const MARKS = { ok: 'ok', note: 'note', problem: 'PROBLEM' } as const;

/** The findings for people: a line each, what to do below it. */
export function findingLines(findings: readonly Finding[]): readonly string[] {
  return findings.flatMap(({ area, status, summary, remedy }) => [
    `${MARKS[status].padEnd(8)} ${area.padEnd(8)} ${summary}`,
    ...(remedy === undefined ? [] : [`${' '.repeat(18)}-> ${remedy}`]),
  ]);
}
