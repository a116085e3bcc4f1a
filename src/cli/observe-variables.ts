import { text, variable, wholeOrNone, yesOrNo, type Variable } from './variable.js';

/** The settings of those who watch a command that runs until it is told to stop. */
export const OBSERVE_VARIABLES = {
  healthPort: variable(
    'HEALTH_PORT',
    'health-port',
    '',
    wholeOrNone(0, 65_535),
    'port of /healthz, /readyz and /metrics (default: none; 0: a free one)',
  ),
  healthHost: variable('HEALTH_HOST', 'health-host', '127.0.0.1', text, 'address that the health port is on'),
  traces: variable(
    'CLIP_TRACES',
    'traces',
    '0',
    yesOrNo,
    'make OpenTelemetry spans of jobs; needs @opentelemetry/api and an SDK, e.g. by NODE_OPTIONS=--import',
  ),
} as const satisfies Record<string, Variable<unknown>>;
