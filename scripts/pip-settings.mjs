// What a machine's administrator has told pip, for uv, which doesn't read that.

/** Settings of pip that are lists, each with uv's argument for one of its values. */
const LISTS = {
  'extra-index-url': '--extra-index-url',
  'find-links': '--find-links',
  constraint: '--constraint',
  'trusted-host': '--allow-insecure-host',
};

/** Settings with one value, each with uv's variables. */
const VARIABLES = {
  cert: ['SSL_CERT_FILE'],
  timeout: ['UV_HTTP_TIMEOUT'],
  'default-timeout': ['UV_HTTP_TIMEOUT'],
  proxy: ['HTTP_PROXY', 'HTTPS_PROXY'],
};

/** From what counts least to what counts most. */
const SECTIONS = ['global', 'install', ':env:'];

/**
 * Arguments and variables of `uv pip install` that say the same.
 * @param list what `pip config list` prints: `global.` for all of pip, `install.` for this command, `:env:.` for variables
 */
export function uvSettings(list) {
  const settings = readSettings(list);
  // Of all indices the newest that fits, as pip takes it.
  const args = ['--index-strategy', 'unsafe-best-match'];
  const [index] = settings.get('index-url') ?? [];
  if (index !== undefined) args.push('--default-index', index);
  if (['1', 'true', 'yes', 'on'].includes(settings.get('no-index')?.[0]?.toLowerCase())) args.push('--no-index');
  for (const [key, argument] of Object.entries(LISTS))
    for (const value of settings.get(key) ?? []) args.push(argument, value);
  const env = {};
  for (const [key, names] of Object.entries(VARIABLES))
    for (const name of names) if (settings.get(key)?.[0] !== undefined) env[name] = settings.get(key)[0];
  return { args, env };
}

/** The values of each setting. */
function readSettings(list) {
  const lines = [...list.matchAll(/^(global|install|:env:)\.([\w-]+)=(?:'(.*)'|"(.*)")$/gm)];
  lines.sort(([, one], [, other]) => SECTIONS.indexOf(one) - SECTIONS.indexOf(other));
  // Several lines of a file come as one, with the breaks written out.
  return new Map(
    lines.map(([, , key, value, other]) => [key, (value ?? other).replaceAll('\\n', ' ').split(/\s+/).filter(Boolean)]),
  );
}
