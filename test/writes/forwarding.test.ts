import { afterAll, beforeAll, expect, it } from 'vitest'
import { RawClient } from '../support/clients.ts'
import { bytes, startTwoRegions, type TwoRegions, text } from '../support/two-regions.ts'
import { waitFor } from '../support/wait-for.ts'

const NAMESPACE = 'forwarding'

let regions: TwoRegions

beforeAll(async () => {
  regions = await startTwoRegions({ sidecars: 2 })
})

afterAll(() => regions?.[Symbol.asyncDispose]())

it('a forwarded write whose answer is lost is OUTCOME_UNKNOWN before its deadline, and done once when sent again with its id', async () => {
  const { cluster, us, eu } = regions
  const place = { namespace: NAMESPACE, key: 'lost' }
  const request = { ...place, value: bytes('1'), options: { requestId: 'lost-1' } }
  const delayed = { delayMs: 300 }
  await cluster.setLink('us-east-1', 'eu-west-1', delayed)
  const startedMs = performance.now()
  const first = eu.cache.set(request, { timeoutMs: 1500 })
  await waitFor('the primary to have it', async () => (await us.cache.get(place)).entry)
  await cluster.setLink('us-east-1', 'eu-west-1', { mode: 'stall' })
  await expect(first).rejects.toMatchObject({ status: 'UNAVAILABLE', details: { reason: 'OUTCOME_UNKNOWN' } })
  expect(performance.now() - startedMs).toBeLessThan(1500)

  await us.cache.set({ ...place, value: bytes('2') })
  await cluster.setLink('us-east-1', 'eu-west-1', { mode: 'open', delayMs: 0 })
  const again = await waitFor('an answer', () => eu.cache.set(request))
  const { entry } = await us.cache.get(place)
  expect(text(entry?.value)).toBe('2')
  expect(Number(entry?.version.split('-')[1])).toBe(Number(again.version.split('-')[1]) + 1)
})

it('forwarded writes that were done before the primary was cut off are never said not to have been done', async () => {
  const { cluster, us, eu } = regions
  const places = Array.from({ length: 10 }, (_, i) => ({ namespace: NAMESPACE, key: `before-the-cut-${i}` }))
  await cluster.setLink('us-east-1', 'eu-west-1', { delayMs: 1000 })
  const outcomes = places.map((place, i) =>
    eu.cache.set({ ...place, value: bytes('1'), options: { requestId: `before-the-cut-${i}` } }).then(
      () => 'done',
      (error) => error.details.reason,
    ),
  )
  await waitFor('the primary to have them all', async () => {
    const entries = await Promise.all(places.map((place) => us.cache.get(place)))
    return entries.every(({ entry }) => entry)
  })
  await cluster.setLinks('eu-west-1', { mode: 'cut' })
  const told = await Promise.all(outcomes)
  await cluster.setLinks('eu-west-1', { mode: 'open', delayMs: 0 })
  expect(new Set(told)).toEqual(new Set(['OUTCOME_UNKNOWN']))
  await waitFor('a write', () => eu.cache.set({ namespace: NAMESPACE, key: 'after' }))
})

it('a write to a region that is cut off fails with NO_PRIMARY, having done nothing, and succeeds once the cut heals', async () => {
  const { cluster, us, eu } = regions
  await cluster.setLinks('eu-west-1', { mode: 'cut' })
  const write = { namespace: NAMESPACE, key: 'cut', value: bytes('1') }
  await waitFor('the cut to be noticed', async () => {
    const reason = await eu.cache.set(write, { timeoutMs: 2000 }).then(
      () => 'done',
      (error) => error.details.reason,
    )
    expect(['NO_PRIMARY', 'OUTCOME_UNKNOWN']).toContain(reason)
    return reason === 'NO_PRIMARY'
  })
  expect((await us.cache.get(write)).entry).toBeUndefined()
  await cluster.setLinks('eu-west-1', { mode: 'open' })
  await waitFor('a write', () => eu.cache.set(write))
})

it("when one of the primary's sidecars is killed the other takes the writes, under the same claim", async () => {
  const { cluster, us, eu } = regions
  const before = await us.cache.set({ namespace: NAMESPACE, key: 'k' })
  const second = cluster.state().regions[0]?.sidecars[1]
  using other = new RawClient(second?.grpc ?? '')
  await cluster.stopProcess('us-east-1', 'sidecar', 'SIGKILL')
  // Longer than a lease, so that it is the other one that keeps the claim up.
  const until = Date.now() + 2500
  await waitFor('a lease to pass under writes', async () => {
    const direct = await other.cache.set({ namespace: NAMESPACE, key: 'k' })
    expect(direct.version.split('-')[0]).toBe(before.version.split('-')[0])
    return Date.now() > until
  })
  const forwarded = await waitFor('a forwarded write', () => eu.cache.set({ namespace: NAMESPACE, key: 'k' }))
  expect(forwarded.version.split('-')[0]).toBe(before.version.split('-')[0])
  await cluster.startProcess('us-east-1', 'sidecar')
})
