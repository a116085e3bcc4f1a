import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { readText, tableRows } from '../../support/markdown.js';

/** Names and payload fields of `RunnerEvents`: types leave no trace at run time, so the source is read. */
function eventsInCode(): Record<string, string[]> {
  const tree = ts.createSourceFile('events.ts', readText('src/events.ts'), ts.ScriptTarget.Latest, true);
  const map = tree.statements.find(
    (node): node is ts.InterfaceDeclaration => ts.isInterfaceDeclaration(node) && node.name.text === 'RunnerEvents',
  );
  if (map === undefined) throw new Error('There is no interface RunnerEvents in src/events.ts.');
  return Object.fromEntries(
    map.members.filter(ts.isPropertySignature).map(({ name, type }) => {
      if (type === undefined || !ts.isTypeLiteralNode(type))
        throw new Error(`The payload of ${name.getText()} is named.`);
      return [name.getText().slice(1, -1), type.members.map((field) => field.name?.getText() ?? '')];
    }),
  );
}

const inCode = eventsInCode();
const documented = Object.fromEntries(
  tableRows(readText('docs/events.md')).map(([event = '', payload = '']) => [
    event.slice(1, -1),
    [...payload.matchAll(/`(\w+)`/g)].map(([, field = '']) => field),
  ]),
);

describe('docs/events.md', () => {
  it('has every event of the library and no other', () => {
    expect(Object.keys(inCode).length).toBeGreaterThan(0);
    expect(Object.keys(documented).sort()).toEqual(Object.keys(inCode).sort());
  });

  it.each(Object.entries(inCode))('has the payload of %s', (event, fields) => {
    expect(documented[event]).toEqual(fields);
  });
});
