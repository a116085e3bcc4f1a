#!/usr/bin/env node
import { Command, Option } from 'commander';
import dotenv from 'dotenv';
import { runDemo, type DemoOptions } from './cli/demo.js';
import { runPhotos } from './cli/photos.js';
import { VARIABLES, readSettings, type Settings, type Variable, type VariableName } from './cli/variables.js';
import { RunnerError, type ErrorCode } from './errors.js';
import { VERSION } from './version.js';

/** Wrong usage or configuration; everything else that fails exits with 1. */
const CONFIGURATION_CODES: readonly ErrorCode[] = [
  'OPTIONS_INVALID',
  'MODEL_NOT_FOUND',
  'MODEL_INVALID',
  'MODEL_OFFLINE',
  'MODEL_WRONG_LENGTH',
  'DEVICE_UNAVAILABLE',
];

const program = new Command('clip-runner')
  .description('Pulls photo jobs from Redis, runs CLIP over batches, and posts embeddings back.')
  .version(VERSION)
  .exitOverride()
  .showHelpAfterError('(--help shows what there is)');

addCommand(
  'photos',
  'claim photo jobs and post their embeddings until told to stop',
  Object.keys(VARIABLES) as VariableName[],
  runPhotos,
);

program
  .command('demo')
  .description('show the whole way of a photo on embedded parts, without Redis or network')
  .requiredOption('--photos <folder>', 'folder of photos')
  .requiredOption('--model <folder>', 'folder of a CLIP model')
  .option('--exit', 'end after the table', false)
  .action(async (flags: Omit<DemoOptions, 'redisUrl'>) => {
    process.exitCode = await runDemo({ ...flags, redisUrl: process.env['REDIS_URL'] });
  });

function addCommand(
  name: string,
  description: string,
  variables: readonly VariableName[],
  action: (settings: Settings, env: NodeJS.ProcessEnv) => Promise<number>,
): void {
  const command = program.command(name).description(description);
  for (const variable of variables) command.addOption(toOption(variable, VARIABLES[variable]));
  command.action(async (flags: Record<string, unknown>) => {
    dotenv.config({ quiet: true });
    process.exitCode = await action(readSettings(flags, process.env), process.env);
  });
}

function toOption(name: VariableName, { flag, env, default: fallback, help, isSecret }: Variable<unknown>): Option {
  const note = fallback === '' || isSecret === true ? env : `${env}, default ${fallback}`;
  return withName(new Option(`--${flag} <value>`, `${help} [${note}]`), name);
}

/** Commander names a value by its flag; ours are named by the setting. */
function withName(option: Option, name: string): Option {
  option.attributeName = () => name;
  return option;
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
