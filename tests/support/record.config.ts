import { defineConfig } from 'vitest/config';

// Its own configuration, so that no test run ever records.
export default defineConfig({
  test: { include: ['tests/support/record-histories.ts'], testTimeout: 300_000, hookTimeout: 300_000 },
});
