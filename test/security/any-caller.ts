import type { DescMethod, Message } from '@bufbuild/protobuf'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { type ChannelCredentials, Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js'
import { statusName } from '@perigee/core'
import { decodeStatusDetails, STATUS_DETAILS_KEY } from '@perigee/protocol'

/** `ServerReflectionRequest { list_services: "*" }` */
const LIST_SERVICES = Buffer.from([0x3a, 0x01, 0x2a])

/** How a call ended: its answer, or of a stream the first message; or the error, as a caller would read it. */
export interface Outcome {
  readonly status: string
  readonly reason: string | undefined
  readonly message: string
  readonly answer: Message | undefined
}

/** Calls any unary or server-streaming method at one address, showing whatever it is told to. */
export class AnyCaller implements Disposable {
  readonly #client: Client

  /** @param channel default: without TLS. */
  constructor(address: string, channel: ChannelCredentials = credentials.createInsecure()) {
    this.#client = new Client(address, channel, {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 500,
    })
  }

  /** @param authorization the header as it is; `undefined`: none. */
  call(method: DescMethod, init: object, authorization: string | undefined): Promise<Outcome> {
    const metadata = new Metadata()
    if (authorization !== undefined) metadata.set('authorization', authorization)
    const path = `/${method.parent.typeName}/${method.name}`
    const encode = (message: Message) => Buffer.from(toBinary(method.input, message))
    const decode = (bytes: Buffer) => fromBinary(method.output, bytes) as Message
    const request = create(method.input, init as never) as Message
    const options = { deadline: Date.now() + 10_000 }
    return new Promise((resolve) => {
      const ended = (error: ServiceError | null, answer?: Message) => resolve(outcomeOf(error, answer))
      if (method.methodKind === 'unary') {
        this.#client.makeUnaryRequest(path, encode, decode, request, metadata, options, ended)
        return
      }
      const stream = this.#client.makeServerStreamRequest(path, encode, decode, request, metadata, options)
      stream.on('data', (message: Message) => {
        ended(null, message)
        stream.cancel()
      })
      stream.on('error', ended)
    })
  }

  /** How a stream of answers ends that nobody breaks off, but for a deadline of 20 s. */
  end(method: DescMethod, init: object, authorization: string): Promise<Outcome> {
    const metadata = new Metadata()
    metadata.set('authorization', authorization)
    const stream = this.#client.makeServerStreamRequest(
      `/${method.parent.typeName}/${method.name}`,
      (message: Message) => Buffer.from(toBinary(method.input, message)),
      (bytes: Buffer) => fromBinary(method.output, bytes) as Message,
      create(method.input, init as never) as Message,
      metadata,
      { deadline: Date.now() + 20_000 },
    )
    stream.on('data', () => {})
    return new Promise((resolve) => {
      stream.on('error', (error: ServiceError) => resolve(outcomeOf(error, undefined)))
      stream.on('end', () => resolve(outcomeOf(null, undefined)))
    })
  }

  /** Asks reflection which services there are. @returns the status. */
  reflects(authorization: string | undefined): Promise<string> {
    const metadata = new Metadata()
    if (authorization !== undefined) metadata.set('authorization', authorization)
    const same = (bytes: Buffer) => bytes
    const path = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo'
    const stream = this.#client.makeBidiStreamRequest<Buffer, Buffer>(path, same, same, metadata, {
      deadline: Date.now() + 10_000,
    })
    return new Promise((resolve) => {
      let heard = false
      stream.on('data', () => {
        heard = true
      })
      stream.on('error', () => {})
      stream.on('status', ({ code }) => resolve(code === 0 && !heard ? 'NOTHING' : statusName(code)))
      stream.write(LIST_SERVICES)
      stream.end()
    })
  }

  [Symbol.dispose](): void {
    this.#client.close()
  }
}

function outcomeOf(error: ServiceError | null, answer: Message | undefined): Outcome {
  if (!error) return { status: 'OK', reason: undefined, message: '', answer }
  const [bytes] = error.metadata?.get(STATUS_DETAILS_KEY) ?? []
  const { reason } = bytes instanceof Buffer ? decodeStatusDetails(bytes) : {}
  return { status: statusName(error.code), reason, message: error.details, answer: undefined }
}
