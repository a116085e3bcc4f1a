// Makes the Python environments of the tests before a test asks for them. One that can't be made is the test's to tell.
import { pythonWith } from './python-venv.mjs';

const REQUIREMENTS = ['tools/schemathesis/requirements.txt', 'tools/export/requirements.txt'];

for (const requirements of REQUIREMENTS) await pythonWith(requirements).catch(() => undefined);
