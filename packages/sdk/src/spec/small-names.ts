import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { type Answer, decode, encode } from 'dns-packet'

/** Records, a failure by its code, nothing at all, or any bytes that are sent as they are behind the query's id. */
export type Says = readonly Answer[] | 'nxdomain' | 'servfail' | 'silent' | Buffer

const CODES = { nxdomain: 3, servfail: 2 } as const

/** A DNS server that says what a test wants, by UDP. */
export class SmallNames {
  /** By type and name, such as `A api.eu-west-1.rag.internal`. Other names don't exist. */
  readonly says = new Map<string, Says>()
  /** Every question, as `says` has them. */
  readonly asked: string[] = []
  readonly #socket: Socket

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('message', (query, client) => {
      const { id = 0, questions: [question] = [] } = decode(query)
      if (!question) return
      const key = `${question.type} ${question.name}`
      this.asked.push(key)
      const says = this.says.get(key) ?? 'nxdomain'
      if (says === 'silent') return
      if (Buffer.isBuffer(says)) {
        const bytes = Buffer.concat([query.subarray(0, 2), says])
        socket.send(bytes, client.port, client.address)
        return
      }
      const answers = typeof says === 'string' ? [] : [...says]
      const code = typeof says === 'string' ? CODES[says] : 0
      const flags = 0x8000 | 0x0400 | code
      socket.send(
        encode({ type: 'response', id, flags, questions: [question], answers }),
        client.port,
        client.address,
      )
    })
  }

  static async start(): Promise<SmallNames> {
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    return new SmallNames(socket)
  }

  get address(): string {
    return `127.0.0.1:${this.#socket.address().port}`
  }

  a(name: string, ...hosts: string[]): void {
    this.says.set(
      `A ${name}`,
      hosts.map((data) => ({ type: 'A', name, ttl: 1, data })),
    )
  }

  aaaa(name: string, ...hosts: string[]): void {
    this.says.set(
      `AAAA ${name}`,
      hosts.map((data) => ({ type: 'AAAA', name, ttl: 1, data })),
    )
  }

  srv(name: string, ...services: { target: string; port: number; priority?: number }[]): void {
    this.says.set(
      `SRV ${name}`,
      services.map(({ target, port, priority = 0 }) => ({
        type: 'SRV',
        name,
        ttl: 1,
        data: { target, port, priority, weight: 0 },
      })),
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()))
  }
}
