// Finds Chromium for the tests that open a page; else installs it where that is allowed.
import { ensureProgram, findProgram } from './apt.mjs';

const COMMANDS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** The command that starts Chromium, or undefined. */
export function findChromium() {
  const { CHROMIUM } = process.env;
  return findProgram(CHROMIUM ? [CHROMIUM] : COMMANDS);
}

/** Answers how Chromium will be reached, in words, or ends the process with one line that says what to do. */
export function ensureChromium() {
  return ensureProgram({
    commands: process.env.CHROMIUM ? [process.env.CHROMIUM] : COMMANDS,
    aptPackage: 'chromium',
    advice: 'install Chromium (apt install chromium), or name the command of another Chrome in CHROMIUM.',
  });
}
