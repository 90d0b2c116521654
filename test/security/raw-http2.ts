import { connect, type Socket } from 'node:net'

/** Kinds of HTTP/2 frames. */
export const FRAME = {
  data: 0,
  headers: 1,
  resetStream: 3,
  settings: 4,
  ping: 6,
  windowUpdate: 8,
  continuation: 9,
} as const
export const END_STREAM = 0x1
export const END_HEADERS = 0x4

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

/** One HTTP/2 frame. */
export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** A header block, without compression. */
export function headerBlock(headers: Readonly<Record<string, string>>): Buffer {
  const parts: Buffer[] = []
  for (const [name, value] of Object.entries(headers)) {
    for (const text of [name, value]) if (text.length > 126) throw new Error(`${name} is too long for this`)
    parts.push(
      Buffer.from([0, name.length]),
      Buffer.from(name),
      Buffer.from([value.length]),
      Buffer.from(value),
    )
  }
  return Buffer.concat(parts)
}

/** The headers of a gRPC call. */
export function callHeaders(path: string, more: Readonly<Record<string, string>> = {}): Buffer {
  return headerBlock({
    ':method': 'POST',
    ':scheme': 'http',
    ':path': path,
    ':authority': 'sidecar',
    'content-type': 'application/grpc',
    te: 'trailers',
    ...more,
  })
}

/** A gRPC message: flag, length, bytes. @param claimed the length that it says it has. */
export function message(bytes: Uint8Array, { compressed = false, claimed = bytes.length } = {}): Buffer {
  const head = Buffer.alloc(5)
  head[0] = compressed ? 1 : 0
  head.writeUInt32BE(claimed, 1)
  return Buffer.concat([head, bytes])
}

/** A TCP connection on which a test writes what it likes. */
export class RawConnection implements Disposable {
  /** When it was closed, by the monotonic clock; `undefined` while it is open. */
  closedAtMs: number | undefined
  readonly closed: Promise<void>
  received = 0
  readonly #socket: Socket

  /** @param from the address that it comes from. */
  constructor({ host, port, from }: { host: string; port: number; from: string }) {
    this.#socket = connect({ host, port, localAddress: from, noDelay: true })
    this.#socket.on('error', () => {})
    this.#socket.on('data', (bytes) => {
      this.received += bytes.length
    })
    this.closed = new Promise((resolve) => {
      this.#socket.on('close', () => {
        this.closedAtMs = performance.now()
        resolve()
      })
    })
  }

  /** As a client begins: its preface and its settings. */
  greet(settings: Uint8Array = Buffer.alloc(0)): void {
    this.write(Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0, settings)]))
  }

  write(bytes: Uint8Array | string): void {
    if (!this.#socket.destroyed) this.#socket.write(bytes)
  }

  /** Writes, and waits while the other side doesn't read. @returns false once it is closed. */
  async writeWhenRead(bytes: Uint8Array): Promise<boolean> {
    if (this.#socket.destroyed) return false
    if (this.#socket.write(bytes)) return true
    await Promise.race([new Promise((resolve) => this.#socket.once('drain', resolve)), this.closed])
    return !this.#socket.destroyed
  }

  /** Takes nothing more of what is sent to it. */
  readNothing(): void {
    this.#socket.pause()
  }

  [Symbol.dispose](): void {
    this.#socket.destroy()
  }
}
