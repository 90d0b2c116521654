import { setTimeout as delay } from 'node:timers/promises'
import { pino } from 'pino'
import { expect, it } from 'vitest'
import type { RedisConnection } from '../redis/connection.ts'
import { Keys } from '../redis/keys.ts'
import { type FailoverAnswer, readReplica } from '../redis/sentinel.ts'
import { FailoverRequest, type FailoverSentinel } from './failover-request.ts'

const OWN = '10.0.0.1:6379'
const OLD = '10.0.0.2:6379'

/** A Sentinel that leaves a master, or none, and what it answers when asked for a failover. */
function sentinel(
  title: string,
  { leaves, answer, oldFlags }: { leaves?: string; answer: FailoverAnswer; oldFlags: string },
  asked: string[],
): FailoverSentinel {
  return {
    title,
    ask: async () => ({ named: OWN, flags: new Set(), leaves, downAfterMs: 3000 }),
    replicas: async () => [readReplica(['ip', '10.0.0.2', 'port', '6379', 'flags', oldFlags])],
    failOver: async () => {
      asked.push(title)
      return answer
    },
    setDownAfterMs: async () => {},
  }
}

async function askedOf(oldFlags: string, leaves: string | undefined): Promise<string[]> {
  const asked: string[] = []
  const failover = new FailoverRequest({
    sentinels: [
      sentinel('busy', { ...(leaves !== undefined && { leaves }), answer: 'in-progress', oldFlags }, asked),
      sentinel('free', { answer: 'started', oldFlags }, asked),
    ],
    memory: undefined as unknown as RedisConnection,
    keys: new Keys('pg'),
    anotherIsNamed: () => false,
    log: pino({ level: 'silent' }),
  })
  failover.ask()
  await delay(20)
  failover.stop()
  expect(failover.isUnderWay).toBe(asked.includes('free'))
  return asked
}

it('asks another Sentinel while one is busy with its failover and the old master is dead', async () => {
  expect(await askedOf('s_down,slave,disconnected', OLD)).toEqual(['busy', 'free'])
})

it('asks none while a Sentinel still leaves a master that might be promoted again', async () => {
  expect(await askedOf('slave', OLD)).toEqual([])
})

it('asks as soon as no Sentinel leaves one', async () => {
  expect(await askedOf('slave', undefined)).toEqual(['busy', 'free'])
})
