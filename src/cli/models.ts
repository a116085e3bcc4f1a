import { Command } from 'commander';
import { settingsCommand } from './command.js';
import { LIST_VARIABLES, runList } from './models/list.js';
import { PULL_VARIABLES, runPull } from './models/pull.js';
import { REMOVE_VARIABLES, runRemove } from './models/remove.js';
import { VERIFY_VARIABLES, runVerify } from './models/verify.js';

const NAMES = 'labels, repositories or folders (default: the configured models)';

/** `clip-runner models`: pulls, lists, verifies and removes model files. */
export function modelsCommand(): Command {
  const pull = settingsCommand(
    'pull',
    'download models into the cache; a broken download goes on',
    PULL_VARIABLES,
    runPull,
  )
    .argument('[name...]', NAMES)
    .option('--text', 'the text side must be there, too (default: it is taken where it exists)')
    .option('--no-text', 'without the text side');
  const list = settingsCommand(
    'list',
    'show the models on this machine, without network',
    LIST_VARIABLES,
    runList,
  ).option('--json', 'print JSON');
  const verify = settingsCommand(
    'verify',
    'check files against their hashes, then load and test the models',
    VERIFY_VARIABLES,
    runVerify,
  )
    .argument('[name...]', NAMES)
    .option('--repair', 'download again what is damaged')
    .option('--compare', 'compare fp32, fp16 and q8 as far as they are here: vectors, speed, size and memory')
    .option('--photos <folder>', 'photos for --compare (default: made pictures)')
    .option('--json', 'print JSON');
  const remove = settingsCommand('remove', 'remove models from the cache', REMOVE_VARIABLES, runRemove)
    .argument('<name...>', 'labels or repositories')
    .option('--old', 'only older commits that are no longer used')
    .option('--dry-run', 'only show what would be removed')
    .option('-y, --yes', "don't ask");

  const models = new Command('models').description('download, list, check and remove model files');
  for (const command of [pull, list, verify, remove]) models.addCommand(command);
  return models;
}
