import { defineConfig } from 'vitest/config';

// Unit tests sit beside their source and need no server; `tests/` starts real processes, one file of a project at a time,
// because two cores are shared by Temporal, Postgres and PyTorch. `servers` is apart from `process` so that the two lanes of
// `scripts/test.mjs` take as long as each other.
const servers = [
  'tests/process/stack/**/*.test.ts',
  'tests/process/ledger/**/*.test.ts',
  'tests/process/cli/**/*.test.ts',
];

export default defineConfig({
  test: {
    projects: [
      // property tests take seconds, and longer next to other work
      { test: { name: 'unit', include: ['src/**/*.test.ts', 'tests/unit/**/*.test.ts'], testTimeout: 60_000 } },
      {
        test: {
          name: 'process',
          include: ['tests/process/**/*.test.ts'],
          exclude: servers,
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: 'servers',
          include: servers,
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: 'full',
          include: ['tests/full/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 1_800_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
});
