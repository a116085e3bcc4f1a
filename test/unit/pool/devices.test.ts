import { existsSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { deviceCandidates, mayLeaveProcessor } from '../../../src/pool/devices.js';

vi.mock('node:fs', { spy: true });

/** A machine on which these parts of paths exist, and no others that matter. */
function machineWith(...parts: readonly string[]): void {
  vi.mocked(existsSync).mockImplementation((path) => parts.some((part) => String(path).includes(part)));
}

const LIBRARY = 'libonnxruntime_providers_cuda.so';

beforeEach(() => {
  vi.stubEnv('CUDA_VISIBLE_DEVICES', undefined);
  vi.spyOn(process, 'platform', 'get').mockReturnValue('linux');
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

describe('auto on Linux', () => {
  it('is the processor where there is no driver for a GPU, though CUDA came with the package', () => {
    machineWith(LIBRARY);
    expect(deviceCandidates('auto')).toEqual(['cpu']);
    expect(mayLeaveProcessor('auto')).toBe(false);
  });

  it.each(['/dev/nvidiactl', '/dev/dxg'])('tries CUDA first where there is %s', (node) => {
    machineWith(LIBRARY, node);
    expect(deviceCandidates('auto')).toEqual(['cuda', 'cpu']);
    expect(mayLeaveProcessor('auto')).toBe(true);
  });

  it('stays on the processor where the library of CUDA is not there, or no GPU may be seen', () => {
    machineWith('/dev/nvidiactl');
    expect(mayLeaveProcessor('auto')).toBe(false);
    machineWith('/dev/nvidiactl', LIBRARY);
    vi.stubEnv('CUDA_VISIBLE_DEVICES', '');
    expect(mayLeaveProcessor('auto')).toBe(false);
  });
});

it('a device that is asked for is tried whatever is there', () => {
  machineWith();
  expect(deviceCandidates('cuda')).toEqual(['cuda']);
  expect(mayLeaveProcessor('cpu')).toBe(false);
});
