// createRunner() with the task `face`, asked with detectFaces(), as a process of its own: node face-runner.js <pack folder> [full | reduced] [threads].
// Reads `{"files": [...]}` from each line of the input and answers with a line `{seconds, processorSeconds, photos}`; vectors are
// float32 in base64, so that the answer itself takes little memory.
import { createInterface } from 'node:readline';
import { createRunner } from 'clip-runner';

const [faceModel, faceDecode = 'full', threads] = process.argv.slice(2);
const runner = createRunner({
  tasks: ['face'],
  faceModel,
  faceDecode,
  device: 'cpu',
  threads: threads === undefined ? undefined : Number(threads),
});
await runner.start();
console.log('ready');
for await (const line of createInterface({ input: process.stdin })) {
  const { files } = JSON.parse(line);
  const startedAt = performance.now();
  const startedProcessor = process.cpuUsage();
  const photos = await runner.detectFaces(files);
  const seconds = (performance.now() - startedAt) / 1000;
  const { user, system } = process.cpuUsage(startedProcessor);
  const described = photos.map((faces) =>
    faces.map(({ box: { x1, y1, x2, y2 }, embedding }) => ({ box: [x1, y1, x2, y2], embedding: base64Of(embedding) })),
  );
  console.log(JSON.stringify({ seconds, processorSeconds: (user + system) / 1e6, photos: described }));
}
await runner.stop();

function base64Of({ buffer, byteOffset, byteLength }) {
  return Buffer.from(buffer, byteOffset, byteLength).toString('base64');
}
