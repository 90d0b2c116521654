import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { createServer, type Server, type Socket } from 'node:net'
import type { Address } from './address.ts'
import type { DnsSettings } from './dns-fault.ts'
import type { DnsView } from './dns-view.ts'
import { listenError } from './relay.ts'

/** Serves one {@link DnsView} by UDP and TCP at one address. */
export class DnsServer {
  readonly address: Address
  readonly #view: DnsView
  readonly #udp: UdpSocket
  readonly #tcp: Server
  readonly #sockets = new Set<Socket>()
  readonly #late = new Set<NodeJS.Timeout>()

  constructor(address: Address, view: DnsView) {
    this.address = address
    this.#view = view
    this.#udp = createSocket('udp4')
    this.#udp.on('message', (query, client) => {
      const reply = view.answer(query, 'udp')
      if (reply === undefined) return
      this.#after(reply.afterMs, () => this.#udp.send(reply.packet, client.port, client.address))
    })
    // An answer that can't be sent is a question that will be asked again.
    this.#udp.on('error', () => {})
    this.#tcp = createServer({ noDelay: true }, (socket) => this.#serve(socket))
  }

  async listen(): Promise<void> {
    const { host, port } = this.address
    await new Promise<void>((resolve, reject) => {
      this.#tcp.once('error', (error) => reject(listenError(error, this.address)))
      this.#tcp.listen(port, host, resolve)
    })
    await new Promise<void>((resolve, reject) => {
      this.#udp.once('error', (error) => reject(listenError(error, this.address)))
      this.#udp.bind(this.port, host, resolve)
    })
  }

  /** The port it listens at: a free one if its address asks for port 0. */
  get port(): number {
    const address = this.#tcp.address()
    return address === null || typeof address === 'string' ? this.address.port : address.port
  }

  /** Changes how questions for a region's name are answered: what isn't given stays. */
  set(region: string, changes: Partial<DnsSettings>): void {
    this.#view.set(region, changes)
  }

  async close(): Promise<void> {
    for (const timer of this.#late) clearTimeout(timer)
    for (const socket of this.#sockets) socket.destroy()
    await Promise.all([
      new Promise<void>((resolve) => this.#udp.close(resolve)),
      new Promise((resolve) => this.#tcp.close(resolve)),
    ])
  }

  #after(ms: number, work: () => void): void {
    if (ms === 0) {
      work()
      return
    }
    const timer = setTimeout(() => {
      this.#late.delete(timer)
      work()
    }, ms)
    this.#late.add(timer)
  }

  /** Over TCP each message has its length before it, in two bytes. */
  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    let data = Buffer.alloc(0)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk) => {
      data = Buffer.concat([data, chunk])
      while (data.length >= 2 && data.length >= 2 + data.readUInt16BE(0)) {
        const end = 2 + data.readUInt16BE(0)
        const reply = this.#view.answer(data.subarray(2, end), 'tcp')
        data = data.subarray(end)
        if (reply === undefined) continue
        const length = Buffer.alloc(2)
        length.writeUInt16BE(reply.packet.length)
        this.#after(reply.afterMs, () => socket.write(Buffer.concat([length, reply.packet])))
      }
    })
  }
}
