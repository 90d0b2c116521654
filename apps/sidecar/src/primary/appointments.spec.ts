import { startRedis } from '@perigee/embedded-redis'
import { pino } from 'pino'
import { expect, it, vi } from 'vitest'
import { RedisConnection } from '../redis/connection.ts'
import { Keys } from '../redis/keys.ts'
import { AppointedAuthority } from './appointed-authority.ts'
import { Appointments, formatAppointment, parseAppointment } from './appointments.ts'
import { ClaimMemory } from './claim-memory.ts'

const log = pino({ level: 'silent' })
const keys = new Keys('pg')

/** What region `b` knows, which `a` is configured for, with an index Redis that is up or was never there. */
async function known(url = 'redis://127.0.0.1:1') {
  const redis = new RedisConnection({ url, name: 'spec', timeoutMs: 2000, log })
  redis.start()
  if (!url.endsWith(':1')) await vi.waitFor(() => expect(redis.ready).toBe(true), 5000)
  const memory = new ClaimMemory({ redis, keys, log })
  const appointments = new Appointments({ regions: ['a', 'b', 'c'], memory, log })
  const authority = new AppointedAuthority({ region: 'b', primary: 'a', appointments })
  return { redis, appointments, authority, [Symbol.dispose]: () => redis.stop() }
}

it('is a text of an epoch and a region, and nothing else is', () => {
  const appointment = { region: 'eu-west-1', epoch: 1795406797698001 }
  expect(parseAppointment(formatAppointment(appointment))).toEqual(appointment)
  for (const text of ['', 'b', '5', 'x b', undefined, null]) expect(parseAppointment(text)).toBeUndefined()
})

it('leaves it to the configuration until a region was promoted, and then goes by the latest promotion', async () => {
  using here = await known()
  expect(here.authority.verdict()).toEqual({ kind: 'other', who: 'a' })
  here.appointments.hear({ region: 'b', epoch: 5 })
  expect(here.authority.verdict()).toMatchObject({ kind: 'named' })
  here.appointments.hear({ region: 'c', epoch: 7 })
  here.appointments.hear({ region: 'a', epoch: 6 })
  expect(here.authority.verdict()).toEqual({ kind: 'other', who: 'c' })
})

it('forgets nothing of it while the index Redis is down', async () => {
  using here = await known()
  here.appointments.hear({ region: 'b', epoch: 5 })
  await here.appointments.keep()
  expect(here.appointments.newest).toEqual({ region: 'b', epoch: 5 })
})

it('takes a promotion of a region that is no longer configured for over', async () => {
  using here = await known()
  here.appointments.hear({ region: 'gone', epoch: 5 })
  expect(here.authority.named).toBe('a')
})

it('names its own region while it carries a promotion out, and no longer', async () => {
  using here = await known()
  here.authority.beginPromotion({ othersOverAtMs: 17, untilMs: performance.now() + 10_000 })
  expect(here.authority.verdict()).toMatchObject({ kind: 'named', othersOverAtMs: 17 })
  here.authority.endPromotion()
  expect(here.authority.verdict()).toEqual({ kind: 'other', who: 'a' })
})

it('names nobody once a promotion took so long, in a paused process, that the others no longer make way', async () => {
  using here = await known()
  here.authority.beginPromotion({ othersOverAtMs: 17, untilMs: performance.now() })
  expect(here.authority.verdict()).toMatchObject({
    kind: 'unknown',
    why: expect.stringContaining('run it again'),
  })
})

it('outlives this process in the index Redis, and an older one never takes its place', async () => {
  await using redis = await startRedis()
  const url = `redis://${redis.host}:${redis.port}`
  using before = await known(url)
  before.appointments.hear({ region: 'c', epoch: 7 })
  await before.appointments.keep()
  using after = await known(url)
  after.appointments.hear({ region: 'b', epoch: 5 })
  await after.appointments.keep()
  expect(after.appointments.newest).toEqual({ region: 'c', epoch: 7 })
  expect(await redis.command('GET', keys.knownAppointment)).toBe('7 c')
})
