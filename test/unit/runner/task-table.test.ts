import { describe, expect, it } from 'vitest';

import type { Job } from '../../../src/job.js';
import type { ThreadUnit } from '../../../src/pool/protocol.js';
import { TaskTable } from '../../../src/task-table.js';

const job = (facts: Partial<Job>): Job => ({
  type: 'photo',
  id: '1',
  tasks: ['clip'],
  input: { kind: 'image', path: 'x' },
  fields: {},
  ...facts,
});
const unit = (task: string, label: string): ThreadUnit => ({ task, label, device: 'cpu', maxBatch: 8 });
const text = { kind: 'text', text: 'a cat' } as const;

function makeTable(): TaskTable {
  const table = new TaskTable(['clip', 'face', 'text']);
  table.setUnits([unit('clip', 'L'), unit('clip', 'B'), unit('face', 'f'), unit('text', 'L'), unit('text', 'B')]);
  return table;
}

describe('TaskTable.planOf', () => {
  it('says what is to be done, once for all jobs that ask for the same', () => {
    const table = makeTable();
    const plan = table.planOf(job({ tasks: ['face', 'clip'] }));
    expect(plan.unitNames).toEqual(['clip/L', 'clip/B', 'face/f']);
    expect(plan.taskNames).toEqual(['clip', 'face']);
    expect(table.planOf(job({ id: '2', tasks: ['face', 'clip'] }))).toBe(plan);
  });

  it('tells apart what differs in tasks, in the model or in the kind of input', () => {
    const table = makeTable();
    const namesOf = (facts: Partial<Job>): readonly string[] => table.planOf(job(facts)).unitNames;
    expect(namesOf({ tasks: ['clip'] })).toEqual(['clip/L', 'clip/B']);
    expect(namesOf({ tasks: ['clip', 'face'] })).toEqual(['clip/L', 'clip/B', 'face/f']);
    expect(namesOf({ tasks: ['face'] })).toEqual(['face/f']);
    expect(namesOf({ tasks: [] })).toEqual([]);
    expect(namesOf({ tasks: ['text'], input: text })).toEqual(['text/L', 'text/B']);
    expect(namesOf({ tasks: ['text'], input: text, model: null })).toEqual(['text/L']);
    expect(namesOf({ tasks: ['text'], input: text, model: 'B' })).toEqual(['text/B']);
    expect(() => namesOf({ tasks: ['text'], input: text, model: 'C' })).toThrow(/no model "C"/);
    expect(namesOf({ tasks: ['text'], input: text, model: 'B' })).toEqual(['text/B']);
    expect(namesOf({ tasks: ['text'] })).toEqual([]);
  });

  it('keeps no plan of units that are gone', () => {
    const table = makeTable();
    table.planOf(job({}));
    table.setUnits([unit('clip', 'H')]);
    expect(table.planOf(job({})).unitNames).toEqual(['clip/H']);
  });
});
