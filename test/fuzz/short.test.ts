import { describe, expect, it } from 'vitest'
import { FUZZERS, fuzz, toldResult } from './run.ts'

/** Another one each day: CI comes by more inputs than one seed has. */
const SEED = Number(process.env.PERIGEE_FUZZ_SEED ?? Math.floor(Date.now() / 86_400_000))
const SHORT_MS = 24_000

describe('two minutes, a fifth each, of random and damaged inputs', () => {
  it.each(FUZZERS)(
    '%s: nothing crashes, hangs, answers INTERNAL or UNKNOWN, or leaks more than 50 MiB',
    async (name) => {
      const result = await fuzz({ name, seed: SEED, lastsMs: SHORT_MS })
      const told = toldResult(name, result)
      process.stdout.write(`seed ${SEED}, ${told}\n`)
      expect(result.findings, told).toEqual([])
      expect(result.cases, told).toBeGreaterThan(5)
    },
  )
})
