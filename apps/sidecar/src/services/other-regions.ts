import { create } from '@bufbuild/protobuf'
import { ORIGIN, type Position, parsePosition } from '@perigee/core'
import { GetRegionRequestSchema, PeerService } from '@perigee/protocol'
import type { PeerClient } from '../grpc/peer-client.ts'
import type { OtherRegions } from '../primary/claim.ts'

/** Asks the other regions' sidecars what they have seen, all at once. */
export class PeerRegions implements OtherRegions {
  readonly #peers: PeerClient

  constructor(peers: PeerClient) {
    this.#peers = peers
  }

  async newestPositions(timeoutMs: number): Promise<ReadonlyMap<string, Position | undefined>> {
    const deadlineMs = Date.now() + timeoutMs
    const asked = this.#peers.regions.map(
      async (region) => [region, await this.#ask(region, deadlineMs)] as const,
    )
    return new Map(await Promise.all(asked))
  }

  async #ask(region: string, deadlineMs: number): Promise<Position | undefined> {
    try {
      const request = create(GetRegionRequestSchema)
      const { newestPosition } = await this.#peers.call(region, PeerService.method.getRegion, request, {
        deadlineMs,
      })
      return newestPosition === '' ? ORIGIN : parsePosition(newestPosition)
    } catch {
      return undefined
    }
  }
}
