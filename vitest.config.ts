import { defineConfig } from 'vitest/config'

const processSuites = ['{src,test,scripts,functional_test,bench}/**/*.process.test.ts']

/** Time limits only catch what hangs. */
const hangMs = 180_000

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{src,test,scripts,functional_test,bench}/**/*.test.ts'],
          exclude: processSuites,
          testTimeout: hangMs,
          hookTimeout: hangMs,
        },
      },
      {
        // Real processes and a real nsqd: one file at a time, or two cores starve each other.
        test: {
          name: 'process',
          include: processSuites,
          fileParallelism: false,
          testTimeout: 2 * hangMs,
          hookTimeout: 2 * hangMs,
        },
      },
    ],
  },
})
