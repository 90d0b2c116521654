import { type Perigee, text } from '@perigee/sdk'
import { waitFor } from './wait-for.ts'

/** A read that was answered. */
interface Answer {
  /** Of the sidecar that answered. */
  readonly region: string
  /** By `performance.now()`. */
  readonly at: number
}

/** Reads and writes, one after the other, until it is disposed of. */
export interface CallsUnderWay {
  /** What calls failed with, in words. */
  readonly failures: readonly string[]
  /** Waits for so many more calls of each kind. */
  more(calls: number): Promise<void>
  /** Waits for a read from now on that was answered so. */
  until(what: string, condition: (answer: Answer) => boolean): Promise<Answer>
  [Symbol.asyncDispose](): Promise<void>
}

/** Calls with a deadline of two seconds, a hundred a second at most. */
export function callsUnderWay(perigee: Perigee): CallsUnderWay {
  const cache = perigee.cache(`load-${Math.random().toString(36).slice(2)}`, { codec: text })
  const failures: string[] = []
  const answers: Answer[] = []
  let reads = 0
  let writes = 0
  let running = true

  async function loop(call: () => Promise<void>): Promise<void> {
    while (running) {
      try {
        await call()
      } catch (error) {
        failures.push(String(error))
      }
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
  const reading = loop(async () => {
    await cache.getEntry('a', {
      timeoutMs: 2_000,
      onReceipt: ({ region }) => answers.push({ region, at: performance.now() }),
    })
    reads++
  })
  const writing = loop(async () => {
    await cache.set('a', String(writes), { timeoutMs: 2_000 })
    writes++
  })

  return {
    failures,
    async more(calls) {
      const goal = { reads: reads + calls, writes: writes + calls }
      await waitFor(`${calls} more calls`, () => reads >= goal.reads && writes >= goal.writes, {
        explain: () => failures.slice(-3),
      })
    },
    async until(what, condition) {
      const from = answers.length
      return waitFor(`an answer of ${what}`, () => answers.slice(from).find(condition), {
        explain: () => ({ last: answers.at(-1), failures: failures.slice(-3) }),
      })
    },
    async [Symbol.asyncDispose]() {
      running = false
      await Promise.all([reading, writing])
    },
  }
}
