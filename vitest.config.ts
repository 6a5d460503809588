import { defineConfig } from 'vitest/config'

const processSuites = ['{src,test,scripts,functional_test,bench}/**/*.process.test.ts']

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: 'unit',
          include: ['{src,test,scripts,functional_test,bench}/**/*.test.ts'],
          exclude: processSuites,
          testTimeout: 15_000,
        },
      },
      {
        // Real processes and a real nsqd: one file at a time, or two cores starve each other.
        test: {
          name: 'process',
          include: processSuites,
          fileParallelism: false,
          testTimeout: 90_000,
          hookTimeout: 90_000,
        },
      },
    ],
  },
})
