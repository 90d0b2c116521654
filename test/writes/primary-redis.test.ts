import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { bytes, startTwoRegions, type TwoRegions, text } from '../support/two-regions.ts'
import { waitFor } from '../support/wait-for.ts'

const NAMESPACE = 'writes'

let regions: TwoRegions

beforeAll(async () => {
  regions = await startTwoRegions()
})

afterAll(() => regions?.[Symbol.asyncDispose]())

const seqOf = (version: string) => Number(version.split('-')[1])
const epochOf = (version: string) => Number(version.split('-')[0])

it('a primary Redis that is killed and restarted is claimed anew: seq goes on, tokens stay good, nothing is gone', async () => {
  const { cluster, us, eu } = regions
  const before = await us.cache.set({ namespace: NAMESPACE, key: 'k', value: bytes('before') })
  await cluster.stopProcess('us-east-1', 'dataRedis', 'SIGKILL')
  await expect(us.cache.set({ namespace: NAMESPACE, key: 'k' })).rejects.toMatchObject({
    status: 'UNAVAILABLE',
  })
  await expect(eu.cache.set({ namespace: NAMESPACE, key: 'k' })).rejects.toMatchObject({
    status: 'UNAVAILABLE',
  })
  await cluster.startProcess('us-east-1', 'dataRedis')
  const sessionToken = before.receipt?.sessionToken ?? new Uint8Array()
  const request = { namespace: NAMESPACE, key: 'k', options: { sessionToken } }
  const after = await waitFor('a write', () => eu.cache.set({ ...request, value: bytes('after') }))
  expect(epochOf(after.version)).toBeGreaterThan(epochOf(before.version))
  expect(seqOf(after.version)).toBe(seqOf(before.version) + 1)
  const options = { sessionToken: after.receipt?.sessionToken ?? new Uint8Array() }
  await waitFor('eu-west-1 to answer', async () => {
    const { entry } = await eu.cache.get({ namespace: NAMESPACE, key: 'k', options })
    return text(entry?.value) === 'after'
  })
})

it('writes that waited in a paused primary Redis are not done when it wakes after their deadline', async () => {
  const { cluster, us, eu } = regions
  const { version } = await us.cache.set({ namespace: NAMESPACE, key: 'paused', value: bytes('first') })
  await cluster.stopProcess('us-east-1', 'dataRedis', 'SIGSTOP')
  const startedMs = performance.now()
  const late = Array.from({ length: 20 }, (_, i) => {
    const side = i % 2 === 0 ? us : eu
    const write = { namespace: NAMESPACE, key: 'paused', value: bytes(`late ${i}`) }
    return side.cache.set(write, { timeoutMs: 800 }).then(
      () => 'acknowledged',
      (error) => error.status,
    )
  })
  const outcomes = await Promise.all(late)
  expect(outcomes).not.toContain('acknowledged')
  expect(outcomes).toContain('UNAVAILABLE')
  expect(performance.now() - startedMs).toBeLessThan(1500)
  // A deadline travels as the time left, so a busy sidecar counts it from a little later than the caller.
  await pause(300)
  await cluster.dataRedis('us-east-1').kill('SIGCONT')
  const next = await waitFor('a write', () => us.cache.set({ namespace: NAMESPACE, key: 'next' }))
  expect(seqOf(next.version)).toBe(seqOf(version) + 1)
  const { entry } = await us.cache.get({ namespace: NAMESPACE, key: 'paused' })
  expect(text(entry?.value)).toBe('first')
})

it('writes that waited in a paused primary Redis are not done when it wakes after its lease', async () => {
  const { cluster, us } = regions
  const { version } = await us.cache.set({ namespace: NAMESPACE, key: 'lease', value: bytes('first') })
  await cluster.stopProcess('us-east-1', 'dataRedis', 'SIGSTOP')
  const late = Array.from({ length: 20 }, (_, i) => {
    const write = { namespace: NAMESPACE, key: 'lease', value: bytes(`late ${i}`) }
    return us.cache.set(write, { timeoutMs: 30_000 }).then(
      () => 'acknowledged',
      (error) => error.details.reason,
    )
  })
  // The sidecar gives a silent Redis up when the lease is over, so the writes have been in it for that long.
  expect(new Set(await Promise.all(late))).toEqual(new Set(['OUTCOME_UNKNOWN']))
  await cluster.dataRedis('us-east-1').kill('SIGCONT')
  const next = await waitFor('a write', () => us.cache.set({ namespace: NAMESPACE, key: 'next' }))
  expect(epochOf(next.version)).toBeGreaterThan(epochOf(version))
  expect(seqOf(next.version)).toBe(seqOf(version) + 1)
  const { entry } = await us.cache.get({ namespace: NAMESPACE, key: 'lease' })
  expect(text(entry?.value)).toBe('first')
})

it('a write that is sent again with its request id is done once, across kills of both sidecars', async () => {
  const { cluster, us, eu } = regions
  const request = { namespace: NAMESPACE, key: 'once', value: bytes('1'), options: { requestId: 'r' } }
  const first = await eu.cache.set(request)
  const overwritten = await us.cache.set({ namespace: NAMESPACE, key: 'once', value: bytes('2') })
  for (const region of ['us-east-1', 'eu-west-1']) {
    await cluster.stopProcess(region, 'sidecar', 'SIGKILL')
    await cluster.startProcess(region, 'sidecar')
  }
  const again = await waitFor('an answer', () => eu.cache.set(request))
  expect(again.version).toBe(first.version)
  const { entry } = await us.cache.get({ namespace: NAMESPACE, key: 'once' })
  expect(text(entry?.value)).toBe('2')
  expect(entry?.version).toBe(overwritten.version)
})

it('a sidecar that is told to end finishes the writes it has taken', async () => {
  const { cluster, us } = regions
  const outcomes: Promise<string>[] = []
  let sent = 0
  const sending = setInterval(() => {
    const write = { namespace: NAMESPACE, key: `drain-${sent++}`, value: bytes('x') }
    outcomes.push(
      us.cache.set(write).then(
        () => 'done',
        (error) => `${error.status} ${error.message}`,
      ),
    )
  }, 2)
  await waitFor('some writes', () => outcomes.length > 50)
  await cluster.stopProcess('us-east-1', 'sidecar', 'SIGTERM')
  clearInterval(sending)
  const settled = await Promise.all(outcomes)
  expect(settled).toContain('done')
  // What wasn't done was refused before it was taken, so nobody is left to guess.
  for (const outcome of settled) {
    if (outcome !== 'done')
      expect(outcome).toMatch(/^UNAVAILABLE (No connection established|.*ECONNREFUSED|.*shutting down)/)
  }
  expect(cluster.logTail('us-east-1', 'sidecar')).toContain('"msg":"stopped"')
  await cluster.startProcess('us-east-1', 'sidecar')
  await waitFor('a write', () => us.cache.set({ namespace: NAMESPACE, key: 'k' }))
})
