// Finds Chromium for the tests that open a page; else installs it where that is allowed.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { ensureProgram, findProgram } from './apt.mjs';

const COMMANDS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** The command that starts Chromium, or undefined. */
export function findChromium() {
  const { CHROMIUM } = process.env;
  return findProgram(CHROMIUM ? [CHROMIUM] : COMMANDS);
}

/** Its file, as Playwright wants it, or undefined. */
export function findChromiumFile() {
  const command = findChromium();
  if (command === undefined || path.isAbsolute(command)) return command;
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  return folders.map((folder) => path.join(folder, command)).find((file) => existsSync(file));
}

/** Answers how Chromium will be reached, in words, or ends the process with one line that says what to do. */
export function ensureChromium() {
  return ensureProgram({
    commands: process.env.CHROMIUM ? [process.env.CHROMIUM] : COMMANDS,
    aptPackage: 'chromium',
    advice: 'install Chromium (apt install chromium), or name the command of another Chrome in CHROMIUM.',
  });
}
