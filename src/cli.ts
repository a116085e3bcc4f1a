#!/usr/bin/env node
import { Command } from 'commander';
import { settingsCommand } from './cli/command.js';
import { completionsCommand } from './cli/completions.js';
import { dlqCommand } from './cli/dlq.js';
import { doctorCommand } from './cli/doctor.js';
import { runDemo, type DemoOptions } from './cli/demo.js';
import { initCommand } from './cli/init.js';
import { modelsCommand } from './cli/models.js';
import { peopleCommand } from './cli/people.js';
import { PHOTOS_VARIABLES, runPhotos } from './cli/photos.js';
import { searchCommand } from './cli/search.js';
import { statusCommand } from './cli/status.js';
import { TEXTS_VARIABLES, runTexts } from './cli/texts.js';
import { SERVE_VARIABLES, runServe } from './cli/serve.js';
import { RunnerError, type ErrorCode } from './errors.js';
import { VERSION } from './version.js';
import { keepYoungGenerationSmall } from './young-generation.js';

/** Wrong usage or configuration; everything else that fails exits with 1. */
const CONFIGURATION_CODES: readonly ErrorCode[] = [
  'OPTIONS_INVALID',
  'MODEL_NOT_FOUND',
  'MODEL_INVALID',
  'MODEL_OFFLINE',
  'MODEL_WRONG_LENGTH',
  'DEVICE_UNAVAILABLE',
];

keepYoungGenerationSmall();

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

/** Commands that are made apart know nothing of the program's way to end. */
function inheritSettings(parent: Command): void {
  for (const command of parent.commands) inheritSettings(command.copyInheritedSettings(parent));
}

async function main(): Promise<void> {
  try {
    await program.parseAsync();
  } catch (thrown) {
    process.exitCode = report(thrown);
  }
}

function report(thrown: unknown): number {
  if (isCommanderExit(thrown)) return thrown.exitCode === 0 ? 0 : 2;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  process.stderr.write(`clip-runner: ${message}\n`);
  return thrown instanceof RunnerError && CONFIGURATION_CODES.includes(thrown.code) ? 2 : 1;
}

function isCommanderExit(thrown: unknown): thrown is { exitCode: number } {
  return (
    thrown instanceof Error && 'exitCode' in thrown && 'code' in thrown && String(thrown.code).startsWith('commander.')
  );
}

await main();
