import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { AbstractConnector, type RedisOptions } from 'ioredis'

/** What ioredis is to connect with, so that connections leave from a local address; ioredis has no option for that. */
export function connectorFrom(localAddress: string): NonNullable<RedisOptions['Connector']> {
  return class extends AbstractConnector {
    readonly #options: RedisOptions

    constructor(options: unknown) {
      const redisOptions = options as RedisOptions
      super(redisOptions.disconnectTimeout ?? 0)
      this.#options = redisOptions
    }

    override async connect(): Promise<Socket> {
      const { host = 'localhost', port = 6379, family = 0, tls } = this.#options
      this.connecting = true
      const at = { host, port, family, localAddress }
      // The listeners of ioredis are there in the next tick.
      const stream = tls ? connectTls({ ...at, ...tls }) : connect(at)
      stream.once('error', (error) => {
        this.firstError = error
      })
      this.stream = stream
      return stream
    }
  }
}
