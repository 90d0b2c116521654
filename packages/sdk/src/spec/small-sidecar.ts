import { create, type DescMethod, type Message } from '@bufbuild/protobuf'
import { timestampNow } from '@bufbuild/protobuf/wkt'
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js'
import { decodeToken, encodeToken } from '@perigee/core'
import {
  CacheService,
  type Chunk,
  ClusterService,
  type CreateIndexRequest,
  type DeleteRequest,
  type Entry,
  EntrySchema,
  type GetChunksRequest,
  type GetIndexRequest,
  type GetManyRequest,
  type GetRequest,
  grpcServiceDefinition,
  Health,
  type HealthCheckRequest,
  type Index,
  type ListKeysRequest,
  type MultiplexRequest,
  MultiplexService,
  ReceiptSchema,
  type SearchRequest,
  SearchService,
  SemanticCacheService,
  type SetManyRequest,
  type SetRequest,
  STATUS_DETAILS_KEY,
  type UpsertChunksRequest,
} from '@perigee/protocol'
import { Refusal, refusalOf } from './refusal.ts'
import { SmallMultiplex } from './small-multiplex.ts'

export { Refusal }

/** What all sidecars of a test serve: one truth, without any delay between regions. */
export class SmallCluster {
  readonly entries = new Map<string, Entry>()
  readonly indexes = new Map<string, Index>()
  readonly chunks = new Map<string, Chunk>()
  readonly answered = new Map<string, Message>()
  seq = 0
}

/** A request as a sidecar got it. */
export interface Received {
  readonly method: string
  readonly request: Message
}

type Fields = Record<string, unknown>
type Handler = (request: never) => Fields
/** Answers instead of the sidecar; `undefined` lets it answer itself. */
type Interceptor = (method: string, request: Message) => Promise<Fields | undefined> | Fields | undefined

/** Where this is `unary`, sidecars lack Multiplex, as older ones do. */
const LACKS_MULTIPLEX = process.env.PERIGEE_SPEC_SIDECARS === 'unary'

type MultiplexCall = ServerDuplexStream<MultiplexRequest, Message>
type HealthWatchCall = ServerWritableStream<HealthCheckRequest, Message>

const CLUSTER_ID = '00000000000000aa'

/** The contract's services on a real gRPC server, over a map: enough for the client to be tried against. */
export class SmallSidecar implements AsyncDisposable {
  readonly region: string
  readonly received: Received[] = []
  readonly multiplex = new SmallMultiplex((method, request) => this.#respond(method, request))
  intercept: Interceptor = () => undefined
  readonly #watches = new Map<HealthWatchCall, string>()
  readonly #notServing = new Set<string>()
  readonly #cluster: SmallCluster
  readonly #handlers = new Map<DescMethod, Handler | undefined>()
  readonly #server = new Server()
  #port = 0

  private constructor(region: string, cluster: SmallCluster) {
    this.region = region
    this.#cluster = cluster
  }

  /**
   * @param lacksMultiplex whether it answers UNIMPLEMENTED to that.
   * @param credentials by default without TLS.
   */
  static async start(
    region: string,
    cluster = new SmallCluster(),
    port = 0,
    lacksMultiplex = LACKS_MULTIPLEX,
    credentials = ServerCredentials.createInsecure(),
  ): Promise<SmallSidecar> {
    const sidecar = new SmallSidecar(region, cluster)
    await sidecar.#listen(port, lacksMultiplex, credentials)
    return sidecar
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`
  }

  get port(): number {
    return this.#port
  }

  calls(method: string): Message[] {
    return this.received.filter((call) => call.method === method).map((call) => call.request)
  }

  /** Says of a service that it serves, or not. */
  setServing(service: string, serving: boolean): void {
    if (serving) this.#notServing.delete(service)
    else this.#notServing.add(service)
    for (const [call, watched] of this.#watches) if (watched === service) this.#tellHealth(call, service)
  }

  #watchHealth(call: HealthWatchCall): void {
    const { service } = call.request
    this.#watches.set(call, service)
    call.on('cancelled', () => this.#watches.delete(call))
    this.#tellHealth(call, service)
  }

  #tellHealth(call: HealthWatchCall, service: string): void {
    call.write(create(Health.method.watch.output, { status: this.#notServing.has(service) ? 2 : 1 }))
  }

  /** Takes no more calls, without a word before, and finishes those that it has taken. */
  goAway(): void {
    this.multiplex.drain()
    this.#server.tryShutdown(() => {})
  }

  /** Drops every connection at once, as a killed process does. */
  async kill(): Promise<void> {
    this.#server.forceShutdown()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }

  async #listen(port: number, lacksMultiplex: boolean, credentials: ServerCredentials): Promise<void> {
    const unary = (
      methods: readonly DescMethod[],
      handlers: Record<string, Handler>,
    ): UntypedServiceImplementation => {
      for (const method of methods) this.#handlers.set(method, handlers[method.localName])
      return Object.fromEntries(
        methods.map((method) => [
          method.localName,
          (call: ServerUnaryCall<Message, Message>, reply: sendUnaryData<Message>) => {
            void this.#answer(method, call, reply)
          },
        ]),
      )
    }
    const cache = unary(CacheService.methods, this.#cache())
    const search = unary(SearchService.methods, this.#search())
    const cluster = {
      ...unary(ClusterService.methods, {
        getStatus: () => ({ region: this.region, primaryRegion: 'us-east-1' }),
      }),
      watchStatus: async (call: { request: Message; write(message: unknown): void; end(): void }) => {
        await this.intercept('WatchStatus', call.request)
        const output = ClusterService.method.watchStatus.output
        for (let i = 0; i < 2; i++) call.write(create(output, { status: { region: this.region } }))
        call.end()
      },
    }
    const health = {
      ...unary(Health.methods, { check: () => ({ status: 1 }) }),
      watch: (call: HealthWatchCall) => this.#watchHealth(call),
    }
    this.#server.addService(grpcServiceDefinition(CacheService), cache)
    this.#server.addService(grpcServiceDefinition(SearchService), search)
    this.#server.addService(grpcServiceDefinition(ClusterService), cluster)
    this.#server.addService(grpcServiceDefinition(Health), health)
    this.#server.addService(
      grpcServiceDefinition(SemanticCacheService),
      unary(SemanticCacheService.methods, {}),
    )
    if (!lacksMultiplex) {
      const multiplex = (call: MultiplexCall) => this.multiplex.serve(call)
      this.#server.addService(grpcServiceDefinition(MultiplexService), { multiplex })
    }
    this.#port = await new Promise<number>((resolve, reject) =>
      this.#server.bindAsync(`127.0.0.1:${port}`, credentials, (error, bound) =>
        error ? reject(error) : resolve(bound),
      ),
    )
  }

  async #answer(
    method: DescMethod,
    call: ServerUnaryCall<Message, Message>,
    reply: sendUnaryData<Message>,
  ): Promise<void> {
    try {
      reply(null, await this.#respond(method, call.request))
    } catch (error) {
      const { code, message, status } = refusalOf(error)
      const metadata = new Metadata()
      if (status) metadata.set(STATUS_DETAILS_KEY, Buffer.from(status))
      reply({ code, details: message, metadata })
    }
  }

  /** @throws Refusal */
  async #respond(method: DescMethod, request: Message): Promise<Message> {
    this.received.push({ method: method.name, request })
    const handler = this.#handlers.get(method)
    const intercepted = await this.intercept(method.name, request)
    if (!handler && !intercepted) throw new Refusal('NOT_YET')
    const requestId = (request as { options?: { requestId?: string } }).options?.requestId
    const known = requestId ? this.#cluster.answered.get(requestId) : undefined
    const answer = known ?? create(method.output, intercepted ?? (await handler?.(request as never)))
    if (requestId) this.#cluster.answered.set(requestId, answer)
    return answer
  }

  /** A receipt that has seen the newest write, or what the request has, whichever is later. */
  #receipt(request: { options?: { sessionToken: Uint8Array } | undefined }) {
    const token = request.options?.sessionToken
    const before = token?.length ? decodeToken(token).position.seq : 0
    const position = { epoch: 1, seq: Math.max(before, this.#cluster.seq) }
    return create(ReceiptSchema, {
      region: this.region,
      sessionToken: encodeToken({ clusterId: CLUSTER_ID, position }),
    })
  }

  #cache(): Record<string, Handler> {
    const { entries } = this.#cluster
    const path = (namespace: string, key: string) => `${namespace}/${key}`
    const put = (namespace: string, entry: Pick<Entry, 'key' | 'value' | 'contentType'>) => {
      const version = `1-${++this.#cluster.seq}`
      const { key, value, contentType } = entry
      const stored = create(EntrySchema, { key, value, contentType, version, writtenAt: timestampNow() })
      entries.set(path(namespace, key), stored)
      return version
    }
    return {
      get: (r: GetRequest) => ({ entry: entries.get(path(r.namespace, r.key)), receipt: this.#receipt(r) }),
      getMany: (r: GetManyRequest) => {
        // One that answers in small portions.
        const [now, later] = [r.keys.slice(0, 3), r.keys.slice(3)]
        const found = now.flatMap((key) => entries.get(path(r.namespace, key)) ?? [])
        return { entries: found, unreadKeys: later, receipt: this.#receipt(r) }
      },
      set: (r: SetRequest) => {
        const existing = entries.get(path(r.namespace, r.key))
        const condition = r.precondition?.condition
        if (condition?.case === 'exists' && condition.value !== Boolean(existing))
          throw new Refusal('PRECONDITION_FAILED')
        if (condition?.case === 'version' && condition.value !== existing?.version)
          throw new Refusal('PRECONDITION_FAILED')
        const version = put(r.namespace, r)
        return { version, receipt: this.#receipt(r) }
      },
      setMany: (r: SetManyRequest) => {
        const versions = r.entries.map((entry) => put(r.namespace, entry))
        return { versions, receipt: this.#receipt(r) }
      },
      delete: (r: DeleteRequest) => {
        const deleted = r.keys.filter((key) => entries.delete(path(r.namespace, key))).length
        this.#cluster.seq += deleted
        return { deleted, receipt: this.#receipt(r) }
      },
      listKeys: (r: ListKeysRequest) => {
        const all = [...entries.keys()].filter((key) => key.startsWith(path(r.namespace, r.prefix)))
        const from = Number(r.pageToken || 0)
        const to = from + 2
        const keys = all.slice(from, to).map((key) => key.slice(r.namespace.length + 1))
        return { keys, nextPageToken: to < all.length ? String(to) : '', receipt: this.#receipt(r) }
      },
      clearNamespace: (r: { namespace: string }) => {
        for (const key of entries.keys()) if (key.startsWith(`${r.namespace}/`)) entries.delete(key)
        this.#cluster.seq++
        return { receipt: this.#receipt({}) }
      },
    }
  }

  #search(): Record<string, Handler> {
    const { indexes, chunks } = this.#cluster
    const existing = (name: string) => {
      const index = indexes.get(name)
      if (!index) throw new Refusal('INDEX_NOT_FOUND')
      return index
    }
    return {
      createIndex: (r: CreateIndexRequest) => {
        if (!r.index) throw new Refusal('INVALID_FIELD')
        if (indexes.has(r.index.name)) throw new Refusal('INDEX_EXISTS')
        indexes.set(r.index.name, { ...r.index, uid: String(++this.#cluster.seq) })
        return { index: indexes.get(r.index.name), receipt: this.#receipt(r) }
      },
      getIndex: (r: GetIndexRequest) => ({ index: existing(r.name), receipt: this.#receipt(r) }),
      upsertChunks: (r: UpsertChunksRequest) => {
        for (const chunk of r.chunks) chunks.set(chunk.id, { ...chunk, version: `1-${++this.#cluster.seq}` })
        return { upserted: r.chunks.length, receipt: this.#receipt(r) }
      },
      getChunks: (r: GetChunksRequest) => ({
        chunks: r.ids.flatMap((id) => chunks.get(id) ?? []),
        receipt: this.#receipt(r),
      }),
      search: (r: SearchRequest) => ({
        hits: [...chunks.values()].slice(0, r.k).map((chunk, i) => ({ chunk, distance: i })),
        receipt: this.#receipt(r),
      }),
    }
  }
}
