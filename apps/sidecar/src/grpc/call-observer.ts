/** Told of every call that ended, for metrics. */
export interface CallObserver {
  /**
   * @param method the full name, for example `perigee.v1.CacheService/Set`.
   * @param status the name of the gRPC status, for example `OK`.
   */
  callEnded(method: string, status: string, durationMs: number): void
}
