import { describe, expect, it, onTestFinished } from 'vitest'
import type { Discovery, Resolution } from './discovery.ts'
import type { PerigeeEvent } from './event.ts'
import { GrpcTransport } from './grpc-transport.ts'
import { NearestFirst } from './nearest-first.ts'
import { PerigeeError } from './perigee-error.ts'
import { SmallSidecar } from './spec/small-sidecar.ts'

/** Names that can be given addresses, and can fail. */
class Names implements Discovery {
  readonly known: Record<string, string[] | undefined> = {}

  async resolve(region: string): Promise<Resolution> {
    const addresses = this.known[region]
    const error = addresses
      ? undefined
      : new PerigeeError(`no address for ${region}`, { code: 'UNAVAILABLE' })
    const found = (addresses ?? []).map((address) => ({ address }))
    return { addresses: found, questions: [], ignored: [], error }
  }

  close(): void {}
}

async function chooser(names: Names, regions = ['eu-west-1', 'us-east-1']) {
  const events: PerigeeEvent[] = []
  const transport = new GrpcTransport()
  const onEvent = (event: PerigeeEvent) => events.push(event)
  const options = {
    regions,
    region: 'eu-west-1',
    discovery: names,
    transport,
    connectTimeoutMs: 2_000,
    onEvent,
  }
  const made = new NearestFirst(options)
  onTestFinished(() => {
    made.close()
    transport.close()
  })
  await made.start()
  const addresses = () => made.candidates('').map(({ address }) => address)
  return { chooser: made, addresses, events }
}

async function twoSidecars() {
  const near = await SmallSidecar.start('eu-west-1')
  const far = await SmallSidecar.start('us-east-1')
  onTestFinished(async () => {
    await near.kill()
    await far.kill()
  })
  const names = new Names()
  names.known['eu-west-1'] = [near.address]
  names.known['us-east-1'] = [far.address]
  return { near, far, ...(await chooser(names)) }
}

const timeout = new PerigeeError('too late', { code: 'DEADLINE_EXCEEDED' })

describe('the nearest sidecars', () => {
  it('come first, and one that failed comes last until it was left alone for a while', async () => {
    const { near, far, chooser: nearest, addresses, events } = await twoSidecars()
    expect(addresses()).toEqual([near.address, far.address])
    const [home] = nearest.candidates('')
    if (!home) throw new Error('no candidates')
    nearest.failed(home, '', timeout, 'unreachable', 0)
    expect(addresses()).toEqual([far.address, near.address])
    expect(nearest.home).toBe('eu-west-1')
    nearest.answered(home, '')
    expect(addresses()).toEqual([far.address, near.address])
    await expect.poll(addresses, { timeout: 5_000 }).toEqual([near.address, far.address])
    const services = ['cache', 'search']
    expect(events).toMatchObject([
      { type: 'ejected', endpoint: home, services, why: 'failed' },
      { type: 'restored', endpoint: home, services },
    ])
  })

  it('are found at once too: the first in use', async () => {
    const { chooser: nearest, near, far } = await twoSidecars()
    const first = () => nearest.first('perigee.v1.SearchService')?.address
    expect(first()).toBe(near.address)
    expect(nearest.several).toBe(true)
    near.setServing('perigee.v1.SearchService', false)
    await expect.poll(first).toBe(far.address)
    expect(nearest.first('perigee.v1.CacheService')?.address).toBe(near.address)
    far.setServing('perigee.v1.SearchService', false)
    await expect.poll(first).toBeUndefined()
  })

  it('come first for what they serve', async () => {
    const { near, far, chooser: nearest, addresses } = await twoSidecars()
    const forSearches = () => nearest.candidates('perigee.v1.SearchService').map(({ address }) => address)
    await expect.poll(() => nearest.reasons.endpoints[0]?.health.search).toBe('serving')
    near.setServing('perigee.v1.SearchService', false)
    await expect.poll(forSearches).toEqual([far.address, near.address])
    expect(addresses()).toEqual([near.address, far.address])
    expect(nearest.reasons.endpoints[0]).toMatchObject({
      health: { cache: 'serving', search: 'not-serving' },
    })
    far.setServing('perigee.v1.SearchService', false)
    await expect.poll(forSearches).toEqual([near.address, far.address])
    near.setServing('perigee.v1.SearchService', true)
    far.setServing('perigee.v1.SearchService', true)
    await expect.poll(forSearches, { timeout: 5_000 }).toEqual([near.address, far.address])
  })

  it('stay where they are when all fail', async () => {
    const { near, far, chooser: nearest, addresses } = await twoSidecars()
    const [home, other] = nearest.candidates('')
    if (!home || !other) throw new Error('no candidates')
    nearest.failed(home, '', timeout, 'unreachable', 0)
    nearest.failed(other, '', timeout, 'unreachable', 0)
    expect(addresses()).toEqual([far.address, near.address])
  })

  it('of one region take turns by the calls they have under way', async () => {
    const names = new Names()
    names.known['eu-west-1'] = ['127.0.0.1:1', '127.0.0.1:2', '127.0.0.1:3']
    const { chooser: nearest } = await chooser(names, ['eu-west-1'])
    const taken = new Map<string, number>()
    for (let i = 0; i < 300; i++) {
      const [first] = nearest.candidates('')
      if (!first) throw new Error('no candidates')
      nearest.began(first)
      taken.set(first.address, (taken.get(first.address) ?? 0) + 1)
    }
    expect([...taken.values()]).toEqual([100, 100, 100])
  })

  it('keep their last good addresses while names fail, which is told', async () => {
    const names = new Names()
    names.known['eu-west-1'] = ['127.0.0.1:1']
    const { chooser: nearest, addresses, events } = await chooser(names)
    const unresolved = () => events.filter(({ type }) => type === 'discovery-failed')
    expect(unresolved()).toMatchObject([{ region: 'us-east-1' }])
    expect(nearest.explain()).toBe('no address for us-east-1')
    names.known['eu-west-1'] = undefined
    await expect
      .poll(
        async () => {
          await nearest.refresh()
          return unresolved().length
        },
        { timeout: 3_000 },
      )
      .toBeGreaterThan(1)
    expect(addresses()).toEqual(['127.0.0.1:1'])
  })

  it('are looked up again when one fails', async () => {
    const names = new Names()
    names.known['eu-west-1'] = ['127.0.0.1:1']
    const { chooser: nearest, addresses } = await chooser(names, ['eu-west-1'])
    names.known['eu-west-1'] = ['127.0.0.1:2']
    await expect
      .poll(
        () => {
          for (const endpoint of nearest.candidates('')) nearest.failed(endpoint, '', timeout, 'error', 0)
          return addresses()
        },
        { timeout: 3_000 },
      )
      .toEqual(['127.0.0.1:2', '127.0.0.1:1'])
    const [newer] = nearest.candidates('')
    if (!newer) throw new Error('no candidates')
    nearest.answered(newer, '')
    expect(addresses()).toEqual(['127.0.0.1:2'])
  })
})
