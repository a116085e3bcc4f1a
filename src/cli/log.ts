import { pino, type Logger } from 'pino';
import { escapeControls } from './escape-controls.js';

export type Log = Logger;

/**
 * One JSON line per entry on stderr; on a terminal a line for people instead. Values are ids, names, codes and counts:
 * no paths, texts or tokens. What others wrote (a field of a job, a server's answer) can't move the cursor or forge lines.
 */
export function createLog(level: string, stream: LogStream): Log {
  const render = stream.isTerminal ? readable : (line: string) => line.trimEnd();
  const destination = { write: (line: string) => stream.write(`${escapeControls(render(line))}\n`) };
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
}

export interface LogStream {
  readonly isTerminal: boolean;
  write(text: string): void;
}

/** `18:30:01 warn  the sink is down  code=HTTP_UNAVAILABLE` */
function readable(line: string): string {
  const { level, time, msg, ...rest } = JSON.parse(line) as { level: string; time: string; msg?: string };
  const facts = Object.entries(rest).map(
    ([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  return [time.slice(11, 19), level.padEnd(5), msg ?? '', ...(facts.length === 0 ? [] : [' ' + facts.join(' ')])].join(
    ' ',
  );
}
