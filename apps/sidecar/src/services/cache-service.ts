import { create } from '@bufbuild/protobuf'
import { encodeToken, formatPosition, type Limits, type Position } from '@perigee/core'
import {
  CacheService,
  ClearNamespaceResponseSchema,
  DeleteResponseSchema,
  GetManyResponseSchema,
  GetResponseSchema,
  ListKeysResponseSchema,
  ReceiptSchema,
  SetManyResponseSchema,
  SetResponseSchema,
} from '@perigee/protocol'
import type { ServiceHandlers, ServiceRegistration } from '../grpc/call.ts'
import type { WriteOutcome, Writer } from '../primary/writer.ts'
import type { DataRedis } from '../redis/data-redis.ts'
import { EntryField, entryMessage } from './entry-field.ts'
import { keyListCursor, keyListPlace } from './key-list-cursor.ts'
import type { ReadPath } from './read-path.ts'
import {
  checkClearNamespace,
  checkDelete,
  checkGet,
  checkGetMany,
  checkListKeys,
  checkSet,
  checkSetMany,
  type EntryCondition,
} from './validation/cache-requests.ts'
import { SEALED_ELSEWHERE, SealedPageTokens } from './validation/sealed-page-token.ts'
import { writeDemand } from './write-demand.ts'
import type { WritePath } from './write-path.ts'

type Handlers = ServiceHandlers<typeof CacheService.method>

/** Room for an answer's keys, receipt and framing, beside its values. */
const ANSWER_OVERHEAD_BYTES = 64 * 1024
/** What a key's field and its entry's other fields take beside key and value, at most. */
const ENTRY_OVERHEAD_BYTES = 384

export interface CacheServiceOptions {
  readonly data: DataRedis
  readonly writer: Writer
  readonly readPath: ReadPath
  readonly writePath: WritePath
  readonly limits: Limits
  /** For entries set without a ttl; 0: they never expire. */
  readonly defaultTtlMs: number
}

/** `perigee.v1.CacheService` over the data Redis. */
export function createCacheService(options: CacheServiceOptions): ServiceRegistration {
  const { data, writer, readPath, writePath, limits, defaultTtlMs } = options
  const { method } = CacheService
  const changed = (known: Position, timeoutMs: number, signal: AbortSignal) =>
    data.changed(known, timeoutMs, signal)
  const answered = async <O>(response: O, clock: Position, warnings: readonly string[] = []) => {
    const { forks } = data.knownHistory(clock) ?? (await data.history(clock))
    return { response, applied: clock, seen: clock, forks, warnings }
  }

  const handlers: Handlers = {
    get(request, call) {
      const { namespace, key } = checkGet(request, limits)
      const answer = async (primary: boolean) => {
        const { entry, clock } = await data.readEntry(namespace, key, { primary })
        const response = create(GetResponseSchema)
        if (entry) response.$unknown = [new EntryField(entry)]
        return answered(response, clock)
      }
      return readPath.run(method.get, request, call, { answer, changed })
    },

    getMany(request, call) {
      const { namespace, keys } = checkGetMany(request, limits)
      const overhead = ANSWER_OVERHEAD_BYTES + keys.length * ENTRY_OVERHEAD_BYTES
      const bytesMax = Math.max(1, limits.messageBytesMax - overhead - totalBytes(keys))
      const answer = async (primary: boolean) => {
        const { entries, clock } = await data.readEntries(namespace, keys, { primary, bytesMax })
        const response = create(GetManyResponseSchema, {
          entries: entries.filter((entry) => typeof entry === 'object').map(entryMessage),
          unreadKeys: keys.filter((_, i) => entries[i] === 'unread'),
        })
        return answered(response, clock)
      }
      return readPath.run(method.getMany, request, call, { answer, changed })
    },

    set(request, call) {
      const { namespace, entry, condition, choice } = checkSet(request, limits, defaultTtlMs)
      const asked = { schema: method.set.input, request, choice, call }
      return writePath.run(method.set, request, call, async (epoch) => {
        const precondition = condition && preconditionOf(condition)
        const demand = { ...writeDemand(asked, epoch), precondition, method: 'Set' as const }
        const outcome = await writer.setEntries(namespace, [entry], demand)
        const version = formatPosition(outcome.position)
        return create(SetResponseSchema, { version, receipt: receiptOf(outcome) })
      })
    },

    setMany(request, call) {
      const { namespace, entries, choice } = checkSetMany(request, limits)
      const ttl = defaultTtlMs > 0 ? { ttlMs: defaultTtlMs } : {}
      const expiring = entries.map((entry) =>
        entry.expiresAtMs === undefined ? { ...entry, ...ttl } : entry,
      )
      const asked = { schema: method.setMany.input, request, choice, call }
      return writePath.run(method.setMany, request, call, async (epoch) => {
        const demand = { ...writeDemand(asked, epoch), method: 'SetMany' as const }
        const outcome = await writer.setEntries(namespace, expiring, demand)
        const versions = outcome.positions.map(formatPosition)
        return create(SetManyResponseSchema, { versions, receipt: receiptOf(outcome) })
      })
    },

    delete(request, call) {
      const { namespace, keys, condition, choice } = checkDelete(request, limits)
      const asked = { schema: method.delete.input, request, choice, call }
      return writePath.run(method.delete, request, call, async (epoch) => {
        const precondition = condition && preconditionOf(condition)
        const demand = { ...writeDemand(asked, epoch), precondition }
        const outcome = await writer.deleteEntries(namespace, keys, demand)
        return create(DeleteResponseSchema, { deleted: outcome.found, receipt: receiptOf(outcome) })
      })
    },

    listKeys(request, call) {
      const { namespace, prefix, pageSize, pageToken } = checkListKeys(request, limits)
      const list = ['ListKeys', namespace, prefix]
      const answer = async (primary: boolean) => {
        // How far a scan is tells how much others store. And only the process that began it can go on with it.
        const tokens = new SealedPageTokens(await data.processId())
        const cursor = tokens.read(list, pageToken)
        const moved = cursor === SEALED_ELSEWHERE
        const from = moved || cursor === undefined ? undefined : keyListPlace(cursor)
        const { keys, next, clock, seen } = await data.listKeys(namespace, prefix, {
          primary,
          pageSize,
          from,
        })
        const response = create(ListKeysResponseSchema, {
          keys: [...keys],
          nextPageToken: next ? tokens.write(list, keyListCursor(next)) : '',
        })
        return { ...(await answered(response, seen, moved ? [LIST_BEGUN_ANEW] : [])), applied: clock }
      }
      return readPath.run(method.listKeys, request, call, { answer, changed })
    },

    clearNamespace(request, call) {
      const { namespace, choice } = checkClearNamespace(request, limits)
      const asked = { schema: method.clearNamespace.input, request, choice, call }
      return writePath.run(method.clearNamespace, request, call, async (epoch) => {
        const outcome = await writer.clearNamespace(namespace, writeDemand(asked, epoch))
        return create(ClearNamespaceResponseSchema, { receipt: receiptOf(outcome) })
      })
    },
  }
  return { service: CacheService, handlers: handlers as unknown as ServiceRegistration['handlers'] }
}

const LIST_BEGUN_ANEW =
  'Another Redis process answers than on the page before, so the listing has begun anew: keys may come again.'

/** The receipt of a write, for the write path to complete. */
function receiptOf({ clusterId, position }: WriteOutcome) {
  return create(ReceiptSchema, { sessionToken: encodeToken({ clusterId, position }) })
}

/** A condition as the writer takes it. */
export function preconditionOf(condition: EntryCondition) {
  return condition.kind === 'exists' ? { exists: condition.exists } : { version: condition.version }
}

function totalBytes(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0)
}
