import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { CommandProcess } from './command.js';
import { cell, MARKER, markedPicture, REDS } from './marked-picture.js';
import { PeopleServer, type ListedPhoto, type PeopleServerSettings } from './people-server.js';

/** The people of the pictures: faces of one are alike to the last bit, those of two are 0.002 apart or more. */
export const PEOPLE = { ann: REDS[0], bob: REDS[1], cat: REDS[2], dan: REDS[3] } as const;
type PersonName = keyof typeof PEOPLE;

/** Who is on which photo, by its id. */
export type Scenes = Readonly<Record<number, readonly PersonName[]>>;

export const urlOf = (id: number | string): string => `/uploads/original/${id}.png`;
export const listed = (ids: readonly (number | string)[]): ListedPhoto[] =>
  ids.map((id) => ({ id, user_id: 1, url: urlOf(id) }));

/** A folder of pictures with marked faces, a server that lists them, and the command that looks at them. */
export class PeopleGallery {
  readonly home: string;
  readonly #servers: PeopleServer[] = [];
  readonly #commands: CommandProcess[] = [];

  private constructor(home: string) {
    this.home = home;
  }

  static async create(): Promise<PeopleGallery> {
    const home = await mkdtemp(path.join(tmpdir(), 'people-'));
    await mkdir(path.join(home, 'uploads', 'original'), { recursive: true });
    return new PeopleGallery(home);
  }

  path(...names: readonly string[]): string {
    return path.join(this.home, ...names);
  }

  async draw(scenes: Scenes): Promise<void> {
    for (const [id, people] of Object.entries(scenes)) {
      // A face of its own place for each photo, so that no two files are the same.
      const marks = people.map((name, place) => cell(1 + 3 * place, 1 + (Number(id) % 12), PEOPLE[name]));
      await writeFile(this.path(urlOf(id)), await markedPicture(marks));
    }
  }

  async serve(settings: PeopleServerSettings = {}): Promise<PeopleServer> {
    const server = new PeopleServer(settings);
    await server.listen();
    this.#servers.push(server);
    return server;
  }

  /** `clip-runner people`, begun. */
  start(
    server: Pick<PeopleServer, 'url' | 'accessToken'>,
    args: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ): CommandProcess {
    const command = new CommandProcess(
      ['people', ...args],
      {
        API_BASE_URL: server.url,
        ACCESS_TOKEN: server.accessToken,
        PROJECT_ROOT: this.home,
        FACE_MODEL_NAME: MARKER,
        FACE_DISTANCE_THRESHOLD: '0.001',
        // Where insightface's packs and the cache of models would be.
        HOME: this.home,
        ...env,
      },
      this.home,
    );
    this.#commands.push(command);
    return command;
  }

  /** The same to its end, and what it says as JSON. */
  async run(...call: Parameters<PeopleGallery['start']>): Promise<PeopleRun> {
    const [server, args = [], env = {}] = call;
    const command = this.start(server, [...args, '--json'], env);
    const code = await command.ended();
    const facts = command.stdout === '' ? undefined : (JSON.parse(command.stdout) as PeopleFacts);
    return { code, stderr: command.stderr, log: command.log, facts: facts as PeopleFacts };
  }

  /** Ends all that was begun; answers what the commands wrote. */
  async close(): Promise<string> {
    await Promise.all(this.#commands.map((command) => command.kill('SIGKILL')));
    await Promise.all(this.#servers.map((server) => server.close()));
    await rm(this.home, { recursive: true, force: true });
    return this.#commands.map(({ stdout, stderr }) => stdout + stderr).join('');
  }
}

export interface PeopleRun {
  readonly code: number | string;
  readonly stderr: string;
  readonly log: CommandProcess['log'];
  /** Undefined where it ended before there were any. */
  readonly facts: PeopleFacts;
}

interface NamedAlbum {
  readonly name: string;
  readonly faces: number;
  readonly photo_ids: readonly unknown[];
}

interface PeopleFacts {
  readonly photos: Readonly<Record<'listed' | 'done' | 'faces' | 'cached' | 'missing' | 'failed' | 'decoded', number>>;
  readonly unusable: Readonly<Record<string, number>>;
  readonly problems: readonly { readonly id: unknown; readonly path: string; readonly code: string }[];
  readonly dryRun: boolean;
  readonly planned: readonly NamedAlbum[];
  readonly made: readonly (NamedAlbum & { readonly id: unknown })[];
  readonly refused: readonly (NamedAlbum & { readonly code: string })[];
  readonly left: readonly NamedAlbum[];
  readonly there: readonly {
    readonly name: string;
    readonly id: unknown;
    readonly groups: number;
    readonly missing: readonly string[];
    readonly surplus: readonly string[];
    readonly same: readonly string[];
  }[];
  readonly doubtful: readonly string[];
}
