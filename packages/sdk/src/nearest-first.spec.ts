import { describe, expect, it, onTestFinished } from 'vitest'
import type { Discovery, Resolution } from './discovery.ts'
import type { PerigeeEvent } from './event.ts'
import { GrpcTransport } from './grpc-transport.ts'
import { NearestFirst } from './nearest-first.ts'
import { PerigeeError } from './perigee-error.ts'

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
    connectTimeoutMs: 100,
    onEvent,
  }
  const made = new NearestFirst(options)
  onTestFinished(() => {
    made.close()
    transport.close()
  })
  await made.start()
  const addresses = () => made.candidates().map(({ address }) => address)
  return { chooser: made, addresses, events }
}

describe('the nearest sidecars', () => {
  it('come first, and one that failed comes last until its time is over', async () => {
    const names = new Names()
    names.known['eu-west-1'] = ['10.0.0.1:7700']
    names.known['us-east-1'] = ['10.0.1.1:7700']
    const { chooser: nearest, addresses } = await chooser(names)
    expect(addresses()).toEqual(['10.0.0.1:7700', '10.0.1.1:7700'])
    const [home] = nearest.candidates()
    if (!home) throw new Error('no candidates')
    nearest.failed(home)
    expect(addresses()).toEqual(['10.0.1.1:7700', '10.0.0.1:7700'])
    expect(nearest.home).toBe('eu-west-1')
    await expect.poll(addresses).toEqual(['10.0.0.1:7700', '10.0.1.1:7700'])
    nearest.failed(home)
    nearest.succeeded(home)
    expect(addresses()).toEqual(['10.0.0.1:7700', '10.0.1.1:7700'])
  })

  it('keep their last good addresses while names fail, which is told', async () => {
    const names = new Names()
    names.known['eu-west-1'] = ['10.0.0.1:7700']
    const { chooser: nearest, addresses, events } = await chooser(names)
    expect(events).toMatchObject([{ type: 'discovery-failed', region: 'us-east-1' }])
    expect(nearest.explain()).toBe('no address for us-east-1')
    names.known['eu-west-1'] = undefined
    await expect
      .poll(
        async () => {
          await nearest.refresh()
          return events.length
        },
        { timeout: 3_000 },
      )
      .toBeGreaterThan(1)
    expect(addresses()).toEqual(['10.0.0.1:7700'])
  })

  it('are looked up again when one fails', async () => {
    const names = new Names()
    names.known['eu-west-1'] = ['10.0.0.1:7700']
    const { chooser: nearest, addresses } = await chooser(names, ['eu-west-1'])
    names.known['eu-west-1'] = ['10.0.0.2:7700']
    await expect
      .poll(
        () => {
          for (const endpoint of nearest.candidates()) nearest.failed(endpoint)
          return addresses()
        },
        { timeout: 3_000 },
      )
      .toEqual(['10.0.0.2:7700', '10.0.0.1:7700'])
    const [newer] = nearest.candidates()
    if (!newer) throw new Error('no candidates')
    nearest.succeeded(newer)
    expect(addresses()).toEqual(['10.0.0.2:7700'])
  })
})
