import { create, type MessageShape } from '@bufbuild/protobuf'
import { ClusterService, PromoteResponseSchema } from '@perigee/protocol'
import type { StreamHandler } from '../../grpc/call.ts'
import type { PeerClient } from '../../grpc/peer-client.ts'
import { PeerUnreachable } from '../../grpc/peer-error.ts'
import { invalidField, refusal } from '../../status-error.ts'
import { durationOf } from '../../wire-time.ts'
import type { PromotionStep } from './promotion.ts'

/** How this region is promoted. */
export interface Promotable {
  run(options: { force: boolean; signal: AbortSignal }): AsyncGenerator<PromotionStep, void>
  /** Waits until what is under way is finished or undone. */
  stop?(): Promise<void>
}

export interface PromoteHandlerOptions {
  readonly region: string
  readonly regions: readonly string[]
  readonly promotion: Promotable
  readonly peers: PeerClient
}

type Method = typeof ClusterService.method.promote

/** Answers Promote: of this region here, of another one by its sidecar. */
export function promoteHandler(
  options: PromoteHandlerOptions,
): StreamHandler<MessageShape<Method['input']>, MessageShape<Method['output']>> {
  const { region, regions, promotion, peers } = options
  return async function* promote(request, { signal, deadlineMs }) {
    if (!regions.includes(request.region)) {
      throw invalidField('region', `must be one of ${regions.join(', ')}`)
    }
    if (request.region !== region) {
      try {
        yield* peers.stream(request.region, ClusterService.method.promote, request, { deadlineMs, signal })
      } catch (error) {
        if (!(error instanceof PeerUnreachable)) throw error
        throw refusal(
          'NO_PRIMARY',
          `${error.message}, and only it can promote that region: ask it itself, or look at the status and run the command again.`,
        )
      }
      return
    }
    const startedMs = performance.now()
    for await (const { step, epoch } of promotion.run({ force: request.force, signal })) {
      yield create(PromoteResponseSchema, {
        step,
        done: epoch !== undefined,
        epoch: BigInt(epoch ?? 0),
        took: durationOf(performance.now() - startedMs),
      })
    }
  }
}
