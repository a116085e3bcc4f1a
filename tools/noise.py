"""Pictures of noise that every language can make."""

import numpy as np


def noise(width, height):
    """A linear congruential generator: `test/support/noise.ts` makes the same."""
    state, values = 12345, np.empty(width * height * 3, np.uint8)
    for i in range(values.size):
        state = (state * 1103515245 + 12345) % 2**31
        values[i] = state >> 16 & 0xFF
    return values.reshape(height, width, 3)
