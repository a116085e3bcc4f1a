import { parser } from '@prometheus-io/lezer-promql';
import { Registry, collectDefaultMetrics } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { RUNNER_METRICS, SERVICE_METRICS, type MetricFacts } from '../../../src/observe/metric-table.js';
import { codeBlocks, readText, tableRows } from '../../support/markdown.js';

const METRICS: readonly MetricFacts[] = [...Object.values(RUNNER_METRICS), ...Object.values(SERVICE_METRICS)];
const DOCUMENT = readText('docs/observability.md');

/** Labels that Prometheus adds, and the histogram's own. */
const FURTHER_LABELS = ['instance', 'job', 'le'];

/** Every name that a query may use, with its labels. */
const series = new Map<string, readonly string[]>(
  METRICS.flatMap(({ name, kind, labels }): [string, readonly string[]][] => {
    const names = kind === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name];
    return names.map((one) => [one, [...labels, ...FURTHER_LABELS]]);
  }),
);
const register = new Registry();
collectDefaultMetrics({ register });
for (const { name } of await register.getMetricsAsJSON()) series.set(name, FURTHER_LABELS);

interface Query {
  readonly isSound: boolean;
  readonly names: readonly string[];
  readonly labels: readonly string[];
}

/** What a query names, by the grammar that Prometheus' own page uses. */
function readQuery(text: string): Query {
  const names: string[] = [];
  const labels: string[] = [];
  let isSound = true;
  // Grafana fills its variables in before Prometheus sees the query.
  const query = text.replaceAll('$__rate_interval', '5m');
  parser.parse(query).iterate({
    enter: ({ type, from, to, node }) => {
      const word = query.slice(from, to);
      if (type.isError) isSound = false;
      if (type.name === 'Identifier' && node.parent?.name === 'VectorSelector') names.push(word);
      if (type.name === 'LabelName') labels.push(word);
    },
  });
  return { isSound, names, labels };
}

function checkQuery(text: string): readonly string[] {
  const { isSound, names, labels } = readQuery(text);
  expect(isSound, text).toBe(true);
  expect(names.length, text).toBeGreaterThan(0);
  for (const name of names) expect([...series.keys()], text).toContain(name);
  // A query may join several metrics; each label must be one of some of them.
  const known = names.flatMap((name) => series.get(name) ?? []);
  for (const label of labels) expect(known, text).toContain(label);
  return names;
}

const base = (name: string): string => name.replace(/_(bucket|sum|count)$/, '');

it('queries are read: broken ones, unknown metrics and labels are found', () => {
  for (const wrong of [
    'sum by (queue (clip_runner_jobs_total)',
    'clip_runner_nothing',
    'sum by (photo) (clip_runner_ready)',
  ])
    expect(() => checkQuery(wrong), wrong).toThrow();
  expect(checkQuery('sum by (queue) (rate(clip_runner_jobs_total{state="done"}[$__rate_interval]))')).toHaveLength(1);
});

describe('docs/observability.md', () => {
  it('has every metric of the code with its kind, labels and meaning, and no other', () => {
    const rows = tableRows(DOCUMENT).filter(([name = '']) => name.startsWith('`clip_runner_'));
    const documented = rows.map(([name = '', kind, labels = '', meaning]) => ({
      name: name.slice(1, -1),
      kind,
      labels: [...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label),
      help: meaning,
    }));
    const inCode = METRICS.map(({ name, kind, labels, help }) => ({ name, kind, labels, help }));
    expect(documented).toEqual(inCode);
  });

  it('has queries that can be asked', () => {
    const queries = codeBlocks(DOCUMENT).filter(({ language }) => language === 'promql');
    expect(queries.length).toBeGreaterThan(0);
    for (const { code } of queries) checkQuery(code);
  });
});

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string; readonly refId: string }[];
}

describe('deploy/grafana/clip-runner.json', () => {
  const dashboard = JSON.parse(readText('deploy/grafana/clip-runner.json')) as {
    readonly panels: readonly Panel[];
    readonly templating: { readonly list: readonly { readonly name: string }[] };
  };
  const charts = dashboard.panels.filter(({ type }) => type !== 'row');
  const queries = charts.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));

  it('asks only for metrics and labels that there are', () => {
    expect(queries.length).toBeGreaterThan(30);
    for (const query of queries) checkQuery(query);
  });

  it('shows every metric of the code', () => {
    const shown = new Set(queries.flatMap((query) => readQuery(query).names.map(base)));
    expect(METRICS.map(({ name }) => name).filter((name) => !shown.has(name))).toEqual([]);
  });

  it('uses only variables that it has, and each panel is there once, in a place of its own', () => {
    const variables = dashboard.templating.list.map(({ name }) => name);
    for (const [, name = ''] of JSON.stringify(dashboard).matchAll(/\$\{?(\w+)/g))
      if (name !== '__rate_interval') expect(variables).toContain(name);
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, index) => `${x + (index % w)}/${y + Math.floor(index / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    for (const { gridPos } of dashboard.panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
  });
});

describe('deploy/prometheus/clip-runner.rules.yaml', () => {
  const { groups } = parse(readText('deploy/prometheus/clip-runner.rules.yaml')) as {
    readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[];
  };
  const rules = groups.flatMap((group) => group.rules);

  it.each(rules.map(({ alert, expr }) => [alert, expr]))('%s can be asked', (_, expr) => {
    checkQuery(expr);
  });

  it('has its alerts explained in docs/observability.md, and no other', () => {
    const explained = tableRows(DOCUMENT).filter(([name = '']) => name.startsWith('`ClipRunner'));
    expect(explained.map(([name = '']) => name.slice(1, -1))).toEqual(rules.map(({ alert }) => alert));
  });
});
