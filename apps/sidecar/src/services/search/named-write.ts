import type { Position } from '@perigee/core'
import type { DataRedis } from '../../redis/data-redis.ts'
import type { NamedIndexes } from '../../redis/index-definition.ts'
import { AliasMoved } from '../../redis/redis-status.ts'
import { StatusError } from '../../status-error.ts'
import { indexNotFound } from './index-lookup.ts'

const ATTEMPTS = 5

/** What a name stands for at the region that holds the claim, when its clock was here. */
export interface NamedAtPrimary extends NamedIndexes {
  readonly clock: Position
}

/**
 * Does a write to what a name stands for, index or alias. A write by an alias that was pointed elsewhere between the look
 * at it and the write was refused whole: then it is looked up again.
 *
 * @throws StatusError INDEX_NOT_FOUND when nothing has the name.
 */
export async function atNamed<T>(
  data: DataRedis,
  { namespace, name }: { readonly namespace: string; readonly name: string },
  write: (found: NamedAtPrimary) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const found = await data.named(namespace, name, { primary: true })
    if (found.indexes.length === 0) throw indexNotFound(namespace, name)
    try {
      return await write(found)
    } catch (error) {
      if (!(error instanceof AliasMoved)) throw error
    }
  }
  throw new StatusError(
    'ABORTED',
    `Alias ${name} was pointed elsewhere again and again during the call. Nothing was done. Try again.`,
  )
}
