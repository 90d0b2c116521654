import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { ConnectOptions } from './connect-options.ts'
import { Perigee } from './perigee.ts'
import { regionChoiceFromHeaders } from './region-from-headers.ts'
import { SmallNames } from './spec/small-names.ts'
import { failure, smallRegions } from './spec/small-regions.ts'
import { SmallSidecar } from './spec/small-sidecar.ts'

const NOBODY = '127.0.0.1:1'

async function connected(options: ConnectOptions): Promise<Perigee> {
  const perigee = await Perigee.connect(options)
  onTestFinished(() => perigee.close())
  return perigee
}

describe('the explanation of a connection', () => {
  it.each<[string, Partial<ConnectOptions>, Record<string, string>, object]>([
    ['the option', { region: 'eu-west-1' }, { REGION: 'x' }, { region: 'eu-west-1', source: 'option' }],
    ['the environment', {}, { REGION: 'us-east-1' }, { region: 'us-east-1', source: 'REGION' }],
    ['AWS', {}, { REGION: '', AWS_REGION: 'eu-west-1' }, { region: 'eu-west-1', source: 'AWS_REGION' }],
    [
      'headers',
      { region: regionChoiceFromHeaders({ 'cf-ipcountry': 'FR' }, ['us-east-1', 'eu-west-1']) },
      {},
      {
        region: 'eu-west-1',
        source: 'headers',
        because: expect.stringContaining('chosen by headers: cf-ipcountry is FR: 48, 2.5; '),
      },
    ],
    ['nothing', {}, { REGION: '', AWS_REGION: '' }, { region: undefined, source: 'nothing' }],
  ])('says what said where this is: %s', async (_, options, environment, here) => {
    for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value)
    onTestFinished(() => void vi.unstubAllEnvs())
    const addresses = { 'us-east-1': NOBODY, 'eu-west-1': NOBODY }
    const perigee = await connected({ addresses, ...options })
    const explanation = await perigee.explain()
    expect(explanation.here).toMatchObject(here)
    expect(explanation.steps[0]?.says).toContain(explanation.here.because)
  })

  it('says how far regions are', async () => {
    const addresses = { 'ap-southeast-1': NOBODY, 'us-east-1': NOBODY, 'eu-west-1': NOBODY }
    const perigee = await connected({ addresses, region: 'eu-west-1' })
    const { judgedBy, regions, steps } = await perigee.explain()
    expect(judgedBy).toBe('distance')
    expect(regions.map(({ region, distanceKm }) => [region, Math.round(distanceKm ?? -1)])).toEqual([
      ['eu-west-1', 0],
      ['us-east-1', 5466],
      ['ap-southeast-1', 11199],
    ])
    expect(steps[1]?.details).toEqual([
      'eu-west-1       here',
      'us-east-1       5,466 km',
      'ap-southeast-1  11,199 km',
    ])
    expect(steps[2]?.says).toBe('Addresses were given as a list.')
  })

  it('says what round trips it went by, and who did not answer', async () => {
    await using quick = await SmallSidecar.start('quick')
    const perigee = await connected({ addresses: { down: NOBODY, quick: quick.address }, region: 'mine' })
    const { judgedBy, regions, steps } = await perigee.explain()
    expect(judgedBy).toBe('round-trip')
    expect(regions.map(({ region }) => region)).toEqual(['quick', 'down'])
    expect(regions[0]?.roundTripMs).toBeGreaterThan(0)
    expect(regions[1]?.roundTripMs).toBeUndefined()
    expect(steps[0]?.details).toEqual(['mine is none of the regions: those nearest to it come first'])
    expect(steps[1]?.details.join('\n')).toMatch(
      /places on the globe are known[\s\S]*quick {2}\S+ ms there and back[\s\S]*down {3}unknown: it counts as farthest/,
    )
  })

  it('says what DNS answered, and what it made of it', async () => {
    await using names = await SmallNames.start()
    await using sidecar = await SmallSidecar.start('eu-west-1')
    const name = 'api.eu-west-1.rag.internal'
    names.srv(`_perigee._tcp.${name}`, { target: name, port: 0 }, { target: name, port: sidecar.port })
    names.a(name, '127.0.0.1')
    const perigee = await connected({
      domain: 'rag.internal',
      regions: ['eu-west-1', 'us-east-1'],
      region: 'eu-west-1',
      dns: names.address,
    })
    const { regions, steps } = await perigee.explain()
    expect(regions[0]).toMatchObject({
      addresses: [sidecar.address],
      ignored: [`SRV 0 ${name}: port 0`],
    })
    expect(regions[0]?.questions.map(({ type }) => type).sort()).toEqual(['A', 'AAAA', 'SRV'])
    expect(regions[1]).toMatchObject({ addresses: [] })
    expect(regions[1]?.lookupError).toContain('gave no address for api.us-east-1.rag.internal')
    const text = steps[2]?.details.join('\n') ?? ''
    expect(text).toContain(`A ${name}: 127.0.0.1 [${names.address}, `)
    expect(text).toContain(`AAAA ${name}: no such name (ENOTFOUND) [`)
    expect(text).toContain(`left out SRV 0 ${name}: port 0`)
    expect(text).toContain('us-east-1: no address')
    // Then DNS fails, and what was known stays.
    names.says.set(`A ${name}`, 'servfail')
    names.says.set(`SRV _perigee._tcp.${name}`, 'servfail')
    await expect
      .poll(async () => (await perigee.explain({ measure: true })).steps[2]?.details.join('\n'), {
        timeout: 5_000,
      })
      .toContain(`A ${name}: 127.0.0.1; as answered before, now: the server failed (ESERVFAIL) [`)
  })

  it('says how sidecars are, and who is asked first', async () => {
    const { perigee, near, far } = await smallRegions()
    await perigee.cache('a').get('a')
    const well = await perigee.explain({ measure: true })
    expect(well.endpoints).toMatchObject([
      {
        region: 'eu-west-1',
        address: near.address,
        roundTripMs: expect.any(Number),
        roundTripError: undefined,
      },
      { region: 'us-east-1', address: far.address, roundTripMs: expect.any(Number) },
    ])
    expect(well.steps.at(-1)?.says).toBe(`A call goes to ${near.address} in eu-west-1 first.`)
    await near.kill()
    await perigee.cache('a').get('a')
    await expect
      .poll(async () => (await perigee.explain()).endpoints.map(({ address }) => address))
      .toEqual([far.address, near.address])
    const away = await perigee.explain({ measure: true })
    expect(away.endpoints[1]?.roundTripError).toContain(`${near.address} can't be reached`)
    expect(away.endpoints[1]?.lastError?.code).toBe('UNAVAILABLE')
    expect(away.steps.at(-1)?.says).toBe(
      `A call goes to ${far.address} in us-east-1 first, though eu-west-1 is nearest.`,
    )
    expect(away.steps.at(-2)?.details.join('\n')).toMatch(
      /ejected for .*failed last: UNAVAILABLE, .*not reached now/,
    )
  })

  it('says when a search goes elsewhere than a call of a cache', async () => {
    const { perigee, near, far } = await smallRegions()
    near.setServing('perigee.v1.SearchService', false)
    await expect.poll(async () => (await perigee.explain()).searchOrder).toEqual([far.address, near.address])
    const { endpoints, steps } = await perigee.explain()
    expect(endpoints.map(({ address }) => address)).toEqual([near.address, far.address])
    expect(perigee.endpoints[0]?.address).toBe(near.address)
    expect(steps.at(-1)?.says).toBe(
      `A call of a cache goes to ${near.address} in eu-west-1 first; a search to ${far.address} in us-east-1 first, though eu-west-1 is nearest.`,
    )
  })

  it('is there while nobody is', async () => {
    const perigee = await connected({
      domain: 'nowhere.invalid',
      regions: ['eu-west-1'],
      region: 'eu-west-1',
      dns: NOBODY,
    })
    const { endpoints, steps } = await perigee.explain({ measure: true })
    expect(endpoints).toEqual([])
    expect(steps.at(-1)?.says).toBe('There is nobody to ask: calls fail until an address is found.')
  })
})

it('a region that is no name is refused', async () => {
  const region = { source: 'headers' } as unknown as string
  expect(await failure(Perigee.connect({ addresses: { a: NOBODY }, region }))).toMatchObject({
    code: 'INVALID_ARGUMENT',
    fields: [{ field: 'region' }],
  })
})
