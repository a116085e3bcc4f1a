import { describe, expect, it } from 'vitest';
import { hubOptionsFromEnv, resolveHubOptions } from '../../../src/models/hub-options.js';
import type { RunnerError } from '../../../src/errors.js';
import { failureOfStatus, TransientHubError } from '../../../src/models/hub-failure.js';
import { pauseAfter } from '../../../src/models/retry.js';

describe('hubOptionsFromEnv', () => {
  const home = '/home/someone';
  const caches: readonly (readonly [Record<string, string>, string])[] = [
    [{}, '/home/someone/.cache/huggingface/hub'],
    [{ HF_HOME: '/data/hf' }, '/data/hf/hub'],
    [{ HF_HOME: '~/hf' }, '/home/someone/hf/hub'],
    [{ HF_HOME: '/data/hf', HF_HUB_CACHE: '/cache' }, '/cache'],
    [{ HUGGINGFACE_HUB_CACHE: '/old' }, '/old'],
    [{ XDG_CACHE_HOME: '/xdg' }, '/xdg/huggingface/hub'],
    [{ HF_HOME: '' }, '/home/someone/.cache/huggingface/hub'],
  ];
  for (const [env, cacheDir] of caches) {
    it(`keeps models in ${cacheDir} with ${JSON.stringify(env)}`, () => {
      expect(hubOptionsFromEnv(env, home).cacheDir).toBe(cacheDir);
    });
  }

  it('is offline by any word for yes', () => {
    for (const value of ['1', 'true', 'YES', 'on'])
      expect(hubOptionsFromEnv({ HF_HUB_OFFLINE: value }, home).offline).toBe(true);
    for (const value of ['0', 'false', '', 'no'])
      expect(hubOptionsFromEnv({ HF_HUB_OFFLINE: value }, home).offline).toBe(false);
  });

  it('reads endpoint and token, the newer name first', () => {
    const env = { HF_ENDPOINT: 'https://mirror', HF_TOKEN: ' hf_new\n', HUGGING_FACE_HUB_TOKEN: 'hf_old' };
    expect(hubOptionsFromEnv(env, home)).toMatchObject({ endpoint: 'https://mirror', token: 'hf_new' });
    expect(hubOptionsFromEnv({ HUGGING_FACE_HUB_TOKEN: 'hf_old' }, home).token).toBe('hf_old');
    expect(hubOptionsFromEnv({}, home)).not.toHaveProperty('token');
  });
});

describe('resolveHubOptions', () => {
  it('fills in the defaults', () => {
    expect(resolveHubOptions({})).toMatchObject({
      endpoint: 'https://huggingface.co',
      offline: false,
      stallTimeoutMs: 60_000,
    });
  });

  for (const endpoint of [
    'ftp://hub',
    'file:///x',
    'hub',
    'https://user:secret@hub',
    'https://hub?x=1',
    'https://hub#x',
    '',
  ]) {
    it(`refuses the endpoint ${JSON.stringify(endpoint)}`, () => {
      expect(() => resolveHubOptions({ endpoint })).toThrow(expect.objectContaining({ code: 'OPTIONS_INVALID' }));
    });
  }

  it('refuses a token that would break a header, without showing it', () => {
    let thrown: unknown;
    try {
      resolveHubOptions({ token: 'hf_secret\r\nx: y' });
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ code: 'OPTIONS_INVALID' });
    expect(String(thrown)).not.toContain('secret');
  });

  it('refuses a misspelt option', () => {
    expect(() => resolveHubOptions({ cachedir: '/x' } as object)).toThrow(
      expect.objectContaining({ code: 'OPTIONS_INVALID' }),
    );
  });
});

describe('failureOfStatus', () => {
  const ask = (status: number, headers: Record<string, string> = {}, context: object = {}): RunnerError =>
    failureOfStatus(
      { status, headers: new Headers(headers) },
      { repository: 'a/b', home: new URL('https://hub'), isHome: true, hasToken: false, ...context },
    );

  it('tries again where that may help', () => {
    for (const status of [408, 429, 500, 502, 503, 504]) expect(ask(status)).toBeInstanceOf(TransientHubError);
    for (const status of [400, 401, 403, 404, 451]) expect(ask(status)).not.toBeInstanceOf(TransientHubError);
  });

  it('asks the hub for a new address when the one of the content network has run out', () => {
    for (const status of [403, 404, 410]) expect(ask(status, {}, { isHome: false })).toBeInstanceOf(TransientHubError);
  });

  it('says what to do about a gated model', () => {
    expect(ask(401, { 'x-error-code': 'GatedRepo' })).toMatchObject({
      code: 'MODEL_DOWNLOAD',
      message:
        'a/b is gated: accept its terms at https://hub/a/b, then set HF_TOKEN to a token of that account that may read it.',
    });
  });

  it('tells a missing file from a missing repository', () => {
    expect(ask(404).message).toContain('has no repository a/b');
    expect(ask(404, { 'x-error-code': 'EntryNotFound' }).message).toContain('has no such file in a/b');
  });
});

describe('pauseAfter', () => {
  const error = new TransientHubError('x');
  const policy = { delayMs: 500, random: () => 1 };

  it('doubles, up to a minute', () => {
    expect([1, 2, 3, 20].map((failures) => pauseAfter(failures, error, policy))).toEqual([500, 1000, 2000, 60_000]);
  });

  it('is spread over its upper half', () => {
    expect(pauseAfter(1, error, { ...policy, random: () => 0 })).toBe(250);
  });

  it('waits as long as the hub asks for, up to a minute', () => {
    expect(pauseAfter(1, new TransientHubError('x', { retryAfterMs: 7000 }), policy)).toBe(7000);
    expect(pauseAfter(1, new TransientHubError('x', { retryAfterMs: 1e9 }), policy)).toBe(60_000);
  });
});
