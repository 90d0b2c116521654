import { type Answer, AUTHORITATIVE_ANSWER, decode, encode, type Packet, type Question } from 'dns-packet'
import type { Address } from './address.ts'

/** Where each region's sidecars are, as seen from one region. All sidecars of a region share one port. */
export interface DnsViewPlan {
  readonly domain: string
  readonly regions: readonly { readonly name: string; readonly sidecars: readonly Address[] }[]
}

const ttlSeconds = 1
const noSuchName = 3

/** Answers DNS questions as one region sees the cluster: `api.<region>.<domain>`, A and SRV; no AAAA. */
export class DnsView {
  readonly #records = new Map<string, readonly Answer[]>()

  constructor({ domain, regions }: DnsViewPlan) {
    for (const { name, sidecars } of regions) {
      const api = `api.${name}.${domain}`.toLowerCase()
      const service = `_perigee._tcp.${api}`
      const addresses = sidecars.map(
        ({ host }): Answer => ({ type: 'A', name: api, ttl: ttlSeconds, data: host }),
      )
      const port = sidecars[0]?.port
      const services: Answer[] =
        port === undefined
          ? []
          : [
              {
                type: 'SRV',
                name: service,
                ttl: ttlSeconds,
                data: { priority: 0, weight: 0, port, target: api },
              },
            ]
      this.#records.set(api, addresses)
      this.#records.set(service, services)
    }
  }

  /** The answer to a query packet; undefined for what isn't one. */
  answer(query: Buffer): Buffer | undefined {
    const packet = decodeQuery(query)
    const question = packet?.questions?.[0]
    if (packet === undefined || question === undefined) return undefined
    const records = this.#records.get(question.name.toLowerCase())
    const answers = matching(records ?? [], question)
    return encode({
      type: 'response',
      id: packet.id ?? 0,
      flags:
        AUTHORITATIVE_ANSWER |
        ((packet.flags ?? 0) & recursionDesired) |
        (records === undefined ? noSuchName : 0),
      questions: [question],
      answers,
      additionals: question.type === 'SRV' ? this.#targetsOf(answers) : [],
    })
  }

  #targetsOf(answers: readonly Answer[]): Answer[] {
    return answers.flatMap((answer) =>
      answer.type === 'SRV' ? (this.#records.get(answer.data.target) ?? []) : [],
    )
  }
}

const recursionDesired = 0x100

function decodeQuery(query: Buffer): Packet | undefined {
  try {
    const packet = decode(query)
    return packet.type === 'query' ? packet : undefined
  } catch {
    return undefined
  }
}

/** Names come back as they were asked, whatever their case. */
function matching(records: readonly Answer[], question: Question): Answer[] {
  return records
    .filter(({ type }) => type === question.type)
    .map((record) => ({ ...record, name: question.name }))
}
