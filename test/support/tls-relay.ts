import { once } from 'node:events'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { createServer, type Server, type TlsOptions } from 'node:tls'

/** A way to a server by TLS, which takes the TLS off: for servers that are built without it. */
export class TlsRelay {
  /** Where its own connections to the server come from. */
  static readonly from = '127.0.0.99'
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(server: Server) {
    this.#server = server
  }

  /** @param target `host:port` of the server. */
  static async start(target: string, options: TlsOptions): Promise<TlsRelay> {
    const colon = target.lastIndexOf(':')
    const to = { host: target.slice(0, colon), port: Number(target.slice(colon + 1)) }
    const server = createServer({ ...options, requestCert: true })
    const relay = new TlsRelay(server)
    server.on('secureConnection', (client) => {
      const there = connect({ ...to, localAddress: TlsRelay.from })
      for (const [one, other] of [
        [client, there],
        [there, client],
      ] as const) {
        relay.#sockets.add(one)
        one.on('error', () => {})
        one.on('close', () => {
          relay.#sockets.delete(one)
          other.destroy()
        })
        one.pipe(other)
      }
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return relay
  }

  /** `host:port` */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Exchanges what it shows and whom it trusts, and ends all connections. */
  renew(options: TlsOptions): void {
    this.#server.setSecureContext(options)
    for (const socket of this.#sockets) socket.destroy()
  }

  [Symbol.dispose](): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }
}
