import { type Address, addressText } from './address.ts'
import type { DnsSettings } from './dns-fault.ts'
import { DnsServer } from './dns-server.ts'
import { DnsView, type DnsViewPlan } from './dns-view.ts'
import { Link, type LinkSettings, Links } from './link.ts'
import { Relay, type RelayPlan } from './relay.ts'

export interface LinkPlan extends LinkSettings {
  readonly from: string
  readonly to: string
}

/** All that lies between the regions of a cluster, as plain data. */
export interface NetworkPlan {
  readonly links: readonly LinkPlan[]
  readonly relays: readonly RelayPlan[]
  readonly dns: readonly { readonly region: string; readonly listen: Address; readonly view: DnsViewPlan }[]
  /** The first three octets of each region's addresses, such as `127.0.2`. */
  readonly subnets: readonly { readonly prefix: string; readonly region: string }[]
}

/** Links, relays and DNS servers of a cluster. */
export class Network {
  readonly #links: Links
  readonly #relays: readonly Relay[]
  readonly #dns: ReadonlyMap<string, DnsServer>

  constructor(plan: NetworkPlan) {
    const links = new Links(plan.links.map(({ from, to, ...settings }) => new Link(from, to, settings)))
    const regions = new Map(plan.subnets.map(({ prefix, region }) => [prefix, region]))
    const regionOf = (address: string) => regions.get(address.slice(0, address.lastIndexOf('.')))
    this.#links = links
    this.#relays = plan.relays.map((relay) => new Relay(relay, links, regionOf))
    this.#dns = new Map(
      plan.dns.map(({ region, listen, view }) => [region, new DnsServer(listen, new DnsView(view))]),
    )
  }

  /** Starts to listen everywhere; on failure listens nowhere. */
  async start(): Promise<void> {
    const results = await Promise.allSettled(this.#parts.map((part) => part.listen()))
    const failed = results.find((result) => result.status === 'rejected')
    if (failed === undefined) return
    await this.close()
    throw failed.reason
  }

  setLink(from: string, to: string, changes: Partial<LinkSettings>): LinkSettings {
    const link = this.#links.between(from, to)
    link.set(changes)
    return link.settings
  }

  /** Tells whether the server at an address runs: while it doesn't, relays to it refuse connections. */
  async setServer(address: Address, runs: boolean): Promise<void> {
    const relays = this.#relays.filter(({ plan: { target } }) => addressText(target) === addressText(address))
    await Promise.all(relays.map((relay) => (runs ? relay.resume() : relay.pause())))
  }

  /** Changes how the DNS server of region `from` answers for the name of region `to`. */
  setDns(from: string, to: string, changes: Partial<DnsSettings>): void {
    this.#dns.get(from)?.set(to, changes)
  }

  get #parts(): readonly (Relay | DnsServer)[] {
    return [...this.#relays, ...this.#dns.values()]
  }

  async close(): Promise<void> {
    await Promise.all(this.#parts.map((part) => part.close().catch(() => {})))
  }
}
