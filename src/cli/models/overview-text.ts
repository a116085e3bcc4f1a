import { DOUBTFUL_LICENCE, INSIGHTFACE_LICENCE } from '../../licence.js';
import { resolveHubOptions, type HubOptions } from '../../models/hub-options.js';
import { MODEL_KINDS, type ModelKindName, type ModelSide, type ModelVariant } from '../../models/model-kinds.js';
import type { ModelRow, UnreadableFolder } from './overview.js';
import { sizeText, tableLines } from './table.js';

/** The rows for people. */
export function overviewLines(rows: readonly ModelRow[]): readonly string[] {
  return tableLines(
    ['MODEL', 'KIND', 'LABEL', 'FILES', 'SIZE', 'LICENCE', 'COMMIT', 'WHERE'],
    rows.map((row) => [
      row.name,
      row.kind,
      row.labels.join(', ') || '-',
      row.variants.map((variant) => variantText(row.kind, variant)).join(', ') || '-',
      row.sizeBytes === 0 ? '-' : sizeText(row.sizeBytes),
      licenceText(row.licence),
      row.commit?.slice(0, 7) ?? '-',
      [row.folder, ...notes(row)].join('; '),
    ]),
  );
}

export const SIDE_WORDS: Readonly<Record<ModelSide, string>> = {
  vision: 'pictures',
  text: 'texts',
  detection: 'detector',
  recognition: 'recogniser',
  caption: 'captions',
};

function variantText(kind: ModelKindName, { dtype, sides }: ModelVariant): string {
  const isWhole = sides.length === MODEL_KINDS[kind].sides.length;
  return isWhole ? dtype : `${dtype} (${sides.map((side) => SIDE_WORDS[side]).join()} only)`;
}

/** What a licence that is no SPDX one means for the user. */
function licenceText(licence = 'unknown'): string {
  if (licence === DOUBTFUL_LICENCE) return 'may be non-commercial research only';
  return licence === INSIGHTFACE_LICENCE ? 'non-commercial research only' : licence;
}

function notes({ partialBytes, olderCommits, missing }: ModelRow): readonly string[] {
  return [
    ...(missing === undefined ? [] : [`MISSING: ${missing}`]),
    ...(partialBytes > 0 ? [`${sizeText(partialBytes)} of an unfinished download`] : []),
    ...(olderCommits > 0 ? [`${olderCommits} older commit${olderCommits > 1 ? 's' : ''}`] : []),
  ];
}

/** The folders that can't be read, for people. */
export function unreadableLines(folders: readonly UnreadableFolder[]): readonly string[] {
  return folders.map(({ folder, reason }) => `can't be read, left out: ${folder} (${reason})`);
}

/** Where models come from and where they lie; the token is never shown. */
export function hubLines(hub: HubOptions): readonly string[] {
  const { cacheDir, endpoint, offline } = resolveHubOptions(hub);
  return [`cache: ${cacheDir}`, `hub: ${endpoint}${offline ? ' (offline: HF_HUB_OFFLINE is set)' : ''}`];
}
