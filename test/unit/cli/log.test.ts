import { describe, expect, it } from 'vitest';
import { createLog } from '../../../src/cli/log.js';

/** What is written by somebody else and stands in a message all the same. */
const HOSTILE = 'up\u001b[2J\u001b]0;title\u0007 \u009b31m\n{"level":"info","msg":"forged"}\r\u202egnp.exe \u2028end';

function linesOf(isTerminal: boolean): readonly string[] {
  let written = '';
  const log = createLog('info', { isTerminal, write: (text) => void (written += text) });
  log.warn({ photo: HOSTILE }, HOSTILE);
  log.info({ photo: 7 }, 'done');
  return written.split('\n');
}

describe.each([true, false])('security 13: a log (on a terminal: %s)', (isTerminal) => {
  it('has one line per entry and no character that a terminal obeys', () => {
    const lines = linesOf(isTerminal);
    expect(lines).toHaveLength(3);
    expect(lines.join('')).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    expect(lines[0]).toContain('\\u001b');
    expect(lines[1]).toContain('done');
  });
});

it('security 13: a line of JSON says what was meant', () => {
  const [line = ''] = linesOf(false);
  expect(JSON.parse(line)).toMatchObject({ level: 'warn', photo: HOSTILE, msg: HOSTILE });
});
