import { create } from '@bufbuild/protobuf'
import {
  type ClusterService,
  RebuildIndexResponseSchema,
  type VerifyIndexResponse,
  VerifyIndexResponseSchema,
} from '@perigee/protocol'
import type { Findings, IndexAudit } from '../follower/index-audit.ts'
import type { RegionalIndexes } from '../follower/regional-indexes.ts'
import type { ServiceHandlers } from '../grpc/call.ts'
import type { IndexDefinition } from '../redis/index-definition.ts'
import { indexNotFound } from './search/index-lookup.ts'
import { checkIndexName } from './validation/cluster-requests.ts'

/** How often progress is told at most. */
const TELL_EVERY_MS = 100
/** How long an index that was just created is waited for. */
const NEW_INDEX_WAIT_MS = 500

export interface IndexAuditHandlersOptions {
  readonly indexes: RegionalIndexes
  readonly audit: IndexAudit
}

/** Answers VerifyIndex and RebuildIndex for this region's own copies; by an alias, for all of its indexes. */
export function indexAuditHandlers({
  indexes,
  audit,
}: IndexAuditHandlersOptions): Pick<
  ServiceHandlers<typeof ClusterService.method>,
  'verifyIndex' | 'rebuildIndex'
> {
  return {
    async *verifyIndex(request, { signal }) {
      const { repair } = request
      const definitions = await indexesOf(indexes, checkIndexName(request), signal)
      let total = create(VerifyIndexResponseSchema)
      yield total
      for (const definition of definitions) {
        const before = total
        const due = pacer()
        for await (const findings of audit.verify(definition, { repair, signal })) {
          total = sum(before, findings)
          if (due()) yield total
        }
      }
      yield create(VerifyIndexResponseSchema, { ...total, done: true })
    },

    async *rebuildIndex(request, { signal }) {
      const status = async (definition: IndexDefinition) => {
        const [index] = await indexes.describe([definition])
        return create(RebuildIndexResponseSchema, index ? { index } : {})
      }
      for (const definition of await indexesOf(indexes, checkIndexName(request), signal)) {
        yield await status(definition)
        const due = pacer()
        for await (const part of audit.rebuild(definition, signal)) {
          if (part === 1 || due()) yield await status(definition)
        }
      }
    },
  }
}

/** What a name stands for; one that this region doesn't know yet is waited for a moment. */
async function indexesOf(
  indexes: RegionalIndexes,
  { namespace, index }: { namespace: string; index: string },
  signal: AbortSignal,
): Promise<readonly IndexDefinition[]> {
  const until = performance.now() + NEW_INDEX_WAIT_MS
  for (;;) {
    const { found } = indexes.named(namespace, index)
    if (found.indexes.length > 0) return found.indexes
    if (performance.now() > until || signal.aborted) throw indexNotFound(namespace, index)
    await indexes.moved(NEW_INDEX_WAIT_MS / 10, signal)
  }
}

function sum(before: VerifyIndexResponse, findings: Findings): VerifyIndexResponse {
  return create(VerifyIndexResponseSchema, {
    checked: before.checked + BigInt(findings.checked),
    missing: before.missing + BigInt(findings.missing),
    outdated: before.outdated + BigInt(findings.outdated),
    orphaned: before.orphaned + BigInt(findings.orphaned),
    repaired: before.repaired + BigInt(findings.repaired),
  })
}

/** Says whether it is time to tell progress again. */
function pacer(): () => boolean {
  let toldMs = performance.now()
  return () => {
    if (performance.now() - toldMs < TELL_EVERY_MS) return false
    toldMs = performance.now()
    return true
  }
}
