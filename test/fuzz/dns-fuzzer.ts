import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, isIP } from 'node:net'
import { type Answer, AUTHORITATIVE_ANSWER, decode, encode, type Question } from 'dns-packet'
import { DnsDiscovery } from '../../packages/sdk/src/dns-discovery.ts'
import type { Draw } from './draw.ts'
import { Finding, type Fuzzer, hex } from './fuzzer.ts'
import { mutated } from './mutation.ts'

const DOMAIN = 'fuzz.internal'
/** It says that it takes about two seconds; machines are busy. */
const ANSWER_MS = 6_000
const PORT = 7700

/** Answers of DNS, damaged: the SDK's discovery gives addresses that can be called, or says why not, in time. */
export class DnsFuzzer implements Fuzzer {
  readonly lanes = 32
  readonly #socket: Socket
  readonly #server: string
  /** What is answered to questions about a region, by its name. */
  readonly #cases = new Map<string, { draw: Draw; answers: string[] }>()
  #region = 0

  private constructor(socket: Socket) {
    this.#socket = socket
    this.#server = `127.0.0.1:${(socket.address() as AddressInfo).port}`
    socket.on('message', (query, client) => {
      for (const answer of this.#answers(query)) socket.send(answer, client.port, client.address)
    })
    socket.on('error', () => {})
  }

  static async start(): Promise<DnsFuzzer> {
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    return new DnsFuzzer(socket)
  }

  async run(draw: Draw, note: (input: string) => void): Promise<string> {
    this.#region += 1
    const region = `r${this.#region}`
    const answers: string[] = []
    this.#cases.set(region, { draw, answers })
    const discovery = new DnsDiscovery({ domain: DOMAIN, port: PORT, server: this.#server })
    const startedMs = performance.now()
    try {
      const { addresses, error } = await discovery.resolve(region)
      const tookMs = performance.now() - startedMs
      note(answers.join(' '))
      if (tookMs > ANSWER_MS) throw new Finding(`looking up took ${Math.round(tookMs)} ms`)
      for (const { address } of addresses) demandCallable(address)
      if ((addresses.length === 0) !== (error !== undefined))
        throw new Finding('neither an address nor an error')
      return error === undefined ? 'addresses' : 'an error'
    } catch (error) {
      note(answers.join(' '))
      throw error instanceof Finding ? error : new Finding(`looking up throws ${error}`)
    } finally {
      discovery.close()
      this.#cases.delete(region)
    }
  }

  #answers(query: Buffer): Uint8Array[] {
    const packet = decode(query)
    const question = packet.questions?.[0]
    const region = /\.(r\d+)\.fuzz\.internal$/i.exec(`.${question?.name ?? ''}`)?.[1]
    const about = region === undefined ? undefined : this.#cases.get(region.toLowerCase())
    if (!question || !about) return []
    const { draw, answers } = about
    if (draw.chance(0.03)) return []
    const whole = encode({
      ...{ type: 'response', id: packet.id ?? 0, flags: AUTHORITATIVE_ANSWER, questions: [question] },
      answers: Array.from({ length: draw.below(draw.chance(0.05) ? 60 : 4) }, () => record(question, draw)),
    })
    const count = draw.chance(0.1) ? 2 : 1
    return Array.from({ length: count }, () => {
      const answer = draw.chance(0.6) ? keepingId(mutated(whole, draw), whole, draw) : whole
      answers.push(hex(answer))
      return answer
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close()
    await once(this.#socket, 'close')
  }
}

/** Most damaged answers are still answers to their question: others are dropped unread. */
function keepingId(answer: Uint8Array, whole: Uint8Array, draw: Draw): Uint8Array {
  if (answer.length < 2 || draw.chance(0.1)) return answer
  return answer.map((byte, i) => (i < 2 ? (whole[i] as number) : byte))
}

function record({ name, type }: Question, draw: Draw): Answer {
  const ttl = draw.below(100)
  const kind = draw.chance(0.9) ? type : draw.pick(['A', 'AAAA', 'SRV', 'TXT', 'CNAME'] as const)
  switch (kind) {
    case 'A':
      return { name, ttl, type: 'A', data: Array.from({ length: 4 }, () => draw.below(256)).join('.') }
    case 'AAAA':
      return {
        name,
        ttl,
        type: 'AAAA',
        data: draw.pick(['::', '::1', 'ff02::1', 'fd00::7', '::ffff:10.0.0.1']),
      }
    case 'SRV':
      return {
        name,
        ttl,
        type: 'SRV',
        data: { port: draw.below(65_536), weight: 0, priority: draw.below(3), target: target(name, draw) },
      }
    case 'CNAME':
      return { name, ttl, type: 'CNAME', data: target(name, draw) }
    default:
      return { name, ttl, type: 'TXT', data: 'text' }
  }
}

function target(name: string, draw: Draw): string {
  return draw.pick(['.', name, name.replace('_perigee._tcp.', ''), '10.0.0.1', 'x'.repeat(63), '127.0.0.1.'])
}

function demandCallable(address: string): void {
  const [, host = '', port = ''] = /^\[?(.*?)\]?:(\d+)$/.exec(address) ?? []
  const isCallable = isIP(host) > 0 && Number(port) > 0 && Number(port) < 65_536
  if (!isCallable || /^(0\.|22[4-9]\.|2[3-5]\d\.|::$|ff[\da-f]{2}:)/i.test(host)) {
    throw new Finding(`${JSON.stringify(address)} is no address that can be called`)
  }
}
