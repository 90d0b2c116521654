import { connect, createServer, type Server, type Socket } from 'node:net'
import { type Address, addressText } from './address.ts'
import { DelayLine } from './delay-line.ts'
import type { Links } from './link.ts'
import { reset } from './reset.ts'

export interface RelayPlan {
  readonly listen: Address
  readonly target: Address
  /** The region whose clients this relay serves, or undefined: then the client's address says it. */
  readonly from: string | undefined
  readonly to: string
}

/** Says which region a source address belongs to. */
export type RegionOf = (address: string) => string | undefined

/** A TCP relay in front of one server: it adds the links' delays and faults to what passes. */
export class Relay {
  readonly plan: RelayPlan
  readonly #links: Links
  readonly #regionOf: RegionOf
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  constructor(plan: RelayPlan, links: Links, regionOf: RegionOf) {
    this.plan = plan
    this.#links = links
    this.#regionOf = regionOf
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#serve(client))
  }

  async listen(): Promise<void> {
    const { host, port } = this.plan.listen
    await new Promise<void>((resolve, reject) => {
      const failed = (error: NodeJS.ErrnoException) => reject(listenError(error, this.plan.listen))
      this.#server.once('error', failed)
      this.#server.listen({ host, port, backlog: 512 }, () => {
        this.#server.off('error', failed)
        resolve()
      })
    })
  }

  /**
   * Refuses new connections, as the machine of a server that is gone does: who asks must be able to tell that from a link
   * that is cut. Connections that there are end by themselves.
   */
  pause(): void {
    if (this.#server.listening) this.#server.close()
  }

  /** Listens again after {@link pause}. */
  async resume(): Promise<void> {
    if (!this.#server.listening) await this.listen()
  }

  /** Where it listens. */
  get address(): Address {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the relay does not listen')
    return { host: address.address, port: address.port }
  }

  /** Ends the relay and all its connections. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) =>
      this.#server.listening ? this.#server.close(resolve) : resolve(undefined),
    )
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #serve(client: Socket): void {
    const { from = this.#regionOf(client.remoteAddress ?? ''), to, target } = this.plan
    // A client outside the cluster's addresses counts as local to the server.
    const source = from ?? to
    const there = this.#links.between(source, to)
    const back = this.#links.between(to, source)
    if (there.settings.mode === 'cut') {
      client.on('error', () => {})
      reset(client)
      return
    }
    // The server sees the region's own address as its client.
    const { remoteAddress } = client
    const localAddress =
      from === undefined || remoteAddress === undefined ? {} : { localAddress: remoteAddress }
    const server = connect({ ...target, ...localAddress, noDelay: true, allowHalfOpen: true })
    this.#track(client)
    this.#track(server)
    new DelayLine(client, server, there)
    new DelayLine(server, client, back)
    const unwatch = there.watch(() => {
      if (there.settings.mode !== 'cut') return
      reset(client)
      reset(server)
    })
    client.once('close', unwatch)
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
  }
}

/** What to do when an address can't be listened at. */
export function listenError(error: NodeJS.ErrnoException, address: Address): Error {
  const where = addressText(address)
  if (error.code === 'EADDRINUSE') {
    return new Error(
      `${where} is taken. Is another \`perigee dev\` running? Stop it, or choose another base port (--port).`,
    )
  }
  if (error.code === 'EADDRNOTAVAIL') {
    return new Error(
      `${where} isn't an address of this machine. Regions live on 127.0.0.0/8, which Linux has by itself; on macOS add it: sudo ifconfig lo0 alias ${address.host}`,
    )
  }
  return new Error(`Can't listen at ${where}: ${error.message}`)
}
