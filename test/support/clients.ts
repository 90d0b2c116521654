import type { DescMessage, MessageInitShape, MessageShape } from '@bufbuild/protobuf'
import { create } from '@bufbuild/protobuf'
import type { GenService, GenServiceMethods } from '@bufbuild/protobuf/codegenv2'
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js'
import { statusName } from '@perigee/core'
import {
  CacheService,
  ClusterService,
  decodeStatusDetails,
  grpcServiceDefinition,
  SearchService,
  STATUS_DETAILS_KEY,
  type StatusDetails,
} from '@perigee/protocol'

/** A unary call that failed: the status's name and the details, as a caller would read them. */
export class CallError extends Error {
  readonly status: string
  readonly details: StatusDetails

  constructor(error: ServiceError) {
    const [bytes] = error.metadata.get(STATUS_DETAILS_KEY)
    super(error.details)
    this.status = statusName(error.code)
    this.details = bytes instanceof Buffer ? decodeStatusDetails(bytes) : {}
  }
}

type Call<I extends DescMessage, O extends DescMessage> = (
  request: MessageInitShape<I>,
  options?: { timeoutMs?: number },
) => Promise<MessageShape<O>>

type Calls<M extends GenServiceMethods> = {
  readonly [K in keyof M as M[K]['methodKind'] extends 'unary' ? K : never]: Call<
    M[K]['input'],
    M[K]['output']
  >
}

/** Plain gRPC to one sidecar, without the SDK between: what an outside tool would send. */
export class RawClient {
  readonly #client: Client
  readonly #metadata = new Metadata()
  readonly cache: Calls<typeof CacheService.method>
  readonly search: Calls<typeof SearchService.method>
  readonly cluster: Calls<typeof ClusterService.method>

  /** @param token shown by every call. */
  constructor(address: string, token?: string) {
    if (token !== undefined) this.#metadata.set('authorization', `Bearer ${token}`)
    this.#client = new Client(address, credentials.createInsecure(), {
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 500,
      'grpc.use_local_subchannel_pool': 1,
    })
    this.cache = this.#calls(CacheService)
    this.search = this.#calls(SearchService)
    this.cluster = this.#calls(ClusterService)
  }

  #calls<M extends GenServiceMethods>(service: GenService<M>): Calls<M> {
    const definition = grpcServiceDefinition(service)
    const calls: Record<string, unknown> = {}
    for (const method of service.methods) {
      const wire = definition[method.localName as keyof M]
      if (method.methodKind !== 'unary' || !wire) continue
      calls[method.localName] = (init: never, { timeoutMs = 10_000 } = {}) =>
        new Promise((resolve, reject) => {
          this.#client.makeUnaryRequest(
            wire.path,
            wire.requestSerialize as (m: unknown) => Buffer,
            wire.responseDeserialize as (b: Buffer) => unknown,
            create(method.input, init),
            this.#metadata,
            { deadline: Date.now() + timeoutMs },
            (error, response) => (error ? reject(new CallError(error)) : resolve(response)),
          )
        })
    }
    return calls as Calls<M>
  }

  close(): void {
    this.#client.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
