import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { type KnownReplica, readReplica } from '../redis/sentinel.ts'
import { type RankingSentinel, SentinelChoice } from './sentinel-choice.ts'

const OWN = '127.0.0.1:1'
const patient = { leadMs: 0, timeoutMs: 5000, signal: new AbortController().signal }

function replica(address: string, priority: number, infoAgeMs = 300): KnownReplica {
  return { address, priority, infoAgeMs, isMaster: false, isDown: false, isCutOff: false }
}

/** A Sentinel that says what it is given, after a while. */
function sentinel(title: string, replicas: () => readonly KnownReplica[], afterMs = 0): RankingSentinel {
  return {
    title,
    async replicas() {
      await delay(afterMs)
      return [...replicas()]
    },
    failOver: async () => 'started' as const,
  }
}

it('waits until the nearest Sentinel knows of the priority, though one further away knows already', async () => {
  let known = false
  const own = () => replica(OWN, known ? 1 : 100)
  const near = sentinel('near', () => [own(), replica('127.0.0.1:2', 100)])
  const far = sentinel('far', () => [replica(OWN, 1), replica('127.0.0.1:2', 100)], 30)
  const choice = new SentinelChoice({ sentinels: [far, near], address: OWN })
  const best = choice.best(patient)
  let over = false
  void best.then(() => (over = true))
  await delay(300)
  expect(over).toBe(false)
  known = true
  expect(await best).toEqual({ sentinel: near })
})

it('takes any that prefers it when the nearest does not in time', async () => {
  const near = sentinel('near', () => [replica(OWN, 100), replica('127.0.0.1:2', 100)])
  const far = sentinel('far', () => [replica(OWN, 1), replica('127.0.0.1:2', 100)], 30)
  const choice = new SentinelChoice({ sentinels: [near, far], address: OWN })
  expect(await choice.best({ ...patient, timeoutMs: 200 })).toMatchObject({ sentinel: { title: 'far' } })
})

it('waits for the next INFO when the last one is old: a failover right after it pauses writes the shortest', async () => {
  let ageMs = 5000
  const near = sentinel('near', () => [replica(OWN, 1, ageMs)])
  const choice = new SentinelChoice({ sentinels: [near], address: OWN })
  const best = choice.best(patient)
  await delay(150)
  const readMs = performance.now()
  ageMs = 100
  await best
  expect(performance.now() - readMs).toBeGreaterThan(250)
})

it('asks nobody while any Sentinel takes it for a stray master: that one would make it a replica again', async () => {
  let isMaster = true
  const near = sentinel('near', () => [replica(OWN, 1)])
  const far = sentinel('far', () => [{ ...replica(OWN, 1), isMaster }], 20)
  const choice = new SentinelChoice({ sentinels: [near, far], address: OWN })
  let over = false
  // The far one is heard by then: the moment to ask the near one comes only later.
  const fresh = sentinel('fresh', () => [replica(OWN, 1, 100)])
  const best = new SentinelChoice({ sentinels: [fresh, far], address: OWN }).best(patient)
  void best.then(() => (over = true))
  await delay(400)
  expect(over).toBe(false)
  isMaster = false
  expect(await best).toEqual({ sentinel: fresh })
  expect(await choice.best(patient)).toEqual({ sentinel: near })
})

it('names a replica that is as likely to be promoted, and leaves those alone that never are', async () => {
  const others = [replica('127.0.0.1:2', 0), replica('127.0.0.1:3', 1)]
  const near = sentinel('near', () => [replica(OWN, 1), ...others])
  const choice = new SentinelChoice({ sentinels: [near], address: OWN })
  expect(await choice.best({ ...patient, timeoutMs: 100 })).toEqual({ rival: '127.0.0.1:3', answering: 1 })
  others.pop()
  expect(await choice.best(patient)).toEqual({ sentinel: near })
})

it('says that none answers', async () => {
  const silent = {
    ...sentinel('silent', () => []),
    replicas: () => Promise.reject(new Error('the connection is down')),
  }
  const choice = new SentinelChoice({ sentinels: [silent], address: OWN })
  expect(await choice.best({ ...patient, timeoutMs: 100 })).toEqual({ rival: undefined, answering: 0 })
})

it('says of no replica that it is in the way while its own priority is not known yet', async () => {
  const near = sentinel('near', () => [replica(OWN, 100), replica('127.0.0.1:2', 100)])
  const choice = new SentinelChoice({ sentinels: [near], address: OWN })
  expect(await choice.best({ ...patient, timeoutMs: 100 })).toEqual({ rival: undefined, answering: 1 })
})

it('asks nobody who would not promote it, since it was cut off for too long', async () => {
  const cutOff = { ...replica(OWN, 1), isCutOff: true }
  const near = sentinel('near', () => [cutOff, replica('127.0.0.1:2', 100)])
  const far = sentinel('far', () => [replica(OWN, 1), replica('127.0.0.1:2', 100)], 30)
  const one = new SentinelChoice({ sentinels: [near], address: OWN })
  expect(await one.isCutOff()).toBe(true)
  expect(await one.best({ ...patient, timeoutMs: 100 })).toEqual({ rival: undefined, answering: 1 })
  const both = new SentinelChoice({ sentinels: [near, far], address: OWN })
  expect(await both.isCutOff()).toBe(false)
  expect(await both.best({ ...patient, timeoutMs: 200 })).toMatchObject({ sentinel: { title: 'far' } })
})

it('reads of a Sentinel whether it would promote a replica at all', () => {
  const row = ['ip', '127.0.0.1', 'port', '1', 'down-after-milliseconds', '3000', 'role-reported', 'slave']
  const read = (flags: string, linkDownMs: number) =>
    readReplica([...row, 'flags', flags, 'master-link-down-time', String(linkDownMs)]).isCutOff
  expect(read('slave', 0)).toBe(false)
  expect(read('slave', 29_000)).toBe(false)
  expect(read('slave', 31_000)).toBe(true)
  expect(read('s_down,slave', 0)).toBe(true)
  expect(read('slave,disconnected', 0)).toBe(true)
})
