import { promises as dns, type SrvRecord } from 'node:dns'
import { BlockList, isIP } from 'node:net'
import { formatAddress } from './connection.ts'
import type { Discovery, DnsQuestion, FoundAddress, Resolution } from './discovery.ts'
import { within } from './pause.ts'
import { PerigeeError } from './perigee-error.ts'
import { shuffled } from './shuffled.ts'
import { SystemLookup } from './system-lookup.ts'

const ANSWER_WITHIN_MS = 1_000
/** Then DNS is asked past the system, which may be held up for long. */
const SYSTEM_ANSWER_WITHIN_MS = 400
/** Of one SRV answer. */
const TARGETS_MAX = 64
/** Answers that say that there is nothing, unlike those that say nothing. */
const NOTHING_THERE = new Set(['ENOTFOUND', 'ENODATA'])

/** Addresses at which nobody can be called: unspecified, multicast, broadcast. */
const NOBODY = new BlockList()
NOBODY.addSubnet('0.0.0.0', 8, 'ipv4')
NOBODY.addSubnet('224.0.0.0', 3, 'ipv4')
NOBODY.addAddress('::', 'ipv6')
NOBODY.addSubnet('ff00::', 8, 'ipv6')

/** What a region's names said when they last said anything, by question. */
type Remembered = Map<string, readonly unknown[]>

interface Lookup {
  readonly questions: DnsQuestion[]
  readonly ignored: string[]
  readonly before: Remembered
  readonly now: Remembered
  readonly hosts: Map<string, Promise<readonly string[]>>
}

/**
 * DNS: `_perigee._tcp.api.<region>.<domain>` (SRV) when there is one, else `api.<region>.<domain>` (A and AAAA) with
 * the default port. Without a server of its own it asks the system, hosts file included.
 *
 * A question that gets no answer in time, or a failure, is answered by what was said to it before: so half an answer
 * takes away no address, and a port named by SRV doesn't turn into the default one because a packet was lost.
 */
export class DnsDiscovery implements Discovery {
  readonly #domain: string
  readonly #port: number
  readonly #resolver = new dns.Resolver({ timeout: ANSWER_WITHIN_MS / 2, tries: 2 })
  readonly #system: SystemLookup | undefined
  readonly #remembered = new Map<string, Remembered>()

  constructor(options: {
    readonly domain: string
    readonly port: number
    readonly server?: string | undefined
  }) {
    this.#domain = options.domain
    this.#port = options.port
    if (options.server) this.#resolver.setServers([options.server])
    else this.#system = new SystemLookup()
  }

  async resolve(region: string): Promise<Resolution> {
    const name = `api.${region}.${this.#domain}`
    const before: Remembered = this.#remembered.get(region) ?? new Map()
    const lookup: Lookup = { questions: [], ignored: [], before, now: new Map(), hosts: new Map() }
    const [services, hosts] = await Promise.all([this.#services(name, lookup), this.#hosts(name, lookup)])
    const listed = await Promise.all(services.map((service) => this.#addressesOf(service, lookup)))
    this.#remembered.set(region, lookup.now)
    const { ignored } = lookup
    const questions = lookup.questions.toSorted((a, b) => placeOf(a).localeCompare(placeOf(b)))
    let addresses: FoundAddress[] = distinct(listed.flat())
    if (addresses.length === 0) {
      addresses = shuffled(hosts).map((host) => ({ address: formatAddress(host, this.#port) }))
    }
    const error = addresses.length ? undefined : this.#nothingFound(name, region, lookup)
    return { addresses, questions, ignored, error }
  }

  close(): void {
    this.#resolver.cancel()
  }

  /** Usable SRV records, those to prefer first. */
  async #services(name: string, lookup: Lookup): Promise<SrvRecord[]> {
    const service = `_perigee._tcp.${name}`
    const question = { name: service, type: 'SRV', server: this.#server } as const
    const { found } = await ask(
      question,
      lookup,
      () => this.#resolver.resolveSrv(service),
      (r) => `${r.priority} ${r.weight} ${r.port} ${r.name || '.'}`,
    )
    const usable = found.filter((record) => {
      // A target of `.` says that the service isn't there.
      const why = record.port === 0 ? 'port 0' : record.name === '' ? 'no target' : undefined
      if (why) lookup.ignored.push(`SRV ${record.port} ${record.name || '.'}: ${why}`)
      return why === undefined
    })
    const ordered = shuffled(usable).sort((a, b) => a.priority - b.priority)
    if (ordered.length > TARGETS_MAX)
      lookup.ignored.push(`${ordered.length - TARGETS_MAX} SRV records: more than ${TARGETS_MAX}`)
    return ordered.slice(0, TARGETS_MAX)
  }

  async #addressesOf({ name, port, priority }: SrvRecord, lookup: Lookup): Promise<FoundAddress[]> {
    const hosts = await this.#hosts(name, lookup)
    return shuffled(hosts).map((host) => ({
      address: formatAddress(host, port),
      ...(priority > 0 && { priority }),
    }))
  }

  /** Addresses of a host; each name is asked for once a lookup. */
  #hosts(name: string, lookup: Lookup): Promise<readonly string[]> {
    const key = name.toLowerCase()
    let hosts = lookup.hosts.get(key)
    if (!hosts) {
      hosts = this.#askForHosts(name, lookup).then((found) =>
        [...new Set(found)].filter((host) => {
          const family = isIP(host)
          const usable = family > 0 && !NOBODY.check(host, family === 6 ? 'ipv6' : 'ipv4')
          if (!usable) lookup.ignored.push(`${host}: nobody can be called there`)
          return usable
        }),
      )
      lookup.hosts.set(key, hosts)
    }
    return hosts
  }

  async #askForHosts(name: string, lookup: Lookup): Promise<readonly string[]> {
    if (isIP(name)) return [name]
    if (this.#system) {
      const { found, silent } = await this.#askSystem(this.#system, name, lookup)
      if (!silent) return found
    }
    const server = this.#server
    const [v4, v6] = await Promise.all([
      ask({ name, type: 'A', server }, lookup, () => this.#resolver.resolve4(name), String),
      ask({ name, type: 'AAAA', server }, lookup, () => this.#resolver.resolve6(name), String),
    ])
    const found = [...v4.found, ...v6.found]
    if (!this.#system || found.length > 0 || !v4.silent) return found
    // Nobody says anything now, so what the system said before holds.
    return remember<string>(lookup, `A/AAAA ${name}`) ?? []
  }

  /** Asks the system; past it DNS can be asked when that is silent, which is to say held up. */
  async #askSystem(system: SystemLookup, name: string, lookup: Lookup): Promise<Asked<string>> {
    const start = performance.now()
    let error: string | undefined
    const hosts = await system.hosts(name, SYSTEM_ANSWER_WITHIN_MS).catch((thrown) => {
      error = codeOf(thrown)
      return []
    })
    if (hosts === undefined) error = 'ETIMEOUT'
    const found = hosts ?? []
    if (found.length) lookup.now.set(`A/AAAA ${name}`, found)
    const tookMs = performance.now() - start
    const question = { name, type: 'A/AAAA', server: 'system' } as const
    lookup.questions.push({ ...question, records: found, error, remembered: false, tookMs })
    return { found, silent: saysNothing(error) }
  }

  get #server(): string {
    return this.#resolver.getServers().join(', ')
  }

  #nothingFound(name: string, region: string, { questions, ignored }: Lookup): PerigeeError {
    const where = this.#system ? "the system's DNS" : `the DNS server ${this.#server}`
    const why = [
      ...new Set(questions.filter((q) => q.type !== 'SRV').map((q) => q.error ?? 'ENODATA')),
    ].sort()
    const said = [...why, ...ignored.slice(0, 3)].join(', ')
    return new PerigeeError(
      `${where} gave no address for ${name} (${said}): check \`domain\`, \`regions\` and \`dns\`, or give \`addresses\``,
      { code: 'UNAVAILABLE', region },
    )
  }
}

/** What came of a question: nothing at all when it is `silent`, and then `found` is what was said before. */
interface Asked<T> {
  readonly found: readonly T[]
  readonly silent: boolean
}

/** Asks, in bounded time, and notes the question with its answer. */
async function ask<T>(
  question: Pick<DnsQuestion, 'name' | 'type' | 'server'>,
  lookup: Lookup,
  resolve: () => Promise<readonly T[]>,
  format: (record: T) => string,
): Promise<Asked<T>> {
  const key = `${question.type} ${question.name}`
  const start = performance.now()
  let error: string | undefined = 'ETIMEOUT'
  const answer = await within(
    ANSWER_WITHIN_MS,
    (async () => resolve())().then(
      (records) => {
        error = undefined
        return records
      },
      (thrown) => {
        error = codeOf(thrown)
        return undefined
      },
    ),
  )
  const silent = saysNothing(error)
  const before = silent ? remember<T>(lookup, key) : undefined
  const found = answer ?? before ?? []
  if (found.length) lookup.now.set(key, found)
  lookup.questions.push({
    ...question,
    records: found.map(format),
    error,
    remembered: before !== undefined,
    tookMs: performance.now() - start,
  })
  return { found, silent }
}

/** What was said to a question before, to be remembered on. */
function remember<T>({ before, now }: Lookup, key: string): readonly T[] | undefined {
  const said = before.get(key)
  if (said) now.set(key, said)
  return said as readonly T[] | undefined
}

/** Services first, then hosts by name: the same in every lookup, whatever was answered first. */
function placeOf({ type, name }: DnsQuestion): string {
  return `${type === 'SRV' ? 0 : 1} ${name} ${type}`
}

function saysNothing(error: string | undefined): boolean {
  return error !== undefined && !NOTHING_THERE.has(error)
}

function codeOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return code ?? message
}

/** Without those that came before by another record. */
function distinct(addresses: readonly FoundAddress[]): FoundAddress[] {
  return [...new Map(addresses.toReversed().map((found) => [found.address, found])).values()].toReversed()
}
