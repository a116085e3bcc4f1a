import { spawnSync } from 'node:child_process';
import { networkInterfaces } from 'node:os';

/** Networks for tests: reserved for measurements between hosts (RFC 2544), so nobody has them in use. */
const SUBNETS = Array.from({ length: 512 }, (_, index) => `198.${18 + (index >> 8)}.${index & 255}`);
const NAMES = /^crun(\d+)(h\d+|br)$/;

/** A machine as the network sees it: a network namespace with one address. */
export interface NetworkHost {
  readonly address: string;
  /** A command that becomes the one after it, on this host. */
  readonly launcher: readonly string[];
  /** Nothing goes in or out any more. Nobody is told: connections stay open on both sides. */
  cutOff(): void;
  reconnect(): void;
  /** The power fails: everything that runs on it is gone at once, with no word to anybody. */
  crash(): void;
}

/** Hosts on a switch of their own. This machine is on it, too, and nobody else. */
export interface HostNetwork {
  /** This machine's address there. */
  readonly address: string;
  readonly hosts: readonly NetworkHost[];
  /** Ends what runs on the hosts and removes everything. Idempotent. */
  remove(): void;
}

/** Why no hosts can be made here, in a few words, or undefined where they can. */
export function whyNoHosts(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces are Linux’s';
  if (process.getuid?.() !== 0) return 'only root may make network namespaces';
  if (spawnSync('ip', ['-V']).status !== 0) return 'there is no `ip` on the PATH (apt install iproute2)';
  try {
    const network = makeHosts(1);
    const [program = '', ...args] = network.hosts[0]?.launcher ?? [];
    const { status, stderr } = spawnSync(program, [...args, 'true'], { encoding: 'utf8' });
    network.remove();
    return status === 0 ? undefined : `nothing can be started on such a host: ${stderr.trim()}`;
  } catch (error) {
    return `network namespaces are forbidden here: ${(error as Error).message}`;
  }
}

/**
 * Makes a switch and hosts on it. Names have this process's id in them, so several may do so at once; what a process left
 * that is no more is removed first.
 * @throws Error with what `ip` said; nothing is left then.
 */
export function makeHosts(count: number): HostNetwork {
  removeLeftovers((owner) => !isAlive(owner));
  const subnet = freeSubnet();
  const bridge = `crun${process.pid}br`;
  const remove = (): void => {
    removeLeftovers((owner) => owner === process.pid);
    process.off('exit', remove);
  };
  process.once('exit', remove);
  try {
    ip('link', 'add', bridge, 'type', 'bridge');
    ip('addr', 'add', `${subnet}.1/24`, 'dev', bridge);
    ip('link', 'set', bridge, 'up');
    const hosts = Array.from({ length: count }, (_, index) => addHost(bridge, `${subnet}.${11 + index}`, index + 1));
    return { address: `${subnet}.1`, hosts, remove };
  } catch (error) {
    remove();
    throw error;
  }
}

function addHost(bridge: string, address: string, index: number): NetworkHost {
  // The namespace and the port of the switch that its cable is in have the same name.
  const name = `crun${process.pid}h${index}`;
  ip('netns', 'add', name);
  ip('link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
  ip('link', 'set', name, 'master', bridge, 'up');
  ip('-n', name, 'addr', 'add', `${address}/24`, 'dev', 'eth0');
  ip('-n', name, 'link', 'set', 'lo', 'up');
  ip('-n', name, 'link', 'set', 'eth0', 'up');
  return {
    address,
    launcher: ['ip', 'netns', 'exec', name],
    cutOff: () => void ip('link', 'set', name, 'down'),
    reconnect: () => void ip('link', 'set', name, 'up'),
    crash: () => endAllOn(name),
  };
}

function removeLeftovers(isOurs: (owner: number) => boolean): void {
  const named = (list: string): readonly string[] =>
    list
      .split('\n')
      .map((line) => NAMES.exec(line.split(/[\s@]/)[0] ?? ''))
      .filter((found) => found !== null && isOurs(Number(found[1])))
      .map((found) => found?.[0] ?? '');
  for (const name of named(ip('netns', 'list'))) {
    endAllOn(name);
    ip('netns', 'del', name);
  }
  // A cable goes with its host, though not at once; then somebody was quicker.
  for (const name of named(ip('-br', 'link', 'show'))) spawnSync('ip', ['link', 'del', name]);
}

function endAllOn(namespace: string): void {
  for (const pid of ip('netns', 'pids', namespace).split('\n').filter(Boolean)) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It ended by itself meanwhile.
    }
  }
}

function freeSubnet(): string {
  const used = Object.values(networkInterfaces()).flatMap(
    (addresses) => addresses?.map(({ address }) => address) ?? [],
  );
  const isFree = (subnet: string): boolean => !used.some((address) => address.startsWith(`${subnet}.`));
  const first = process.pid % SUBNETS.length;
  const found = [...SUBNETS.slice(first), ...SUBNETS.slice(0, first)].find(isFree);
  if (found === undefined) throw new Error('All of 198.18.0.0/15 is in use.');
  return found;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function ip(...args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync('ip', args, { encoding: 'utf8' });
  if (status === 0) return stdout;
  throw new Error(`ip ${args.join(' ')}: ${error?.message ?? stderr.trim()}`);
}
