import { stat } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { show } from '../check.js';
import { RunnerError } from '../errors.js';

/** A repository of models on a hub. */
export interface Repository {
  readonly owner: string;
  readonly name: string;
  /** `owner/name` */
  readonly id: string;
}

const MAX_LENGTH = 96;

/** Whether a model's name says by its form that it is a folder, whether that exists or not. */
export function looksLikeFolder(name: string): boolean {
  return /^[.~/]/.test(name) || isAbsolute(name);
}

/** Whether a model's name means a folder: by its form, or because there is one. */
export async function isLocalFolder(name: string): Promise<boolean> {
  if (looksLikeFolder(name)) return true;
  const facts = await stat(name).catch(() => undefined);
  return facts?.isDirectory() === true;
}

/**
 * Reads `owner/name` by the hub's own rules. The parts become names of folders and of URL segments, so nothing else passes.
 * @throws RunnerError `OPTIONS_INVALID`
 */
export function parseRepository(id: string): Repository {
  const [owner = '', name = '', ...rest] = id.split('/');
  if (rest.length > 0 || id.length > MAX_LENGTH || !isPart(owner) || !isPart(name)) {
    throw new RunnerError(
      'OPTIONS_INVALID',
      `A model's name must be a hub repository (owner/name; letters, digits, "-", "_" and "." in at most ${MAX_LENGTH} ` +
        `characters) or a folder (./models/x), but got ${show(id)}.`,
    );
  }
  return { owner, name, id };
}

/** `--` divides owner and name in the cache's folder names, and the hub allows it in neither. */
function isPart(part: string): boolean {
  return /^[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?$/.test(part) && !part.includes('--') && !part.includes('..');
}
