import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { poolEarly } from './models/early-pooling.js';
import { fuseOperators } from './models/fuse-operators.js';
import { areWeightsAligned } from './models/packed-weights.js';
import { saveOptimizedGraph } from './pool/session.js';

/**
 * The entry of the process that makes one graph ready for this machine: `prepare.js <graph> <target> <weights>`, the last a
 * name beside the target. A process of its own, because the memory that this takes is given back only with the process.
 */
const [file = '', target = '', weights = ''] = process.argv.slice(2);
// The exit code tells a failure, and the message on stderr why.
const graph = fuseOperators(file) ?? file;
await saveOptimizedGraph(graph, target, weights);
if (!areWeightsAligned(target)) {
  for (const made of [target, path.join(path.dirname(target), weights)]) rmSync(made);
  await saveOptimizedGraph(graph, target, weights, false);
}
const pooledEarly = poolEarly(target);
if (pooledEarly !== undefined) writeFileSync(target, pooledEarly);
