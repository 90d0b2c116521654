import type { DescMethod, Message } from '@bufbuild/protobuf'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js'
import { statusName } from '@perigee/core'
import { decodeStatusDetails, STATUS_DETAILS_KEY } from '@perigee/protocol'

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

  constructor(address: string) {
    this.#client = new Client(address, credentials.createInsecure(), {
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
