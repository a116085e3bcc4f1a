#!/usr/bin/env node
import { makeProgram } from './cli/program.js';
import { RunnerError, type ErrorCode } from './errors.js';
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

/** Time for what is closing to end by itself. */
const LINGER_MS = 5000;

keepYoungGenerationSmall();

async function main(): Promise<void> {
  try {
    await makeProgram().parseAsync();
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
// All is done and written. What a connection that broke may have left behind must not keep the process for ever.
setTimeout(() => process.exit(), LINGER_MS).unref();
