// What happens to the data Redis of real regions, done on purpose: it dies at once, a supervisor starts it again at once,
// and some of its data is gone. For tests only.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { RedisProcess } from '@perigee/embedded-redis'
import { AofFiles } from './aof-files.ts'

/** What a Redis that was killed comes back with. */
export type AofFate =
  /** All that it had. */
  | { readonly aof: 'whole' }
  /** All but the last `cutBytes`, or only the first `keepBytes` (see {@link LocalCluster.aofBytes}). */
  | { readonly aof: 'cut'; readonly cutBytes: number }
  | { readonly aof: 'cut'; readonly keepBytes: number }
  /** What it had at the last {@link LocalCluster.snapshotRedis}. */
  | { readonly aof: 'older' }
  /** Nothing. */
  | { readonly aof: 'empty' }

export type RestartOptions = AofFate & {
  /** How long it stays dead. Default 0. */
  readonly delayMs?: number
}

const snapshotAttempts = 100
const snapshotFolder = 'data-snapshot'

/** Bytes of the append-only file as it is now; a cut to that many undoes what comes after. */
export function aofBytes(redis: RedisProcess): number {
  return new AofFiles(redis.dir).bytes()
}

/** Keeps a copy of what it has on disk now: what it has acknowledged, but for the last moments when the disk is slow. */
export async function takeSnapshot(redis: RedisProcess): Promise<void> {
  for (let attempt = 1; attempt <= snapshotAttempts; attempt++) {
    const rewrites = String(await redis.command('INFO', 'persistence')).includes('aof_rewrite_in_progress:1')
    if (!rewrites && new AofFiles(redis.dir).copyTo(snapshotOf(redis))) return
    await pause(50)
  }
  throw new Error(`${redis.dir} can't be copied: Redis goes on rewriting its AOF`)
}

/** Kills it with SIGKILL, does to its data what is asked, and starts it again. */
export async function restartWith(redis: RedisProcess, options: RestartOptions): Promise<void> {
  await redis.kill()
  changeData(redis, options)
  if (options.delayMs !== undefined) await pause(options.delayMs)
  await redis.start()
}

function changeData(redis: RedisProcess, options: RestartOptions): void {
  const files = new AofFiles(redis.dir)
  if (options.aof === 'cut') {
    files.cutTo('keepBytes' in options ? options.keepBytes : files.bytes() - options.cutBytes)
  } else if (options.aof === 'older') {
    if (!existsSync(snapshotOf(redis))) throw new Error('there is no snapshot: call snapshotRedis first')
    files.replaceBy(snapshotOf(redis))
  } else if (options.aof === 'empty') {
    files.remove()
  }
}

function snapshotOf(redis: RedisProcess): string {
  return join(redis.dir, '..', snapshotFolder)
}
