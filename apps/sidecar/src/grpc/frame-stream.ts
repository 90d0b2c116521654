import type { ServerDuplexStream, StatusObject } from '@grpc/grpc-js'
import type { PeerTraffic } from './traffic/peer-traffic.ts'

/** Bytes that were written and not yet taken by the connection: beyond them nothing more is read. */
const UNSENT_BYTES_MAX = 4 * 1024 * 1024

/** What reads the frames of one stream. */
export interface FrameReader {
  /** A frame came. What it throws ends the stream. */
  read(frame: Buffer): void
  /** The client sends no more, and waits for what it asked. */
  finish(): void
  /** The sidecar goes away: ends the stream once what was taken is answered. */
  drain(): void
  /** Nothing can be written any more. */
  closed(): void
}

/**
 * The server's end of a two-way stream of encoded messages. While what was written isn't taken, nothing is read: a client
 * that never reads is soon not read either.
 */
export class FrameStream {
  readonly #call: ServerDuplexStream<Buffer, Buffer>
  /** On whose account it is what the stream makes the sidecar keep and do. */
  readonly peer: PeerTraffic
  #unsentBytes = 0
  #over = false
  #gone = false

  constructor(call: ServerDuplexStream<Buffer, Buffer>, peer: PeerTraffic) {
    this.#call = call
    this.peer = peer
  }

  /** Whether it has ended, or is about to: nothing more is read or written. */
  get over(): boolean {
    return this.#over
  }

  /** @param sent called when its memory isn't needed any more; maybe never, once the stream has ended. */
  write(frame: Buffer, sent: (frame: Buffer) => void): void {
    if (this.#over) return
    this.#unsentBytes += frame.length
    this.peer.hold(frame.length)
    this.#call.write(frame, () => {
      this.#sent(frame.length)
      sent(frame)
    })
    if (this.#unsentBytes > UNSENT_BYTES_MAX) this.#call.pause()
  }

  /** Ends it with OK, after all that was written. */
  end(): void {
    if (this.#over) return
    this.#over = true
    this.#call.end()
  }

  /** Ends it with an error, after all that was written. */
  fail(status: StatusObject): void {
    if (this.#over) return
    this.#over = true
    this.#call.emit('error', status)
  }

  /** The other side has ended it. */
  closed(): void {
    this.#over = true
    if (!this.#gone) this.peer.release(this.#unsentBytes)
    this.#gone = true
  }

  #sent(bytes: number): void {
    if (this.#gone) return
    this.#unsentBytes -= bytes
    this.peer.release(bytes)
    if (this.#unsentBytes <= UNSENT_BYTES_MAX / 2 && this.#call.isPaused()) this.#call.resume()
  }
}
