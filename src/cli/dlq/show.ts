import { sizeText, say } from '../models/table.js';
import { invalid } from '../gallery-access.js';
import { streamOut } from '../stream-out.js';
import { entryDocument, entryLines } from './entry-text.js';
import { openLetters, type DlqCall } from './open.js';

/** Longer ones are for files, not for people: `--raw` writes them. */
const LONGEST_SHOWN_BYTES = 16 * 1024 * 1024;

/** `clip-runner dlq show <id>`: one dead letter whole. Answers the exit code: 1 where there is none with that id. */
export async function runShow(call: DlqCall): Promise<number> {
  const { flags, args } = call;
  const id = String(args[0]);
  const isRaw = flags['raw'] === true;
  if (isRaw && flags['json'] === true) throw invalid('--raw and --json exclude each other.');
  if (isRaw && process.stdout.isTTY)
    throw invalid('--raw writes bytes as they are, so not to a terminal: add "> file".');
  const { letters } = openLetters(call);
  const entry = await letters.get(id).finally(() => letters.close());
  if (entry === undefined) {
    say(`clip-runner: there is no dead letter ${JSON.stringify(id.slice(0, 100))} in ${letters.name}.`);
    return 1;
  }
  if (isRaw) {
    await streamOut(entry.element ?? '');
    return 0;
  }
  const isLong = entry.sizeBytes > LONGEST_SHOWN_BYTES;
  if (isLong) say(`The element is not shown: it has ${sizeText(entry.sizeBytes)}. --raw writes it to a file.`);
  const shown = isLong ? { ...entry, element: undefined } : entry;
  await streamOut(flags['json'] === true ? `${entryDocument(shown)}\n` : `${entryLines(shown).join('\n')}\n`);
  return 0;
}
