// Clusters made faces once, as a process of its own, so that its peak of memory is that of one method:
// node cluster-once.js <greedy|linkage> <threshold or -> <faces> <people> <seed>; prints a line of JSON.
import { clusterFaces } from 'clip-runner';
import { adjustedRandIndex, makeFaces } from './made-faces.js';

const [method, threshold, ...numbers] = process.argv.slice(2);
const [count, people, seed] = numbers.map(Number);
const { faces, truth } = makeFaces({ count, people, seed });

const before = performance.now();
const processorBefore = process.cpuUsage();
const options = threshold === '-' ? { method } : { method, threshold: Number(threshold) };
const clusters = await clusterFaces(faces, { ...options, minFaces: 1 });
const seconds = (performance.now() - before) / 1000;
const { user, system } = process.cpuUsage(processorBefore);

const found = new Array(count);
for (const [number, { members }] of clusters.entries()) for (const index of members) found[index] = number;
console.log(
  JSON.stringify({
    method,
    threshold,
    seconds,
    processorSeconds: (user + system) / 1e6,
    peakRssMiB: process.resourceUsage().maxRSS / 1024,
    adjustedRandIndex: adjustedRandIndex(truth, found),
    clusters: clusters.length,
    clustersOfTwoOrMore: clusters.filter(({ members }) => members.length > 1).length,
  }),
);
