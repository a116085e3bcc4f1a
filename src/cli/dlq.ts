import { Command, Option } from 'commander';
import { settingsCommand } from './command.js';
import { DLQ_VARIABLES } from './dlq/open.js';
import { runList } from './dlq/list.js';
import { runShow } from './dlq/show.js';
import { runPurge, runRedrive } from './dlq/take.js';

/** `clip-runner dlq`: looks at dead letters, puts them back or removes them. */
export function dlqCommand(): Command {
  const list = settingsCommand('list', 'show dead letters, and how many there are by reason', DLQ_VARIABLES, runList);
  addSelection(list)
    .addOption(new Option('--limit <number>', 'rows at most, of the newest (default: 20; with --json all)'))
    .addOption(new Option('--oldest', 'the oldest in place of the newest').default(false))
    .addOption(new Option('--json', 'print a line of JSON for each').default(false));

  const show = settingsCommand('show', 'show a dead letter whole', DLQ_VARIABLES, runShow)
    .argument('<id>', 'id as "dlq list" shows it')
    .addOption(new Option('--raw', "write the element's bytes and nothing else").default(false))
    .addOption(new Option('--json', 'print JSON').default(false));
  addQueue(show);

  const redrive = settingsCommand('redrive', 'put dead letters back into the queue', DLQ_VARIABLES, runRedrive);
  const purge = settingsCommand('purge', 'remove dead letters for good', DLQ_VARIABLES, runPurge);
  for (const command of [redrive, purge]) {
    addSelection(command)
      .addOption(new Option('--limit <number>', 'at most so many, the oldest first'))
      .addOption(new Option('--rate <number>', 'at most so many a second'))
      .addOption(new Option('--dry-run', 'change nothing; say how many it would be').default(false))
      .addOption(new Option('-y, --yes', "don't ask").default(false))
      .addOption(new Option('--json', 'print JSON').default(false));
  }
  purge.addOption(new Option('--all', 'all of them, where no filter is given').default(false));

  const dlq = new Command('dlq').description('list, show, redrive and purge dead letters');
  for (const command of [list, show, redrive, purge]) dlq.addCommand(command);
  return dlq;
}

function addSelection(command: Command): Command {
  return addQueue(command)
    .addOption(new Option('--id <id>', 'the one with this id'))
    .addOption(new Option('--reason <reason>', 'that died of this, e.g. decode; unknown: without a note'))
    .addOption(new Option('--photo <id>', 'of this photo_id'))
    .addOption(new Option('--request <id>', 'of this request_id'))
    .addOption(new Option('--since <time>', 'that died then or later, e.g. 2026-01-31 or 2026-01-31T12:00:00Z'))
    .addOption(new Option('--until <time>', 'that died before'))
    .addOption(new Option('--older-than <duration>', 'that died longer ago, e.g. 90s, 30m, 12h, 7d'));
}

function addQueue(command: Command): Command {
  return command.addOption(
    new Option('--texts', 'those of texts: TEXT_EMBED_QUEUE_NAME, TEXT_EMBED_DLQ_NAME name the lists').default(false),
  );
}
