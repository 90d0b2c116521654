import { FallbackReason } from '@perigee/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bytes, startTwoRegions, type TwoRegions, text } from '../support/two-regions.ts'
import { waitFor } from '../support/wait-for.ts'

const KEY = { namespace: 'reads', key: 'k' }
const DEADLINE_MS = 2000

let regions: TwoRegions

beforeAll(async () => {
  regions = await startTwoRegions()
  const { receipt } = await regions.us.cache.set({ ...KEY, value: bytes('kept') })
  const options = { sessionToken: receipt?.sessionToken ?? new Uint8Array() }
  await waitFor('the entry in eu-west-1', async () => {
    const answer = await regions.eu.cache.get({ ...KEY, options })
    return answer.receipt?.region === 'eu-west-1' && answer.entry
  })
})

afterAll(() => regions?.[Symbol.asyncDispose]())

async function readsOwnRegionAgain(): Promise<void> {
  await waitFor('eu-west-1 to answer by itself', async () => {
    const { entry, receipt } = await regions.eu.cache.get(KEY)
    expect(text(entry?.value)).toBe('kept')
    return receipt?.region === 'eu-west-1' && !receipt.fallback
  })
}

describe.each([
  { event: 'killed', stop: 'SIGKILL' },
  { event: 'paused', stop: 'SIGSTOP' },
] as const)('a region whose data Redis is $event', ({ stop }) => {
  it('is answered for by the primary, says so, and never misses', async () => {
    const { cluster, eu } = regions
    await cluster.stopProcess('eu-west-1', 'dataRedis', stop)
    try {
      for (let i = 0; i < 20; i++) {
        const { entry, receipt } = await eu.cache.get(KEY, { timeoutMs: DEADLINE_MS })
        expect(text(entry?.value)).toBe('kept')
        expect(receipt).toMatchObject({
          region: 'us-east-1',
          fallback: true,
          fallbackReason: FallbackReason.DATA_UNAVAILABLE,
        })
      }
    } finally {
      if (stop === 'SIGSTOP') await cluster.dataRedis('eu-west-1').kill('SIGCONT')
      else await cluster.startProcess('eu-west-1', 'dataRedis')
    }
    await readsOwnRegionAgain()
  })

  it('fails reads with DATA_UNAVAILABLE within their deadline when the primary is cut off as well', async () => {
    const { cluster, eu } = regions
    await cluster.stopProcess('eu-west-1', 'dataRedis', stop)
    await cluster.setLinks('eu-west-1', { mode: 'cut' })
    try {
      for (let i = 0; i < 3; i++) {
        const startedMs = performance.now()
        await expect(eu.cache.get(KEY, { timeoutMs: DEADLINE_MS })).rejects.toMatchObject({
          status: 'UNAVAILABLE',
          details: { reason: 'DATA_UNAVAILABLE' },
        })
        expect(performance.now() - startedMs).toBeLessThan(DEADLINE_MS)
      }
    } finally {
      await cluster.setLinks('eu-west-1', { mode: 'open' })
      if (stop === 'SIGSTOP') await cluster.dataRedis('eu-west-1').kill('SIGCONT')
      else await cluster.startProcess('eu-west-1', 'dataRedis')
    }
    await readsOwnRegionAgain()
  })
})

it('a sidecar that starts while its Redis are down answers from the primary, and by itself once they come', async () => {
  const { cluster } = regions
  for (const name of ['sidecar', 'dataRedis', 'indexRedis']) {
    await cluster.stopProcess('eu-west-1', name, 'SIGKILL')
  }
  await cluster.startProcess('eu-west-1', 'sidecar')
  const { entry, receipt } = await waitFor('an answer', () => regions.eu.cache.get(KEY))
  expect(text(entry?.value)).toBe('kept')
  expect(receipt).toMatchObject({ region: 'us-east-1', fallback: true })
  await cluster.startProcess('eu-west-1', 'dataRedis')
  await cluster.startProcess('eu-west-1', 'indexRedis')
  await readsOwnRegionAgain()
})
