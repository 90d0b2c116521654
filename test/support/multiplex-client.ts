import { create, type DescMessage, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import { type ChannelOptions, Client, type ClientDuplexStream, credentials, Metadata } from '@grpc/grpc-js'
import { statusName } from '@perigee/core'
import {
  CallSchema,
  decodeStatusDetails,
  grpcServiceDefinition,
  type MultiplexRequest,
  MultiplexRequestSchema,
  type MultiplexResponse,
  MultiplexService,
  type Reply,
  ReplySchema,
} from '@perigee/protocol'

/** `google.rpc.Status`, as replies hold it. */
const ERROR = ReplySchema.field.error.message as DescMessage

type CallInit = MessageInitShape<typeof CallSchema>

/** What a frame holds; calls without an id get one. */
interface FrameInit {
  readonly calls?: readonly CallInit[]
  readonly cancels?: readonly number[]
  readonly sessionTokens?: readonly Uint8Array[]
}

/** How a stream ended. */
export interface StreamEnd {
  readonly status: string
  readonly message: string
}

/**
 * One Multiplex stream by grpc-js and protobuf-es alone, so that a sidecar is held against the contract and not against
 * the codec that it shares with the SDK.
 */
export class MultiplexClient {
  /** How it ended, once it has. */
  readonly ended: Promise<StreamEnd>
  /** Replies a frame, in the order in which frames came. */
  readonly frames: number[] = []
  draining = false
  readonly #client: Client
  readonly #stream: ClientDuplexStream<Buffer, MultiplexResponse>
  readonly #waiting = new Map<number, (reply: Reply) => void>()
  #id = 0

  /** @param token shown when it opens. */
  constructor(address: string, options: ChannelOptions = {}, token?: string) {
    const metadata = new Metadata()
    if (token !== undefined) metadata.set('authorization', `Bearer ${token}`)
    const { path, responseDeserialize } = grpcServiceDefinition(MultiplexService).multiplex
    this.#client = new Client(address, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_receive_message_length': -1,
      ...options,
    })
    this.#stream = this.#client.makeBidiStreamRequest(
      path,
      (bytes: Buffer) => bytes,
      responseDeserialize,
      metadata,
    )
    this.#stream.on('data', (frame: MultiplexResponse) => this.#read(frame))
    this.#stream.on('error', () => {})
    this.ended = new Promise((resolve) => {
      this.#stream.on('status', ({ code, details }) =>
        resolve({ status: statusName(code), message: details }),
      )
    })
  }

  /** An id that no call has had. */
  nextId(): number {
    this.#id += 1
    return this.#id
  }

  /** Sends one frame. @returns the replies of its calls, in their order. */
  send(frame: FrameInit): Promise<Reply>[] {
    return this.post(frame).map((id) => this.reply(id))
  }

  /** Sends one frame, whatever is answered. @returns the ids of its calls. */
  post({ calls = [], cancels = [], sessionTokens = [] }: FrameInit): number[] {
    const withIds = calls.map((call) =>
      create(CallSchema, { ...call, id: call.id || this.nextId() } as never),
    )
    const frame = { calls: withIds, cancels: [...cancels], sessionTokens: [...sessionTokens] }
    this.write(create(MultiplexRequestSchema, frame))
    return withIds.map(({ id }) => id)
  }

  /** Sends a call alone. @returns its answer. @throws ReplyError */
  async call(call: CallInit, sessionToken?: Uint8Array): Promise<NonNullable<Reply['result']['value']>> {
    const [reply] = this.send({
      calls: [{ ...call, ...(sessionToken && { session: 1 }) } as CallInit],
      sessionTokens: sessionToken ? [sessionToken] : [],
    })
    return answerOf(await (reply as Promise<Reply>))
  }

  /** The next reply with an id. */
  reply(id: number): Promise<Reply> {
    return new Promise((resolve) => this.#waiting.set(id, resolve))
  }

  write(frame: MultiplexRequest): void {
    this.writeBytes(toBinary(MultiplexRequestSchema, frame))
  }

  writeBytes(bytes: Uint8Array): void {
    this.#stream.write(Buffer.from(bytes))
  }

  /** Reads no more replies, until told to. */
  pause(): void {
    this.#stream.pause()
  }

  resume(): void {
    this.#stream.resume()
  }

  /** Sends no more. */
  finish(): void {
    this.#stream.end()
  }

  /** Breaks the stream off. */
  cancel(): void {
    this.#stream.cancel()
  }

  close(): void {
    this.#stream.cancel()
    this.#client.close()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #read({ replies, draining }: MultiplexResponse): void {
    this.draining ||= draining
    this.frames.push(replies.length)
    for (const reply of replies) {
      this.#waiting.get(reply.id)?.(reply)
      this.#waiting.delete(reply.id)
    }
  }
}

/** A reply's answer. @throws ReplyError when it is an error */
export function answerOf({ result }: Reply): NonNullable<Reply['result']['value']> {
  if (result.case === 'error') throw new ReplyError(result.value)
  if (result.value === undefined) throw new Error('the reply has no result')
  return result.value
}

/** What an error reply says. */
export class ReplyError extends Error {
  readonly status: string
  readonly details: ReturnType<typeof decodeStatusDetails>

  constructor(error: NonNullable<Extract<Reply['result'], { case: 'error' }>['value']>) {
    super(error.message)
    this.status = statusName(error.code)
    this.details = decodeStatusDetails(toBinary(ERROR, error))
  }
}
