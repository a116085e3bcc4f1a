import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';

interface Instruction {
  readonly name: string;
  readonly rest: string;
}

/** What the last stage of a Dockerfile comes to. */
export interface Replayed {
  /** Folder that stands for `/` of the image. The base image's own files are those of this machine. */
  readonly root: string;
  readonly env: Readonly<Record<string, string>>;
  readonly user: string;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
}

/**
 * Carries a Dockerfile out without Docker: each stage is a folder, `RUN` is a shell in it. It knows the instructions that
 * ours has. Absolute paths in `RUN` are taken for the stage's.
 * @throws Error for what it doesn't know, for what is not there to be copied, and for a command that fails
 */
export function replayDockerfile(file: string, context: string, into: string): Replayed {
  const ignored = readFileSync(`${file}.dockerignore`, 'utf8').split('\n');
  const stages = new Map<string, Stage>();
  let stage: Stage | undefined;
  const args: Record<string, string> = {};
  for (const { name, rest } of parse(readFileSync(file, 'utf8'))) {
    if (name === 'ARG') Object.assign(args, pairs(rest));
    else if (name === 'FROM') {
      const [image = '', , alias = `stage${stages.size}`] = rest
        .replaceAll(/\$\{(\w+)\}/g, (_, key: string) => args[key] ?? '')
        .split(' ');
      if (!/^[\w./-]+:[\w.-]+$/.test(image)) throw new Error(`FROM has no pinned image: ${rest}`);
      stage = new Stage(path.join(into, alias));
      stages.set(alias, stage);
    } else if (stage === undefined) throw new Error(`${name} comes before FROM`);
    else if (name === 'COPY') copy(rest, stage, stages, context, ignored);
    else stage.carryOut(name, rest);
  }
  if (stage === undefined) throw new Error('There is no FROM.');
  return stage;
}

class Stage implements Replayed {
  readonly root: string;
  env: Record<string, string> = {};
  user = 'root';
  entrypoint: readonly string[] = [];
  cmd: readonly string[] = [];
  #workdir = '/';

  constructor(root: string) {
    this.root = root;
    mkdirSync(root, { recursive: true });
  }

  inside(name: string): string {
    return path.join(this.root, path.resolve(this.#workdir, name));
  }

  carryOut(name: string, rest: string): void {
    if (name === 'WORKDIR') {
      this.#workdir = rest;
      mkdirSync(this.inside('.'), { recursive: true });
    } else if (name === 'ENV') Object.assign(this.env, pairs(rest));
    else if (name === 'USER') this.user = rest;
    else if (name === 'ENTRYPOINT') this.entrypoint = JSON.parse(rest) as string[];
    else if (name === 'CMD') this.cmd = JSON.parse(rest) as string[];
    else if (name === 'RUN') this.#run(rest);
    else throw new Error(`unknown instruction ${name}`);
  }

  #run(command: string): void {
    const { PATH = '', HOME = '' } = process.env;
    const inside = command.replaceAll(/(?<=\s)\/(?=\w)/g, `${this.root}/`);
    const { status, stderr } = spawnSync('sh', ['-ec', inside], {
      cwd: this.inside('.'),
      env: { PATH, HOME, npm_config_prefer_offline: 'true', ...this.env },
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
    });
    if (status !== 0) throw new Error(`RUN ${command} ended with ${status}: ${stderr}`);
  }
}

function copy(
  rest: string,
  to: Stage,
  stages: ReadonlyMap<string, Stage>,
  context: string,
  ignored: readonly string[],
): void {
  const words = rest.split(' ');
  const alias = words[0]?.startsWith('--from=') ? words.shift()?.slice('--from='.length) : undefined;
  const target = words.pop() ?? '';
  for (const source of words) {
    if (alias === undefined && !ignored.includes(`!${source}`))
      throw new Error(`${source} is kept out by .dockerignore`);
    const from = alias === undefined ? path.join(context, source) : (stages.get(alias)?.inside(source) ?? '');
    if (!existsSync(from)) throw new Error(`COPY ${rest}: there is no ${source}`);
    const isFile = statSync(from).isFile();
    const place = isFile && target.endsWith('/') ? path.join(target, path.basename(source)) : target;
    cpSync(from, to.inside(place), { recursive: true, verbatimSymlinks: true });
  }
}

function parse(text: string): readonly Instruction[] {
  return text
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, name = '', rest = ''] = /^(\w+)\s+(.*)$/.exec(line) ?? [];
      return { name, rest: rest.replaceAll(/\s+/g, ' ') };
    });
}

const pairs = (text: string): Record<string, string> =>
  Object.fromEntries(
    text.split(' ').map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
  );
