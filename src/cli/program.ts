import { Command } from 'commander';
import { settingsCommand } from './command.js';
import { completionsCommand } from './completions.js';
import { dlqCommand } from './dlq.js';
import { doctorCommand } from './doctor.js';
import { runDemo, type DemoOptions } from './demo.js';
import { initCommand } from './init.js';
import { modelsCommand } from './models.js';
import { peopleCommand } from './people.js';
import { PHOTOS_VARIABLES, runPhotos } from './photos.js';
import { searchCommand } from './search.js';
import { statusCommand } from './status.js';
import { TEXTS_VARIABLES, runTexts } from './texts.js';
import { SERVE_VARIABLES, runServe } from './serve.js';
import { VERSION } from '../version.js';

/** The program with all its commands. Nothing runs before it parses; wrong usage is thrown as commander's errors. */
export function makeProgram(): Command {
  const program = new Command('clip-runner')
    .description('Pulls photo jobs from Redis, runs CLIP over batches, and posts embeddings back.')
    .version(VERSION)
    .exitOverride()
    .showHelpAfterError('(--help shows what there is)');
  const commands = [
    settingsCommand(
      'photos',
      'claim photo jobs and post their embeddings until told to stop',
      PHOTOS_VARIABLES,
      runPhotos,
    ),
    settingsCommand('texts', 'claim text jobs and post their embeddings until told to stop', TEXTS_VARIABLES, runTexts),
    searchCommand(),
    peopleCommand(),
    modelsCommand(),
    dlqCommand(),
    statusCommand(),
    doctorCommand(),
    settingsCommand('serve', 'embed texts for HTTP clients until told to stop', SERVE_VARIABLES, runServe),
    initCommand(),
    completionsCommand(),
  ];
  for (const command of commands) program.addCommand(command);
  inheritSettings(program);
  // Made by the program itself, it inherits by itself.
  addDemo(program);
  return program;
}

function addDemo(program: Command): void {
  program
    .command('demo')
    .description('show the whole way of a photo on embedded parts, without Redis or network')
    .requiredOption('--photos <folder>', 'folder of photos')
    .requiredOption('--model <folder>', 'folder of a CLIP model')
    .option('--faces <folder>', 'folder of a face detector and a recogniser')
    .option('--ask <sentence...>', 'sentences to answer at once', [])
    .option('--exit', 'end then, instead of asking for more', false)
    .action(async (flags: Omit<DemoOptions, 'redisUrl'>) => {
      process.exitCode = await runDemo({ ...flags, redisUrl: process.env['REDIS_URL'] });
    });
}

/** Commands that are made apart know nothing of the program's way to end. */
function inheritSettings(parent: Command): void {
  for (const command of parent.commands) inheritSettings(command.copyInheritedSettings(parent));
}
