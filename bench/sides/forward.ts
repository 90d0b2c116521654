import { connect, type Socket } from 'node:net'
import { bytes, Perigee } from '@perigee/sdk'
import { AbstractConnector, Redis, type RedisOptions } from 'ioredis'
import { oneByOneOnceWarm } from '../driver/load.ts'
import type { OpenSide } from '../driver/side.ts'
import { keyOf, plainKeyOf, valueFor } from '../input/value.ts'

/** Sets by the SDK in a region that isn't the primary: how much longer than the round trip to it they take. */
export const openSdkForward: OpenSide = async ({ sdk, oneWayMs }) => {
  const perigee = await Perigee.connect(sdk)
  const cache = perigee.cache('bench-forward', { codec: bytes })
  const beyond = async (n: number) => {
    const from = performance.now()
    const { version } = await cache.set(keyOf(n), valueFor(n))
    const tookMs = performance.now() - from
    if (!version) throw new Error(`${keyOf(n)} was not written`)
    return tookMs - 2 * oneWayMs
  }
  return {
    turn: (turn) => oneByOneOnceWarm(beyond, turn),
    close: () => perigee.close(),
  }
}

/** The same by ioredis at the far primary's Redis. */
export const openRedisForward: OpenSide = async ({ farRedis, localAddress, oneWayMs }) => {
  const redis = new Redis(farRedis, { Connector: connectorFrom(localAddress) })
  const beyond = async (n: number) => {
    const from = performance.now()
    const reply = await redis.set(plainKeyOf(n), valueFor(n))
    const tookMs = performance.now() - from
    if (reply !== 'OK') throw new Error(`SET answered ${reply}`)
    return tookMs - 2 * oneWayMs
  }
  return {
    turn: (turn) => oneByOneOnceWarm(beyond, turn),
    async close() {
      redis.disconnect()
    },
  }
}

/** Relays tell by the address that a connection leaves from which region it is in; ioredis has no option for that. */
function connectorFrom(localAddress: string): NonNullable<RedisOptions['Connector']> {
  return class extends AbstractConnector {
    readonly #at: { readonly host: string; readonly port: number }

    constructor(options: unknown) {
      const { host = 'localhost', port = 6379, disconnectTimeout = 0 } = options as RedisOptions
      super(disconnectTimeout)
      this.#at = { host, port }
    }

    override async connect(): Promise<Socket> {
      this.connecting = true
      const stream = connect({ ...this.#at, localAddress })
      stream.once('error', (error) => {
        this.firstError = error
      })
      this.stream = stream
      return stream
    }
  }
}
