import { elementText } from '../../queue/dead-letter-entry.js';
import type { DeadLetterEntry } from '../../queue/dead-letters.js';
import { escapeControls } from '../escape-controls.js';

export const HEADINGS = ['id', 'died', 'job', 'reason', 'attempts', 'message'] as const;

/** The cells of an entry below `HEADINGS`. What anybody wrote never reaches the terminal as it is. */
export function entryCells({ id, failedAt, photoId, requestId, reason, attempts, error }: DeadLetterEntry): string[] {
  const job = photoId !== undefined ? `photo ${photoId}` : requestId !== undefined ? `text ${requestId}` : '-';
  return [
    short(id),
    failedAt === undefined ? '-' : `${failedAt.toISOString().slice(0, 19).replace('T', ' ')}Z`,
    short(job),
    short(reason),
    attempts === undefined ? '-' : String(attempts),
    error === undefined ? '-' : escapeControls(`${error.code}: ${error.message}`),
  ];
}

/** An entry as JSON in one line, without the element: that is `dlq show`'s. */
export function entryLine(entry: DeadLetterEntry): string {
  return escapeControls(JSON.stringify(entryFacts(entry)));
}

/** All that is known of an entry, with its note and element, as JSON. */
export function entryDocument(entry: DeadLetterEntry): string {
  const { note = null, element } = entry;
  const shown = element === undefined ? {} : elementText(element);
  const own = 'base64' in shown ? { elementBase64: shown.base64 } : 'text' in shown ? { element: shown.text } : {};
  const text = JSON.stringify({ ...entryFacts(entry), note, ...own }, null, 2);
  return text.split('\n').map(escapeControls).join('\n');
}

/** The same for people. */
export function entryLines(entry: DeadLetterEntry): readonly string[] {
  const { note, element, sizeBytes } = entry;
  const [id = '', died = '', job = '', reason = '', attempts = '', message = ''] = entryCells(entry);
  const facts = { id, died, job, reason, attempts, message, bytes: String(sizeBytes) };
  const shown = element === undefined ? { text: '' } : elementText(element);
  return [
    ...Object.entries(facts).map(([name, value]) => `${name.padEnd(10)}${value}`),
    '',
    'note:',
    ...(note === undefined ? ['-'] : JSON.stringify(note, null, 2).split('\n').map(escapeControls)),
    '',
    ...('base64' in shown ? ['element, as Base64:', shown.base64] : ['element:', escapeControls(shown.text)]),
  ];
}

function entryFacts({ id, failedAt, reason, photoId, requestId, ...rest }: DeadLetterEntry): object {
  return {
    id,
    failedAt: failedAt?.toISOString() ?? null,
    reason,
    photoId: photoId ?? null,
    requestId: requestId ?? null,
    attempts: rest.attempts ?? null,
    kills: rest.kills ?? null,
    error: rest.error ?? null,
    sizeBytes: rest.sizeBytes,
  };
}

/** Ids and reasons of runners are short; those that somebody else wrote need not be. */
function short(text: string): string {
  const safe = escapeControls(text);
  return safe.length > 48 ? `${safe.slice(0, 47)}…` : safe;
}
