// A series of points as an SVG of its own, without a library: one line, two axes, a title.
const WIDTH = 800;
const HEIGHT = 320;
const MARGIN = { left: 64, right: 16, top: 36, bottom: 44 };

export function drawSeries(points, { title, x, y }) {
  const maxX = Math.max(...points.map((point) => point[0]), 1e-9);
  const maxY = Math.max(...points.map((point) => point[1]), 1e-9) * 1.1;
  const plotWidth = WIDTH - MARGIN.left - MARGIN.right;
  const plotHeight = HEIGHT - MARGIN.top - MARGIN.bottom;
  const atX = (value) => MARGIN.left + (value / maxX) * plotWidth;
  const atY = (value) => MARGIN.top + plotHeight - (value / maxY) * plotHeight;
  const line = points.map(([px, py]) => `${atX(px).toFixed(1)},${atY(py).toFixed(1)}`).join(' ');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">
<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>
<text x="${MARGIN.left}" y="20" font-size="14">${title}</text>
${ticks(maxY)
  .map(
    (value) =>
      `<line x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${atY(value)}" y2="${atY(value)}" stroke="#ddd"/><text x="${MARGIN.left - 8}" y="${atY(value) + 4}" text-anchor="end">${value}</text>`,
  )
  .join('\n')}
${ticks(maxX)
  .map((value) => `<text x="${atX(value)}" y="${HEIGHT - MARGIN.bottom + 18}" text-anchor="middle">${value}</text>`)
  .join('\n')}
<text x="${MARGIN.left + plotWidth / 2}" y="${HEIGHT - 8}" text-anchor="middle">${x}</text>
<text transform="translate(14 ${MARGIN.top + plotHeight / 2}) rotate(-90)" text-anchor="middle">${y}</text>
<polyline points="${line}" fill="none" stroke="#0969da" stroke-width="1.5"/>
</svg>
`;
}

/** Round numbers from zero up to `max`, about six of them. */
function ticks(max) {
  const rough = max / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough);
  return Array.from({ length: Math.floor(max / step) + 1 }, (_, place) => Number((place * step).toPrecision(6)));
}
