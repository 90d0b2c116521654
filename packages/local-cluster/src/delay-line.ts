import type { Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import type { Link } from './link.ts'
import { reset } from './reset.ts'

/** What travels: bytes, the end of the stream, or a reset. All keep their order. */
type Parcel = Buffer | 'end' | 'reset'

interface Queued {
  parcel: Parcel
  readonly arrivedAt: number
  /** Nothing came shortly before it and what it came with. */
  readonly alone: boolean
}

/** Above this much held, the source is paused; below half of it, resumed. */
const heldBytesMax = 8 * 1024 * 1024
/** What comes so long after anything before it is waited for to the point, */
const quietMs = 5
/** and so is what follows it so soon. */
const togetherMs = 1

/**
 * One direction of a relayed connection: takes what comes from one socket and gives it to the other when the link lets
 * it. Order is kept, and throughput isn't limited by the delay: everything carries its own time of arrival, and one timer
 * waits for the first.
 *
 * Timers know whole milliseconds only. What comes alone is on time all the same: the rest of its last millisecond is waited
 * for by looking again in each turn of the event loop. In a stream of parcels that would take a whole core.
 */
export class DelayLine {
  readonly #source: Socket
  readonly #target: Socket
  readonly #link: Link
  readonly #queue: Queued[] = []
  readonly #unwatch: () => void
  #head = 0
  #heldBytes = 0
  #timer: NodeJS.Timeout | undefined
  #soon: NodeJS.Immediate | undefined
  #newestAt = Number.NEGATIVE_INFINITY
  #aloneFrom = 0
  #blocked = false
  #closed = false

  constructor(source: Socket, target: Socket, link: Link) {
    this.#source = source
    this.#target = target
    this.#link = link
    this.#unwatch = link.watch(() => this.#drain())
    source.on('data', (chunk: Buffer) => this.#accept(chunk))
    source.on('end', () => this.#accept('end'))
    source.on('error', () => this.#accept('reset'))
    target.on('drain', () => {
      this.#blocked = false
      this.#drain()
    })
    target.on('close', () => this.#close())
  }

  /** Nobody takes what is held any more: drops it and lets the source go on to its own end. */
  #close(): void {
    this.#closed = true
    this.#stopWaiting()
    this.#unwatch()
    this.#queue.length = 0
    this.#source.resume()
  }

  #accept(parcel: Parcel): void {
    if (this.#closed) return
    const arrivedAt = performance.now()
    if (arrivedAt - this.#newestAt > quietMs) this.#aloneFrom = arrivedAt
    this.#newestAt = arrivedAt
    this.#queue.push({ parcel, arrivedAt, alone: arrivedAt - this.#aloneFrom < togetherMs })
    if (typeof parcel !== 'string') {
      this.#heldBytes += parcel.length
      if (this.#heldBytes > heldBytesMax) this.#source.pause()
    }
    if (this.#timer === undefined && this.#soon === undefined) this.#drain()
  }

  #drain(): void {
    this.#stopWaiting()
    while (!this.#closed && !this.#blocked) {
      const first = this.#queue[this.#head]
      if (first === undefined) break
      const now = performance.now()
      const dueAt = this.#link.dueAt(first.arrivedAt)
      if (dueAt > now) {
        if (dueAt !== Number.POSITIVE_INFINITY) this.#wait(dueAt - now, first.alone)
        break
      }
      this.#deliver(first, now)
    }
    if (this.#head > 64 && this.#head * 2 > this.#queue.length) {
      this.#queue.splice(0, this.#head)
      this.#head = 0
    }
  }

  #wait(ms: number, exactly: boolean): void {
    if (exactly && ms < 1) this.#soon = setImmediate(() => this.#drain())
    // A timer may fire up to a millisecond early by the precise clock; then the rest is waited for again.
    else this.#timer = setTimeout(() => this.#drain(), Math.max(1, Math.floor(ms)))
  }

  #stopWaiting(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    clearImmediate(this.#soon)
    this.#soon = undefined
  }

  #deliver(first: Queued, now: number): void {
    const { parcel } = first
    if (parcel === 'end') {
      this.#head++
      this.#target.end()
    } else if (parcel === 'reset') {
      this.#head++
      reset(this.#target)
    } else {
      this.#send(first, parcel, now)
    }
  }

  #send(first: Queued, bytes: Buffer, now: number): void {
    const size = this.#link.portion(bytes.length)
    this.#link.spend(size, now)
    if (size < bytes.length) first.parcel = bytes.subarray(size)
    else this.#head++
    this.#heldBytes -= size
    this.#blocked = !this.#target.write(bytes.subarray(0, size))
    if (this.#heldBytes < heldBytesMax / 2 && this.#source.isPaused()) this.#source.resume()
  }
}
