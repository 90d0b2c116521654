import { defineConfig } from 'vitest/config'

const report = process.env.PERIGEE_TEST_REPORT
// CI's machine is shared: a whole-process test whose time ran out beside others' work may have another try, and the report
// says so (`retry x1`). By hand there is none, so that what is wrong now and then shows.
const retry = Number(process.env.PERIGEE_TEST_RETRIES ?? 0)
/** Whole-process tests that mostly wait: for a failover, for a process to be back. */
const waiting = [
  'test/failover/**/*.test.ts',
  'test/upgrade/*.test.ts',
  'test/index/{killed,lost-history}.test.ts',
  'test/writes/replicated-kills.test.ts',
]
/** Whole-process tests that hold what they measure against limits of time or memory: they have the machine to themselves. */
const measured = [
  'test/acceptance/*.test.ts',
  'test/chaos/*.test.ts',
  'test/local-cluster/replication.test.ts',
  'test/sdk/{balance,dns,drain,exit,faults,nearest}.test.ts',
  'test/security/{connections,messages,rates,slow-callers}.test.ts',
  'test/sessions/staleness.test.ts',
  'test/status/region-status.test.ts',
  'test/writes/forwarding.test.ts',
]
const patience = { testTimeout: 120_000, hookTimeout: 120_000, retry }

export default defineConfig({
  test: {
    reporters: report ? ['default', ['json', { outputFile: report }]] : ['default'],
    projects: [
      {
        test: {
          name: 'unit',
          globalSetup: 'test/support/fetch-redis.ts',
          include: [
            'packages/*/src/**/*.spec.ts',
            'apps/*/src/**/*.spec.ts',
            'test/checker/*.spec.ts',
            'bench/**/*.spec.ts',
          ],
          testTimeout: 20_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        // The SDK's specs once more, against sidecars without Multiplex.
        test: {
          name: 'unary',
          include: ['packages/sdk/src/{cache,failover,hedged-read,perigee,session,vector-index}.spec.ts'],
          env: { PERIGEE_SPEC_SIDECARS: 'unary' },
          testTimeout: 20_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: 'measured',
          globalSetup: 'test/support/fetch-redis.ts',
          include: measured,
          ...patience,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'whole',
          globalSetup: 'test/support/fetch-redis.ts',
          include: ['test/**/*.test.ts'],
          exclude: [...measured, ...waiting],
          ...patience,
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          name: 'waiting',
          globalSetup: 'test/support/fetch-redis.ts',
          include: waiting,
          ...patience,
          maxWorkers: 3,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
})
