import { connect, isIP, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { AbstractConnector, type RedisOptions } from 'ioredis'
import type { TlsFiles } from '../tls/tls-files.ts'

/** How a Redis is connected to. */
export interface RedisWay {
  /** Local address to connect from. */
  readonly localAddress?: string | undefined
  /** For `rediss://` URLs. Default: no certificate, and the CAs of the system. */
  readonly tls?: TlsFiles | undefined
}

/** What ioredis is to connect by: it has no option for a local address, and keeps the certificates that it was given first. */
export function connectorOf({ localAddress, tls }: RedisWay): Pick<RedisOptions, 'Connector'> {
  const Connector = class extends AbstractConnector {
    readonly #options: RedisOptions

    constructor(options: unknown) {
      const redisOptions = options as RedisOptions
      super(redisOptions.disconnectTimeout ?? 0)
      this.#options = redisOptions
    }

    override async connect(): Promise<Socket> {
      const { host = 'localhost', port = 6379, family = 0 } = this.#options
      this.connecting = true
      const at = { host, port, family, ...(localAddress !== undefined && { localAddress }) }
      // The listeners of ioredis are there in the next tick.
      const stream = this.#options.tls ? connectTls({ ...at, ...tlsOptions(host, tls) }) : connect(at)
      stream.once('error', (error) => {
        this.firstError = error
      })
      this.stream = stream
      return stream
    }
  }
  return { Connector }
}

/** What a TLS connection to a host is made with now. */
export function tlsOptions(host: string, tls: TlsFiles | undefined): ConnectionOptions {
  return { ...tls?.current, ...(isIP(host) === 0 && { servername: host }) }
}
