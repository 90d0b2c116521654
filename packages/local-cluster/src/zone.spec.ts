import { readFile } from 'node:fs/promises'
import { decode, encode, type StringAnswer } from 'dns-packet'
import { describe, expect, it } from 'vitest'
import { DnsView } from './dns-view.ts'

const root = new URL('../../../', import.meta.url)
const zone = await readFile(new URL('deploy/coredns/rag.internal.zone', root), 'utf8')
const compose = await readFile(new URL('docker-compose.yml', root), 'utf8')
const page = await readFile(new URL('docs/dns.md', root), 'utf8')

/** The records of a zone file as this project writes them: one a line, names relative to the origin. */
function records(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line && !line.startsWith('$'))
    .map((line) => line.trim().split(/\s+/))
}

const addresses = new Map(
  records(zone).flatMap(([name = '', , type, data = '']) => (type === 'A' ? [[name, data]] : [])),
)
const regions = /PERIGEE_REGIONS: (.+)/.exec(compose)?.[1]?.split(',') ?? []

describe('the zone that compose serves', () => {
  it.each(regions)('has the sidecar of %s at its address', (region) => {
    const service = compose.slice(compose.indexOf(`  ${region}-sidecar:`))
    expect(addresses.get(`api.${region}`)).toBe(/ipv4_address: (\S+)/.exec(service)?.[1])
  })

  it.each(regions)('answers for %s as a local cluster does', (region) => {
    const host = addresses.get(`api.${region}`) ?? ''
    const view = new DnsView({
      domain: 'rag.internal',
      regions: [{ name: region, sidecars: [{ host, port: 7700 }] }],
    })
    const ask = (type: 'A' | 'SRV', name: string) => {
      const query = encode({ type: 'query', id: 1, questions: [{ type, name }] })
      return decode(view.answer(query)?.packet ?? Buffer.alloc(0)).answers ?? []
    }
    expect(ask('A', `api.${region}.rag.internal`).map((answer) => (answer as StringAnswer).data)).toEqual([
      host,
    ])
    const [srv] = ask('SRV', `_perigee._tcp.api.${region}.rag.internal`)
    const { priority, weight, port, target } = srv?.type === 'SRV' ? srv.data : ({} as never)
    const line = records(zone).find(([name]) => name === `_perigee._tcp.api.${region}`)
    expect(line?.slice(3)).toEqual(
      [priority, weight, port, target].map((part) => `${part}`.replace(/\.rag\.internal$/, '')),
    )
  })

  it('keeps records for five seconds at most, and so what is not there', () => {
    const ttl = Number(/^\$TTL (\d+)$/m.exec(zone)?.[1])
    const negative = Number(
      records(zone)
        .find(([, , type]) => type === 'SOA')
        ?.at(-1),
    )
    expect(Math.max(ttl, negative)).toBeLessThanOrEqual(5)
  })

  it('is what the page shows', () => {
    const [shown = ''] = /(?<=```zone\n)[^`]+/.exec(page) ?? []
    const inZone = new Set(records(zone).map((record) => record.join(' ')))
    for (const record of records(shown)) expect(inZone).toContain(record.join(' '))
    expect(records(shown).length).toBeGreaterThan(3)
  })

  it('is read again soon after it changed, as the page says', async () => {
    const corefile = await readFile(new URL('deploy/coredns/Corefile', root), 'utf8')
    expect(page).toContain(corefile.split('\n\n')[0])
  })
})
