import { pino } from 'pino'
import { describe, expect, it } from 'vitest'
import { readAnswer, type SentinelAnswer } from '../redis/sentinel.ts'
import { SentinelAuthority } from './authority.ts'
import { type AskedSentinel, SentinelWatch } from './sentinel-watch.ts'

const OWN = '10.0.0.1:6379'
const OTHER = '10.0.0.2:6379'

/** Three Sentinels that say what they are told, asked by hand, and a clock that stands still. */
function watched(count = 3) {
  let nowMs = 10_000
  const said = new Map<number, SentinelAnswer | undefined>()
  const sentinels = Array.from(
    { length: count },
    (_, i): AskedSentinel => ({
      title: String(i),
      ask: async () => {
        const answer = said.get(i)
        if (!answer) throw new Error('silent')
        return answer
      },
      start: () => {},
      stop: () => {},
    }),
  )
  const watch = new SentinelWatch({
    ...{ sentinels, intervalMs: 200, log: pino({ level: 'silent' }), nowMs: () => nowMs },
  })
  return {
    watch,
    authority: new SentinelAuthority({ watch, address: OWN }),
    pass: (ms: number) => {
      nowMs += ms
    },
    now: () => nowMs,
    /** Each Sentinel is asked in turn and says this; nothing: it is silent; absent: it isn't asked. */
    async ask(...answers: (string | [string, string] | undefined | 'not asked')[]) {
      for (const [i, answer] of answers.entries()) {
        if (answer === 'not asked') continue
        const [named, flags] = Array.isArray(answer) ? answer : [answer, 'master']
        said.set(
          i,
          named === undefined
            ? undefined
            : { named, flags: new Set(flags.split(',')), leaves: undefined, downAfterMs: 3000 },
        )
        await watch.ask(sentinels[i] as AskedSentinel)
      }
    },
  }
}

it('knows whom a majority of all Sentinels names, and since when', async () => {
  const { watch, ask, pass, now } = watched()
  await ask(OWN)
  expect(watch.naming).toBeUndefined()
  pass(50)
  await ask('not asked', OWN)
  expect(watch.naming).toEqual({ address: OWN, sinceMs: now() })
  const sinceMs = now()
  for (let i = 0; i < 20; i++) {
    pass(200)
    await ask(OWN, OWN, OTHER)
  }
  expect(watch.naming).toEqual({ address: OWN, sinceMs })
})

it('names nobody when the Sentinels are divided, or too few answer', async () => {
  const { watch, ask, authority } = watched(4)
  await ask(OWN, OWN, OTHER, OTHER)
  expect(watch.naming).toBeUndefined()
  await ask(OWN, OWN)
  expect(authority.verdict()).toMatchObject({ kind: 'unknown' })
})

it('counts from anew when another was named in between', async () => {
  const { watch, ask, pass, now } = watched()
  await ask(OWN, OWN, OWN)
  pass(200)
  await ask(OTHER, OTHER, OTHER)
  expect(watch.naming?.address).toBe(OTHER)
  pass(200)
  await ask(OWN, OWN, OWN)
  expect(watch.naming).toEqual({ address: OWN, sinceMs: now() })
})

it('counts from anew when this process slept, or the majority was silent, for so long that another may have been named', async () => {
  const { watch, ask, pass, now } = watched()
  await ask(OWN, OWN, OWN)
  const sinceMs = now()
  pass(900)
  await ask(OWN, OWN, undefined)
  expect(watch.naming).toEqual({ address: OWN, sinceMs })
  pass(1100)
  expect(watch.naming).toBeUndefined()
  await ask(OWN, OWN, OWN)
  expect(watch.naming).toEqual({ address: OWN, sinceMs: now() })
})

describe('vouching', () => {
  it('is as old as the last question of the majority', async () => {
    const { watch, ask, pass, now } = watched()
    await ask(OWN, OWN)
    const first = now()
    pass(300)
    await ask(OWN)
    expect(watch.vouchedAtMs(OWN)).toBe(first)
    pass(10)
    await ask('not asked', 'not asked', OWN)
    expect(watch.vouchedAtMs(OWN)).toBe(first + 300)
    pass(1001)
    expect(watch.vouchedAtMs(OWN)).toBeUndefined()
  })

  it.each(['s_down', 'o_down', 'failover_in_progress'])(
    'ends with the flag %s, while the Redis is still named',
    async (flag) => {
      const { watch, ask, authority } = watched()
      await ask(OWN, [OWN, `master,${flag}`], OWN)
      expect(watch.vouchedAtMs(OWN)).toBeDefined()
      await ask('not asked', 'not asked', [OWN, `master,${flag}`])
      expect(watch.vouchedAtMs(OWN)).toBeUndefined()
      expect(authority.verdict()).toMatchObject({ kind: 'named', vouchedAtMs: undefined })
    },
  )

  it('is not ended by flags on the row of the old master, which a Sentinel keeps while it fails over', () => {
    const row = ['name', 'pg', 'ip', '10.0.0.2', 'port', '6379', 'flags', 'master,failover_in_progress']
    const answer = readAnswer(['10.0.0.1', '6379'], [...row, 'down-after-milliseconds', '3000'])
    expect(answer).toEqual({ named: OWN, flags: new Set(), leaves: OTHER, downAfterMs: 3000 })
    const own = readAnswer(['10.0.0.2', '6379'], row)
    expect(own).toMatchObject({ named: OTHER, flags: new Set(['master', 'failover_in_progress']) })
  })
})

it('says who is named instead', async () => {
  const { authority, ask } = watched()
  await ask(OTHER, OTHER, OWN)
  expect(authority.verdict()).toEqual({ kind: 'other', who: OTHER })
})
