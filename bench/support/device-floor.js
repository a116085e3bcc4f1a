// The floor of a device: `session.run` on a tensor that is there already, one run after the other.
// node device-floor.js <graph> <cuda|cpu|…> <batch> <runs>; prints pictures per second.
import { InferenceSession, Tensor } from 'onnxruntime-node';

const [file, device, batchText, runsText] = process.argv.slice(2);
const [batch, runs] = [batchText, runsText].map(Number);
const executionProviders = device === 'cpu' ? ['cpu'] : [device, 'cpu'];
const session = await InferenceSession.create(file, { executionProviders, interOpNumThreads: 1, logSeverityLevel: 3 });
const [{ name, type }] = session.inputMetadata;
const size = batch * 3 * 224 * 224;
// Half precision travels as its bits; 0x3800 is 0.5.
const data = type === 'float16' ? new Uint16Array(size).fill(0x3800) : new Float32Array(size).fill(0.5);
const run = () => session.run({ [name]: new Tensor(type, data, [batch, 3, 224, 224]) });
for (let i = 0; i < 3; i++) await run();
const startedAt = performance.now();
for (let i = 0; i < runs; i++) await run();
console.log(((runs * batch) / (performance.now() - startedAt)) * 1000);
