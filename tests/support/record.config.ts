import { defineConfig } from 'vitest/config';

// A configuration of its own, so that no test run ever records.
export default defineConfig({
  test: { include: ['tests/support/record-histories.ts'], testTimeout: 300_000, hookTimeout: 300_000 },
});
