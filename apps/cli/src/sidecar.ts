import {
  create,
  type DescMessage,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf'
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js'
import { statusName } from '@perigee/core'
import { decodeStatusDetails, STATUS_DETAILS_KEY } from '@perigee/protocol'
import { Failure } from './failure.ts'

/**
 * One sidecar, called directly: for what an operator asks of this very sidecar, where the SDK would look for another
 * one that answers.
 */
export class Sidecar implements Disposable {
  readonly address: string
  readonly #client: Client
  readonly #timeoutMs: number
  readonly #signal: AbortSignal

  constructor(options: { address: string; timeoutMs: number; signal: AbortSignal }) {
    this.address = options.address
    this.#timeoutMs = options.timeoutMs
    this.#signal = options.signal
    this.#client = new Client(options.address, credentials.createInsecure(), {
      'grpc.max_receive_message_length': 16 * 1024 * 1024,
      // Sidecars are in the private network: a proxy for the internet answers for addresses it can't reach.
      'grpc.enable_http_proxy': 0,
      'grpc.initial_reconnect_backoff_ms': 200,
      'grpc.max_reconnect_backoff_ms': 1000,
    })
  }

  /** Calls a method within the command's time limit, or `timeoutMs`. */
  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    timeoutMs = this.#timeoutMs,
  ): Promise<MessageShape<O>> {
    return new Promise((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(
        pathOf(method),
        (message: MessageShape<I>) => Buffer.from(toBinary(method.input, message)),
        (bytes: Buffer) => fromBinary(method.output, bytes),
        create(method.input, request),
        new Metadata(),
        { deadline: Date.now() + timeoutMs },
        (error, answer) => {
          this.#signal.removeEventListener('abort', cancel)
          if (error) reject(this.#failure(error))
          else if (answer) resolve(answer)
        },
      )
      const cancel = () => call.cancel()
      if (this.#signal.aborted) cancel()
      else this.#signal.addEventListener('abort', cancel, { once: true })
    })
  }

  /** Calls a method that answers again and again, with no time limit but `timeoutMs`, if given. */
  async *stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    timeoutMs?: number,
  ): AsyncGenerator<MessageShape<O>> {
    const call = this.#client.makeServerStreamRequest(
      pathOf(method),
      (message: MessageShape<I>) => Buffer.from(toBinary(method.input, message)),
      (bytes: Buffer) => fromBinary(method.output, bytes),
      create(method.input, request),
      new Metadata(),
      timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs },
    )
    const cancel = () => call.cancel()
    if (this.#signal.aborted) cancel()
    else this.#signal.addEventListener('abort', cancel, { once: true })
    try {
      for await (const answer of call) yield answer
    } catch (error) {
      throw this.#failure(error as ServiceError)
    } finally {
      this.#signal.removeEventListener('abort', cancel)
      call.on('error', () => {})
      call.cancel()
    }
  }

  [Symbol.dispose](): void {
    this.#client.close()
  }

  #failure(error: ServiceError): Failure {
    if (this.#signal.aborted) return Failure.interrupted()
    const details = error.metadata?.get(STATUS_DETAILS_KEY)[0]
    const { reason, metadata } = Buffer.isBuffer(details) ? decodeStatusDetails(details) : {}
    const code = statusName(error.code ?? 2)
    const unreached = code === 'UNAVAILABLE' && !reason
    const message = unreached
      ? `no sidecar answers at ${this.address}: ${connectionError(error.details)}`
      : error.details || error.message
    return Failure.ofCall({ code, reason, metadata, message, cause: error }, { target: this.address })
  }
}

function pathOf(method: { parent: { typeName: string }; name: string }): string {
  return `/${method.parent.typeName}/${method.name}`
}

/** What grpc-js says of a connection that failed, without the words around it. */
function connectionError(details: string): string {
  return details.match(/Last error: (?:Error: )?(.*?)\.? ?Resolution note:/)?.[1] || details
}
