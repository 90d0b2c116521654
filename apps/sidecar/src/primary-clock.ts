/** This sidecar's estimate of the primary Redis's clock, by which written-at and expires-at are reckoned. */
export interface PrimaryClock {
  /** Unix milliseconds; this host's own clock while nothing is known. */
  nowMs(): number
  /** Half of the estimate's confidence interval, milliseconds; infinite while nothing is known. */
  uncertaintyMs(): number
}
