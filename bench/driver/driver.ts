import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Sample } from '../measure/sample.ts'
import type { Place } from '../regions/place.ts'
import type { Asked, Told } from './messages.ts'
import type { Turn } from './side.ts'

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url))
/** Longest wait for an answer beyond the time that a turn is to take: filling 9,376 chunks is the longest. */
const PATIENCE_MS = 120_000
const CLOSE_MS = 3_000

/** One side in a process of its own, so that no side shares heap, compiled code or event loop with another. */
export class Driver {
  readonly side: string
  readonly #process: ChildProcess

  private constructor(side: string, child: ChildProcess) {
    this.side = side
    this.#process = child
  }

  /** Starts the process and connects the side. */
  static async open(side: string, place: Place): Promise<Driver> {
    const child = fork(MAIN, { serialization: 'json', execArgv: [] })
    const driver = new Driver(side, child)
    try {
      await driver.#ask({ kind: 'open', side, place }, PATIENCE_MS)
      return driver
    } catch (error) {
      child.kill('SIGKILL')
      throw error
    }
  }

  get pid(): number {
    return this.#process.pid ?? 0
  }

  /** @throws what went wrong there, also when it gives no answer. */
  async turn(turn: Turn): Promise<Sample> {
    const told = await this.#ask({ kind: 'turn', turn }, (turn.forMs ?? 0) + PATIENCE_MS)
    if (told.kind !== 'turned') throw new Error(`${this.side} answered ${told.kind} to a turn`)
    return told.sample
  }

  /** Ends the turn that goes on before its time; what it has done until then counts. */
  stop(): void {
    this.#process.send({ kind: 'stop' } satisfies Asked)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#process
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    if (child.connected) child.send({ kind: 'close' } satisfies Asked)
    const gone = await Promise.race([ended, pause(CLOSE_MS, 'late', { ref: false })])
    if (gone === 'late') child.kill('SIGKILL')
    await ended
  }

  async #ask(asked: Asked, patienceMs: number): Promise<Told> {
    const child = this.#process
    const over = new AbortController()
    const { signal } = over
    try {
      const answer = once(child, 'message', { signal }).then(([told]) => told as Told)
      const exit = once(child, 'exit', { signal }).then(([code]) => {
        throw new Error(`the process of ${this.side} ended with ${code}`)
      })
      const late = pause(patienceMs, undefined, { signal }).then(() => {
        throw new Error(`${this.side} gave no answer for ${patienceMs / 1_000} s`)
      })
      // Whichever is first counts; the others are called off.
      for (const loser of [answer, exit, late]) loser.catch(() => {})
      child.send(asked)
      const told = await Promise.race([answer, exit, late])
      if (told.kind === 'failed') throw new Error(`${this.side}: ${told.error}`)
      return told
    } finally {
      over.abort()
    }
  }
}
