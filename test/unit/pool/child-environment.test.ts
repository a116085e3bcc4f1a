import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { childEnvironment, childFlags } from '../../../src/pool/child-environment.js';

describe('childEnvironment', () => {
  it('passes on what native libraries need, and nothing else', () => {
    const passed = {
      PATH: '/bin',
      HOME: '/home/x',
      LANG: 'C',
      LC_ALL: 'C',
      TZ: 'UTC',
      TMPDIR: '/tmp',
      LD_LIBRARY_PATH: '/cuda',
      LD_PRELOAD: 'libjemalloc.so',
      CUDA_VISIBLE_DEVICES: '0',
      NVIDIA_VISIBLE_DEVICES: 'all',
      OMP_NUM_THREADS: '2',
      ORT_LOG: '1',
      MALLOC_PERTURB_: '1',
      UV_THREADPOOL_SIZE: '8',
    };
    const kept = {
      PROCESSING_INTERNAL_TOKEN: 'x',
      ACCESS_TOKEN: 'x',
      EMBED_TOKEN: 'x',
      HF_TOKEN: 'x',
      REDIS_URL: 'redis://:x@host',
      NODE_OPTIONS: '--require ./x.js',
      NODE_EXTRA_CA_CERTS: '/x.pem',
      AWS_SECRET_ACCESS_KEY: 'x',
      XPATH: 'x',
      HOMEPAGE: 'x',
    };
    expect(childEnvironment({ ...passed, ...kept })).toEqual({ ...childEnvironment({}), ...passed });
  });

  it('gives a thread of libuv to each decoding where there are more than it has by itself', () => {
    expect(childEnvironment({}, 4)).not.toHaveProperty('UV_THREADPOOL_SIZE');
    expect(childEnvironment({}, 8)['UV_THREADPOOL_SIZE']).toBe('8');
    expect(childEnvironment({ UV_THREADPOOL_SIZE: '6' }, 8)['UV_THREADPOOL_SIZE']).toBe('6');
  });

  it('holds the memory of the allocator together, where nobody has said otherwise', () => {
    const variables = ['MALLOC_ARENA_MAX', 'MALLOC_MMAP_THRESHOLD_', 'MALLOC_TRIM_THRESHOLD_', 'GLIBC_TUNABLES'];
    expect(Object.keys(childEnvironment({}))).toEqual(variables);
    expect(childEnvironment({ MALLOC_ARENA_MAX: '8' })['MALLOC_ARENA_MAX']).toBe('8');
  });
});

describe('childFlags', () => {
  const own = childFlags([]);

  it('passes on how modules are found and how much memory they may take', () => {
    const flags = ['--import', 'tsx', '--conditions=dev', '--max-old-space-size=4096', '--experimental-strip-types'];
    expect(childFlags(flags)).toEqual([...own, ...flags]);
  });

  it('keeps the young generation small, where nobody has said how large it may be', () => {
    expect(own[0]).toBe('--max-semi-space-size=2');
    expect(childFlags(['--max-semi-space-size=32']).at(-1)).toBe('--max-semi-space-size=32');
  });

  it('passes on neither files of variables nor debuggers nor code', () => {
    expect(
      childFlags([
        '--env-file=.env',
        '--env-file',
        '.env',
        '--inspect=9229',
        '--inspect-brk',
        '-r',
        './x.js',
        '-e',
        '1',
      ]),
    ).toEqual(own);
  });

  it('lets buffers be given back, in all versions of Node.js that run it', () => {
    const code = `console.log(typeof new ArrayBuffer(1).transfer)`;
    expect(execFileSync(process.execPath, [...own, '-e', code], { encoding: 'utf8' })).toBe('function\n');
  });
});
