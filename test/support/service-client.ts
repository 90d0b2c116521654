import type { DescMethod, Message } from '@bufbuild/protobuf'
import type { GenService, GenServiceMethods } from '@bufbuild/protobuf/codegenv2'
import {
  type ChannelOptions,
  Client,
  type ClientReadableStream,
  credentials,
  Metadata,
  type MethodDefinition,
} from '@grpc/grpc-js'
import { grpcServiceDefinition } from '@perigee/protocol'
import { CallError } from './clients.ts'

/** Calls any method of one service at one address, with messages made by the caller, unknown fields and all. */
export class ServiceClient<M extends GenServiceMethods> {
  readonly #client: Client
  readonly #definition: Record<string, MethodDefinition<Message, Message>>

  constructor(service: GenService<M>, address: string, options: ChannelOptions = {}) {
    this.#client = new Client(address, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      ...options,
    })
    this.#definition = grpcServiceDefinition(service) as never
  }

  /** @throws CallError */
  unary(method: DescMethod, request: Message, timeoutMs = 10_000): Promise<Message> {
    const { path, requestSerialize, responseDeserialize } = this.#wire(method)
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        new Metadata(),
        { deadline: Date.now() + timeoutMs },
        (error, response) => (error ? reject(new CallError(error)) : resolve(response as Message)),
      )
    })
  }

  /** The messages of a stream; whoever stops reading cancels it. Throws CallError when it fails. */
  async *stream<T extends Message>(
    method: DescMethod,
    request: Message,
    timeoutMs = 60_000,
  ): AsyncGenerator<T> {
    const { path, requestSerialize, responseDeserialize } = this.#wire(method)
    const call = this.#client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request, {
      deadline: Date.now() + timeoutMs,
    }) as ClientReadableStream<T>
    try {
      yield* call as AsyncIterable<T>
    } catch (error) {
      throw new CallError(error as never)
    } finally {
      call.cancel()
    }
  }

  close(): void {
    this.#client.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #wire(method: DescMethod): MethodDefinition<Message, Message> {
    const definition = this.#definition[method.localName]
    if (!definition) throw new Error(`${method.name} is of another service`)
    return definition
  }
}
