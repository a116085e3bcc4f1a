/** What the terminals that understand links (OSC 8) set; others might print the escape codes. */
const TELLTALES: readonly (readonly [variable: string, value: RegExp])[] = [
  ['TERM_PROGRAM', /^(iTerm\.app|WezTerm|vscode|ghostty|Hyper|Tabby)$/],
  ['TERM', /kitty|alacritty|ghostty|foot|wezterm/],
  // GNOME Terminal and its relatives, from 0.50 on.
  ['VTE_VERSION', /^([5-9]\d{3}|\d{5,})$/],
  ['WT_SESSION', /./],
  ['KONSOLE_VERSION', /./],
  ['DOMTERM', /./],
];

/** Whether links may be written; `FORCE_HYPERLINK` (0 or 1) decides over all else. */
export function understandsLinks(isTerminal: boolean, env: NodeJS.ProcessEnv): boolean {
  const forced = env['FORCE_HYPERLINK'];
  if (forced !== undefined && forced !== '') return forced !== '0';
  if (!isTerminal || env['TERM'] === 'dumb') return false;
  return TELLTALES.some(([variable, value]) => value.test(env[variable] ?? ''));
}

/** `text` as a link. `url` must be a parsed URL's `href`: that holds no control characters. */
export function terminalLink(url: string, text: string): string {
  return `\u001b]8;;${url}\u001b\\${text}\u001b]8;;\u001b\\`;
}
