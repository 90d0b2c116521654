import { Perigee, type Session } from '@perigee/sdk'
import { connect } from '../connect.ts'
import type { Context } from '../context.ts'

/** How long a region gets to take in what the primary has, milliseconds. */
const CATCH_UP_MS = 60_000

/** A client in each region that the command line tells of; where it names one address, that one alone. */
export class RegionClients implements AsyncDisposable {
  /** In the region asked for, or the nearest one. */
  readonly home: Perigee
  readonly #context: Context
  readonly #clients = new Map<string, Perigee>()

  private constructor(home: Perigee, context: Context) {
    this.home = home
    this.#context = context
  }

  static async connect(context: Context): Promise<RegionClients> {
    return new RegionClients(await connect(context), context)
  }

  /** Regions and their clients; the region that an address stands for is called by that address. */
  async each(): Promise<readonly (readonly [region: string, client: Perigee])[]> {
    const target = await this.#context.target()
    const names = target.regions.length > 0 ? target.regions : this.home.regions
    for (const region of names) {
      if (this.#clients.has(region)) continue
      const options = { ...target.connect, defaultTimeoutMs: this.#context.timeoutMs }
      const client = target.regions.length > 0 ? await Perigee.connect({ ...options, region }) : this.home
      this.#clients.set(region, client)
    }
    return [...this.#clients]
  }

  /** Whether all regions of the cluster can be asked. */
  async complete(): Promise<boolean> {
    const { regions } = await this.home.cluster.status({ signal: this.#context.signal })
    return (await this.each()).length >= regions.length
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of new Set([this.home, ...this.#clients.values()])) await client.close()
  }
}

/** A session that has seen everything that was written by now, by whomever. */
export async function sessionOfNow(
  home: Perigee,
  index: { readonly namespace: string; readonly name: string },
  options: { readonly token?: string; readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<Session> {
  const { token, timeoutMs, signal } = options
  const session = home.session(token)
  const any = session.index(index.name, { namespace: index.namespace })
  await any.get('-', { view: 'id', consistency: 'primary', timeoutMs, signal })
  return session
}

/** For reads of a region's own index that are to include all that a session has seen, however long that takes. */
export function caughtUp(signal: AbortSignal) {
  return { whenBehind: 'fail', maxWaitMs: CATCH_UP_MS, timeoutMs: CATCH_UP_MS + 5_000, signal } as const
}
