import { isIPv6 } from 'node:net'
import {
  type Answer,
  AUTHORITATIVE_ANSWER,
  decode,
  encode,
  type Packet,
  type Question,
  TRUNCATED_RESPONSE,
} from 'dns-packet'
import type { Address } from './address.ts'
import { type DnsMode, type DnsService, type DnsSettings, trueDns } from './dns-fault.ts'

/** Where each region's sidecars are, as seen from one region. All sidecars of a region share one port. */
export interface DnsViewPlan {
  readonly domain: string
  readonly regions: readonly { readonly name: string; readonly sidecars: readonly Address[] }[]
}

/** What to send back, and when. */
export interface DnsReply {
  readonly packet: Buffer
  readonly afterMs: number
}

const ttlSeconds = 1
/** What fits into one packet on any way; and what does for who doesn't say how much they take. */
const udpBytesMax = 1_232
const udpBytesUnasked = 512
/** What a message's length by TCP can say. */
const tcpBytesMax = 65_535
const recursionDesired = 0x100
const codes: Readonly<Partial<Record<DnsMode, number>>> = { servfail: 2, nxdomain: 3, refused: 5 }
const noSuchName = 3

/**
 * Answers DNS questions as one region sees the cluster: `api.<region>.<domain>`, A and SRV; AAAA by a fault alone. Each
 * region's answers can be spoiled by themselves: see dns-fault.ts.
 */
export class DnsView {
  readonly #names = new Map<string, Name>()

  constructor({ domain, regions }: DnsViewPlan) {
    for (const { name, sidecars } of regions) {
      const made = new Name(`api.${name}.${domain}`.toLowerCase(), name, sidecars)
      this.#names.set(made.api, made)
      this.#names.set(made.service, made)
    }
  }

  /** Changes how questions for a region's name are answered: what isn't given stays. */
  set(region: string, changes: Partial<DnsSettings>): void {
    for (const name of this.#names.values()) if (name.region === region) name.set(changes)
  }

  /** The answer to a query packet, short enough for `transport`; undefined for what gets none, or isn't a query. */
  answer(query: Buffer, transport: 'udp' | 'tcp' = 'tcp'): DnsReply | undefined {
    const packet = decodeQuery(query)
    const question = packet?.questions?.[0]
    if (packet === undefined || question === undefined) return undefined
    const asked = question.name.toLowerCase()
    const name = this.#names.get(asked)
    const { mode, delayMs } = name?.settings ?? trueDns
    if (mode === 'silent') return undefined
    const id = packet.id ?? 0
    if (mode === 'garbage') return { packet: garbage(id), afterMs: delayMs }
    const records = mode === 'answer' ? (name?.records(asked) ?? []) : []
    const code = name === undefined ? noSuchName : (codes[mode] ?? 0)
    const answers = matching(records, question)
    const response: Packet = {
      type: 'response',
      id,
      flags: AUTHORITATIVE_ANSWER | ((packet.flags ?? 0) & recursionDesired) | code,
      questions: [question],
      answers,
      additionals: question.type === 'SRV' ? this.#targetsOf(answers) : [],
    }
    const bytesMax = transport === 'tcp' ? tcpBytesMax : udpBytes(packet)
    return { packet: encoded(response, bytesMax), afterMs: delayMs }
  }

  #targetsOf(answers: readonly Answer[]): Answer[] {
    const targets = new Set(answers.flatMap((answer) => (answer.type === 'SRV' ? [answer.data.target] : [])))
    return [...targets].flatMap((target) => this.#names.get(target)?.records(target) ?? [])
  }
}

/** A region's two names: that of its sidecars, and that of its service. */
class Name {
  readonly api: string
  readonly service: string
  readonly region: string
  readonly #sidecars: readonly Address[]
  #settings = trueDns

  constructor(api: string, region: string, sidecars: readonly Address[]) {
    this.api = api
    this.service = `_perigee._tcp.${api}`
    this.region = region
    this.#sidecars = sidecars
  }

  get settings(): DnsSettings {
    return this.#settings
  }

  set(changes: Partial<DnsSettings>): void {
    this.#settings = { ...this.#settings, ...changes }
  }

  records(name: string): Answer[] {
    return name === this.service ? this.#services() : this.#addresses()
  }

  #addresses(): Answer[] {
    const hosts = this.#settings.addresses ?? this.#sidecars.map(({ host }) => host)
    return hosts.map((data) => ({ type: isIPv6(data) ? 'AAAA' : 'A', name: this.api, ttl: ttlSeconds, data }))
  }

  #services(): Answer[] {
    const truth: DnsService[] = this.#sidecars.slice(0, 1).map(({ port }) => ({ port }))
    return (this.#settings.services ?? truth).map(
      ({ port, target = this.api, priority = 0, weight = 0 }) => ({
        type: 'SRV',
        name: this.service,
        ttl: ttlSeconds,
        data: { priority, weight, port, target },
      }),
    )
  }
}

/** What is too long for a packet is to be asked for again by TCP. What can't be written is a failure. */
function encoded(response: Packet, bytesMax: number): Buffer {
  const bare = { ...response, answers: [], additionals: [] }
  const failure = { ...bare, flags: (response.flags ?? 0) | (codes.servfail ?? 0) }
  try {
    const bytes = encode(response)
    if (bytes.length <= bytesMax) return bytes
    if (bytesMax === tcpBytesMax) return encode(failure)
    return encode({ ...bare, flags: (response.flags ?? 0) | TRUNCATED_RESPONSE })
  } catch {
    return encode(failure)
  }
}

/** How long an answer to a query may be by UDP. */
function udpBytes({ additionals }: Packet): number {
  const options = additionals?.find((record) => record.type === 'OPT')
  return options?.type === 'OPT' ? Math.min(options.udpPayloadSize, udpBytesMax) : udpBytesUnasked
}

/** Looks like an answer to the question, at first. */
function garbage(id: number): Buffer {
  const bytes = Buffer.alloc(64, 0xff)
  bytes.writeUInt16BE(id, 0)
  bytes.writeUInt16BE(0x8180, 2)
  return bytes
}

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
