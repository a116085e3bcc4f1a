import { expect, it } from 'vitest';
import { uvSettings } from '../../../scripts/pip-settings.mjs';

const AS_PIP_DOES = ['--index-strategy', 'unsafe-best-match'];

it('asks the usual index where pip was told nothing', () => {
  expect(uvSettings('')).toEqual({ args: AS_PIP_DOES, env: {} });
});

it('passes on indices, folders, constraints, hosts, certificates, patience and a proxy', () => {
  const list = [
    "global.index-url='https://mirror.example/simple'",
    "global.extra-index-url='file:///a/simple\\nfile:///b/simple'",
    "global.constraint='/etc/constraints.txt'",
    "global.trusted-host='mirror.example'",
    "global.cert='/etc/ca.pem'",
    "global.default-timeout='180'",
    "global.proxy='http://proxy.example:3128'",
    "global.disable-pip-version-check='1'",
  ];
  expect(uvSettings(list.join('\n'))).toEqual({
    args: [
      ...[...AS_PIP_DOES, '--default-index', 'https://mirror.example/simple'],
      ...['--extra-index-url', 'file:///a/simple', '--extra-index-url', 'file:///b/simple'],
      ...['--constraint', '/etc/constraints.txt', '--allow-insecure-host', 'mirror.example'],
    ],
    env: {
      ...{ SSL_CERT_FILE: '/etc/ca.pem', UV_HTTP_TIMEOUT: '180' },
      ...{ HTTP_PROXY: 'http://proxy.example:3128', HTTPS_PROXY: 'http://proxy.example:3128' },
    },
  });
});

it('knows that variables stand above the command’s own section, and that above the others', () => {
  const list = [":env:.find-links='/of/env'", "global.find-links='/of/global'", "install.find-links='/of/install'"];
  expect(uvSettings(list.join('\n')).args).toEqual([...AS_PIP_DOES, '--find-links', '/of/env']);
  expect(uvSettings(list.slice(1).join('\n')).args).toEqual([...AS_PIP_DOES, '--find-links', '/of/install']);
});

it('asks no index where pip may not', () => {
  expect(uvSettings("global.no-index='true'").args).toEqual([...AS_PIP_DOES, '--no-index']);
  expect(uvSettings("global.no-index='false'").args).toEqual(AS_PIP_DOES);
});
