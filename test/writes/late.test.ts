import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { bytes, startTwoRegions, type TwoRegions, text } from '../support/two-regions.ts'
import { waitFor } from '../support/wait-for.ts'

const NAMESPACE = 'late'
const PATIENCE_MS = 400

let regions: TwoRegions

beforeAll(async () => {
  regions = await startTwoRegions()
})

afterAll(() => regions?.[Symbol.asyncDispose]())

const place = (key: string) => ({ namespace: NAMESPACE, key })

async function textOf(key: string): Promise<string | undefined> {
  return text((await regions.us.cache.get(place(key))).entry?.value)
}

/** Sends a write that its caller gives up before anyone can take it, and waits for that. */
async function sendInVain(side: 'us' | 'eu', key: string, options = {}): Promise<void> {
  const request = { ...place(key), value: bytes('late'), options }
  const given = regions[side].cache.set(request, { timeoutMs: PATIENCE_MS })
  await expect(given).rejects.toMatchObject({
    status: expect.stringMatching(/UNAVAILABLE|DEADLINE_EXCEEDED/),
  })
  await pause(PATIENCE_MS)
}

/** Once this is answered, whatever was sent before it has been taken or dropped. */
async function settle(side: 'us' | 'eu'): Promise<void> {
  await waitFor('a write', () => regions[side].cache.set(place('next'), { timeoutMs: 2000 }))
  await regions[side].cache.set(place('next'))
}

it('a write that waited on a stalled link is not done once its caller has given it up', async () => {
  const { cluster, us } = regions
  for (let i = 0; i < 5; i++) {
    await cluster.setLink('eu-west-1', 'us-east-1', { mode: 'stall' })
    await sendInVain('eu', `link${i}`)
    await us.cache.set({ ...place(`link${i}`), value: bytes('after') })
    await cluster.setLink('eu-west-1', 'us-east-1', { mode: 'open' })
    await settle('eu')
    expect(await textOf(`link${i}`)).toBe('after')
  }
})

it('a write that waited in a paused sidecar is not done once its caller has given it up', async () => {
  const { cluster } = regions
  for (let i = 0; i < 5; i++) {
    await cluster.stopProcess('us-east-1', 'sidecar', 'SIGSTOP')
    await sendInVain('us', `paused${i}`)
    await cluster.stopProcess('us-east-1', 'sidecar', 'SIGCONT')
    await settle('us')
    expect(await textOf(`paused${i}`)).toBeUndefined()
  }
})

it('a late twin of a write that was sent again changes nothing', async () => {
  const { cluster, us } = regions
  const options = { requestId: 'twin' }
  await cluster.setLink('eu-west-1', 'us-east-1', { mode: 'stall' })
  // The first attempt has time left when the link heals; its twin, and a later write, are faster.
  const first = regions.eu.cache.set({ ...place('twin'), value: bytes('1'), options }, { timeoutMs: 8000 })
  await pause(200)
  const twin = await us.cache.set({ ...place('twin'), value: bytes('1'), options })
  const later = await us.cache.set({ ...place('twin'), value: bytes('2') })
  await cluster.setLink('eu-west-1', 'us-east-1', { mode: 'open' })
  expect((await first).version).toBe(twin.version)
  const { entry } = await us.cache.get(place('twin'))
  expect(entry?.version).toBe(later.version)
  expect(text(entry?.value)).toBe('2')
})

it('a request id that comes with another body is refused, and the first write stays', async () => {
  const { us, eu } = regions
  const options = { requestId: 'one-body' }
  const sent = { ...place('body'), value: bytes('1'), options }
  const { version, receipt } = await us.cache.set(sent)
  await expect(us.cache.set({ ...sent, value: bytes('2') })).rejects.toMatchObject({
    status: 'INVALID_ARGUMENT',
    details: { reason: 'INVALID_FIELD', fields: [{ field: 'options.request_id' }] },
  })
  expect(await textOf('body')).toBe('1')
  // What the session has seen meanwhile is no part of the body.
  const sessionToken = receipt?.sessionToken ?? new Uint8Array()
  const again = await eu.cache.set({ ...sent, options: { ...options, sessionToken } })
  expect(again.version).toBe(version)
})
