import { readFileSync } from 'node:fs'
import {
  create,
  type DescMessage,
  type DescMethodUnary,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf'
import { type ChannelCredentials, Client, credentials, Metadata } from '@grpc/grpc-js'
import { PerigeeError, type TlsOptions } from '@perigee/sdk'

/** One sidecar, called directly, for the methods between sidecars that the SDK doesn't have. */
export class Sidecar implements Disposable {
  readonly #client: Client
  readonly #metadata = new Metadata()

  /**
   * @param address host:port
   * @param options.tls `serverName`: the name that its certificate must have. Default: the address's host.
   */
  constructor(address: string, { tls, token }: { tls?: TlsOptions | undefined; token?: string | undefined }) {
    if (token !== undefined) this.#metadata.set('authorization', `Bearer ${token}`)
    this.#client = new Client(address, tls ? secure(tls) : credentials.createInsecure(), {
      // Sidecars are in the private network: a proxy for the internet answers for addresses it can't reach.
      'grpc.enable_http_proxy': 0,
      ...(tls?.serverName !== undefined && { 'grpc.ssl_target_name_override': tls.serverName }),
    })
  }

  /** @throws PerigeeError with the sidecar's own code and reason. */
  call<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    options: { readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<MessageShape<O>> {
    const { timeoutMs, signal } = options
    return new Promise((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(
        `/${method.parent.typeName}/${method.name}`,
        (message: MessageShape<I>) => Buffer.from(toBinary(method.input, message)),
        (bytes: Buffer) => fromBinary(method.output, bytes),
        create(method.input, request),
        this.#metadata,
        { deadline: Date.now() + timeoutMs },
        (error, answer) => {
          signal.removeEventListener('abort', cancel)
          if (error) reject(PerigeeError.from(error))
          else if (answer) resolve(answer)
        },
      )
      const cancel = () => call.cancel()
      signal.addEventListener('abort', cancel, { once: true })
      if (signal.aborted) cancel()
    })
  }

  [Symbol.dispose](): void {
    this.#client.close()
  }
}

function secure({ ca, cert, key }: TlsOptions): ChannelCredentials {
  const [authority, certificate, privateKey] = [ca, cert, key].map((file) =>
    file ? readFileSync(file) : null,
  )
  return credentials.createSsl(authority, privateKey, certificate)
}
