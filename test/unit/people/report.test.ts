import { describe, expect, it } from 'vitest';
import { chooseFaces, renderReport } from '../../../src/cli/people/report.js';
import { progressLine } from '../../../src/cli/people/scan-progress.js';
import { foundFace, personOn } from '../../support/people.js';

const tilted = (degrees: number): Float32Array =>
  Float32Array.of(Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180));

describe('the page of people, as text', () => {
  it('shows at most 24 faces of a person, from the most typical to the least', () => {
    const faces = Array.from({ length: 100 }, (_, place) => foundFace(place, 0, tilted((place * 37) % 100)));
    const [chosen = []] = chooseFaces([personOn(1, faces)]).values();
    const degrees = chosen.map(({ photo }) => (Number(photo.key) * 37) % 100);
    expect(degrees).toHaveLength(24);
    expect([degrees[0], degrees.at(-1)]).toEqual([0, 99]);
    expect([...degrees].sort((one, other) => one - other)).toEqual(degrees);
  });

  it('stays within 3000 faces, whoever many people there are', () => {
    const people = Array.from({ length: 4000 }, (_, place) => personOn(place + 1, [foundFace(1), foundFace(2)]));
    expect([...chooseFaces(people).values()].flat()).toHaveLength(3000);
    expect(renderReport({ people: people.map(entry), summary: [] }, chooseFaces(people), new Map())).toContain(
      '… and 1000 more people',
    );
  });

  it('writes names as text, whatever is in them', () => {
    const face = foundFace(1);
    const person = personOn(1, [face]);
    const evil = `"'><img src=x onerror=alert(1)>&amp;`;
    const chosen = new Map([[person, [face]]]);
    const html = renderReport({ people: [{ person, name: evil, status: evil }], summary: [evil] }, chosen, new Map());
    expect(html).not.toContain('<img src=x');
    expect(html.split('&quot;&#39;&gt;&lt;img src=x onerror=alert(1)&gt;&amp;amp;')).toHaveLength(4);
    expect(html, 'no thumbnail').toContain('<span class="none"></span>1');
  });
});

describe('the progress of a scan', () => {
  it('tells how far it is, how fast, and how long it takes yet', () => {
    const counts = { done: 25, faces: 40, cached: 5, missing: 0, failed: 1 };
    expect(progressLine(counts, 100, 5000)).toBe(
      '[=====               ] 25 of 100 photos · 5.0 photos/s · 40 faces · cached 5 · failed 1 · 15 s left',
    );
    expect(progressLine({ ...counts, done: 100 }, 100, 5000)).not.toContain('left');
  });
});

function entry(person: ReturnType<typeof personOn>): { person: typeof person; name: string; status: string } {
  return { person, name: '', status: '' };
}
