import { promises as dns } from 'node:dns'
import { isIP } from 'node:net'
import { formatAddress } from './connection.ts'
import { within } from './pause.ts'
import { PerigeeError } from './perigee-error.ts'

const LOOKUP_TIMEOUT_MS = 1_000

/** Finds the addresses of a region's sidecars. */
export interface Discovery {
  /**
   * Addresses as `host:port`, never none, in the order in which to prefer them: equals in random order, so that clients
   * spread over them. Returns within about two seconds.
   *
   * @throws PerigeeError `UNAVAILABLE` when there are none to be found.
   */
  resolve(region: string): Promise<readonly string[]>
  close(): void
}

/** A given list. */
export class ListedAddresses implements Discovery {
  readonly #addresses: ReadonlyMap<string, readonly string[]>

  constructor(addresses: ReadonlyMap<string, readonly string[]>) {
    this.#addresses = addresses
  }

  async resolve(region: string): Promise<readonly string[]> {
    const addresses = this.#addresses.get(region)
    if (addresses?.length) return shuffled(addresses)
    throw new PerigeeError(`no address was given for region ${region}: add it to \`addresses\``, {
      code: 'UNAVAILABLE',
      region,
    })
  }

  close(): void {}
}

/**
 * DNS: `_perigee._tcp.api.<region>.<domain>` (SRV) when there is one, else `api.<region>.<domain>` (A and AAAA) with
 * the default port. Without a server of its own it asks the system, hosts file included.
 */
export class DnsDiscovery implements Discovery {
  readonly #domain: string
  readonly #port: number
  readonly #resolver = new dns.Resolver({ timeout: LOOKUP_TIMEOUT_MS / 2, tries: 2 })
  readonly #ownServer: boolean

  constructor(options: {
    readonly domain: string
    readonly port: number
    readonly server?: string | undefined
  }) {
    this.#domain = options.domain
    this.#port = options.port
    this.#ownServer = options.server !== undefined
    if (options.server) this.#resolver.setServers([options.server])
  }

  async resolve(region: string): Promise<readonly string[]> {
    const name = `api.${region}.${this.#domain}`
    const [services, hosts] = await Promise.all([
      lookUp(this.#resolver.resolveSrv(`_perigee._tcp.${name}`)),
      lookUp(this.#hosts(name)),
    ])
    const listed = await Promise.all(
      shuffled(services.found)
        .toSorted((a, b) => a.priority - b.priority)
        .map(async (service) => {
          const { found } = await lookUp(this.#hosts(service.name))
          return found.map((host) => formatAddress(host, service.port))
        }),
    )
    const addresses = listed.flat()
    if (addresses.length) return [...new Set(addresses)]
    if (hosts.found.length) return shuffled(hosts.found).map((host) => formatAddress(host, this.#port))
    const where = this.#ownServer
      ? `the DNS server ${this.#resolver.getServers().join(', ')}`
      : "the system's DNS"
    throw new PerigeeError(
      `${where} gave no address for ${name} (${hosts.why}): check \`domain\`, \`regions\` and \`dns\`, or give \`addresses\``,
      { code: 'UNAVAILABLE', region },
    )
  }

  close(): void {
    this.#resolver.cancel()
  }

  async #hosts(name: string): Promise<string[]> {
    if (isIP(name)) return [name]
    if (!this.#ownServer) return (await dns.lookup(name, { all: true })).map(({ address }) => address)
    const [v4, v6] = await Promise.allSettled([this.#resolver.resolve4(name), this.#resolver.resolve6(name)])
    const found = [v4, v6].flatMap((result) => (result.status === 'fulfilled' ? result.value : []))
    if (found.length === 0 && v4.status === 'rejected') throw v4.reason
    return found
  }
}

/** What a lookup finds in time, or why it finds nothing. */
async function lookUp<T>(
  lookup: Promise<T[]>,
): Promise<{ readonly found: readonly T[]; readonly why: string }> {
  let why = `no answer within ${LOOKUP_TIMEOUT_MS} ms`
  const found = await within(
    LOOKUP_TIMEOUT_MS,
    lookup.catch((error: NodeJS.ErrnoException) => {
      why = error.code ?? error.message
      return []
    }),
  )
  return { found: found ?? [], why: found?.length === 0 && why.startsWith('no answer') ? 'ENODATA' : why }
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, place: Math.random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item)
}
