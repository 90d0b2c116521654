import type { Aliases } from './alias.ts'
import type { Cache } from './cache.ts'
import type { CacheOptions } from './cache-options.ts'
import type { ReadOptions } from './call-options.ts'
import { Calls } from './calls.ts'
import { Cluster } from './cluster.ts'
import type { Codec } from './codec.ts'
import { Computations } from './computations.ts'
import { type ConnectOptions, connectSettings } from './connect-options.ts'
import { ListedAddresses } from './discovery.ts'
import { DnsDiscovery } from './dns-discovery.ts'
import type { Endpoint } from './endpoint.ts'
import { guarded } from './event.ts'
import { type ConnectionExplanation, type ExplainOptions, explanationOf } from './explanation.ts'
import { Failover } from './failover.ts'
import { GrpcTransport } from './grpc-transport.ts'
import { Handles } from './handles.ts'
import { definitionFromWire, type IndexDefinition } from './index-definition.ts'
import { indexPages } from './index-pages.ts'
import { KnownIndexes } from './known-indexes.ts'
import { MultiplexTransport } from './multiplex-transport.ts'
import { NearestFirst } from './nearest-first.ts'
import type { OwnRegion } from './own-region.ts'
import { Seen } from './seen.ts'
import { type AmbientSession, ambientSession, Session } from './session.ts'
import type { Transport } from './transport.ts'
import type { VectorIndex } from './vector-index.ts'
import type { VectorIndexOptions } from './vector-index-options.ts'

/**
 * The client: finds the nearest sidecar, and goes on to the next nearest when it fails.
 *
 * One for a process; everything it opens shares its connections. Close it by {@link close}, or by `await using`.
 *
 * ```ts
 * await using perigee = await Perigee.connect({ domain: 'rag.internal', regions: ['us-east-1', 'eu-west-1'] })
 * const answers = perigee.session().cache('answers')
 * ```
 */
export class Perigee {
  /** What operators ask about the regions themselves. */
  readonly cluster: Cluster
  readonly #transport: Transport
  readonly #chooser: NearestFirst
  readonly #calls: Calls
  readonly #handles: Handles
  readonly #ambient: AmbientSession
  readonly #here: OwnRegion

  private constructor(parts: {
    readonly transport: Transport
    readonly chooser: NearestFirst
    readonly calls: Calls
    readonly cluster: Cluster
    readonly handles: Handles
    readonly ambient: AmbientSession
    readonly here: OwnRegion
  }) {
    this.#transport = parts.transport
    this.#chooser = parts.chooser
    this.#calls = parts.calls
    this.#handles = parts.handles
    this.#ambient = parts.ambient
    this.#here = parts.here
    this.cluster = parts.cluster
  }

  /**
   * Looks the regions up and puts them in order of nearness. Takes about three seconds at most, and succeeds while
   * regions, or all of them, are down: calls say so then.
   *
   * @throws PerigeeError `INVALID_ARGUMENT` for options that can't be meant.
   */
  static async connect(options: ConnectOptions): Promise<Perigee> {
    const settings = connectSettings(options, process.env)
    const { regions, region, domain, port, connectTimeoutMs, defaultTimeoutMs, retryBudget } = settings
    const onEvent = guarded(options.onEvent)
    const { tls, token } = settings
    const transport =
      settings.transport === 'unary'
        ? new GrpcTransport({ tls, token })
        : new MultiplexTransport({ tls, token })
    const discovery = settings.addresses
      ? new ListedAddresses(settings.addresses)
      : new DnsDiscovery({ domain, port, server: settings.dns })
    const chooser = new NearestFirst({ regions, region, discovery, transport, connectTimeoutMs, onEvent })
    await chooser.start()
    const failover = new Failover({ chooser, transport, connectTimeoutMs, onEvent, retryBudget })
    const ambient = ambientSession()
    const calls = new Calls(failover, settings, () => ambient.getStore()?.seen)
    const cluster = new Cluster(failover, defaultTimeoutMs)
    const shared = { computations: new Computations(), known: new KnownIndexes(), onEvent }
    const handles = new Handles({ calls, ...shared })
    return new Perigee({ transport, chooser, calls, cluster, handles, ambient, here: settings.here })
  }

  /** All regions, nearest first. */
  get regions(): readonly string[] {
    return this.#chooser.order
  }

  /** The sidecars, in the order in which a call of a cache would try them now; `explain()` has that of searches too. */
  get endpoints(): readonly Endpoint[] {
    return this.#chooser.candidates('perigee.v1.CacheService')
  }

  /**
   * Why a call goes where it goes: what said where this is, what DNS answered, how far regions are, how their sidecars
   * are, and the order that follows. `steps` has it in words, for logs and people.
   */
  async explain(options: ExplainOptions = {}): Promise<ConnectionExplanation> {
    const measured = options.measure ? await this.#chooser.measureAll() : new Map()
    return explanationOf(this.#here, this.#chooser.reasons, measured)
  }

  /**
   * A session: a new one, or the one that a token from {@link Session.token} stands for.
   *
   * @throws PerigeeError `INVALID_ARGUMENT`, `INVALID_TOKEN`, for a string that is no token.
   */
  session(token?: string): Session {
    const seen = new Seen()
    const session = new Session(seen, this.#handles.of(seen), this.#ambient)
    if (token) session.include(token)
    return session
  }

  /** The session of the {@link runWithSession} that this is called in; `undefined` outside of any. */
  get currentSession(): Session | undefined {
    return this.#ambient.getStore()?.session
  }

  /**
   * A cache in the session of whatever {@link runWithSession} a call is made in. Outside of any it has no session: reads
   * answer what the nearest region holds, however old.
   */
  cache<T = unknown>(namespace: string, options?: CacheOptions<T> & { readonly codec?: undefined }): Cache<T>
  cache<Out, In>(
    namespace: string,
    options: CacheOptions<Out, In> & { readonly codec: Codec<Out, In> },
  ): Cache<Out, In>
  cache(namespace: string, options?: CacheOptions<unknown>): Cache<unknown> {
    return this.#handles.cache(namespace, options)
  }

  /**
   * A vector index in the session of whatever {@link runWithSession} a call is made in. Outside of any it has no session:
   * searches answer what the nearest region's copy holds, however old.
   */
  index(name: string, options?: VectorIndexOptions): VectorIndex {
    return this.#handles.index(name, options)
  }

  /** Names for indexes of different models, in the session of whatever {@link runWithSession} a call is made in. */
  get aliases(): Aliases {
    return this.#handles.aliases
  }

  /** The indexes of a namespace, in no order. */
  async *indexes(
    options: ReadOptions & { readonly namespace?: string | undefined } = {},
  ): AsyncGenerator<IndexDefinition, void, undefined> {
    for await (const page of indexPages(this.#calls, options.namespace, options))
      yield* page.indexes.map(definitionFromWire)
  }

  /** Gives up what is in flight, with code `CANCELLED`, and closes every connection. Can be called twice. */
  async close(): Promise<void> {
    this.#chooser.close()
    this.#transport.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
