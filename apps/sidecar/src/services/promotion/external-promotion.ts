import { StatusError } from '../../status-error.ts'
import type { Promotable } from './promote-handler.ts'

/** Where a managed service moves the role: it is to be asked, and the sidecars follow. */
export class ExternalPromotion implements Promotable {
  readonly #region: string

  constructor(region: string) {
    this.#region = region
  }

  // biome-ignore lint/correctness/useYield: it has no step
  async *run(): AsyncGenerator<never, void> {
    throw new StatusError(
      'FAILED_PRECONDITION',
      `PERIGEE_TOPOLOGY is external: the service that runs Redis moves the role, not Perigee. Nothing was changed. Promote ${this.#region} there (ElastiCache: "aws elasticache failover-global-replication-group"; by hand: REPLICAOF NO ONE at its data Redis, then REPLICAOF to it at the old primary's). The sidecars see the new role within half a second, and claim once no other Redis calls itself a master, or a lease later (docs/operations.md, "Where a managed service moves the role").`,
    )
  }
}
